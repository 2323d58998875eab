"""The notebooks import the modules beside them; so do their tests."""

import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))
