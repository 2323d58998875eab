"""Official schemas of other projects; they lie beside the checkout, in ``../shared/schemas``."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "schemas"


@cache
def official_schema(name: str) -> dict[str, Any]:
    """Return a schema; without it the test says so by name, and fails in CI."""
    place = FOLDER / name
    if not place.is_file():
        text = f"needs the official schema {name} in ../shared/schemas"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(text)
    return json.loads(place.read_text())
