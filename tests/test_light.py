"""The light import of Papermill leaves it whole."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
import sys
from mlops_nb.light import import_papermill
engines = import_papermill()
assert import_papermill() is engines
assert "rfc3987_syntax" not in sys.modules, "the grammar was compiled"
assert "ploomber_engine" not in sys.modules, "another engine was imported"
registry = engines.papermill_engines
assert registry.get_engine(None) is engines.NBClientEngine
assert "another_engine" not in sys.modules
assert registry.get_engine("another").nb_kernel_name(None, "x") == "from another"
assert "another_engine" in sys.modules
import jsonschema
check = jsonschema.FormatChecker()
assert check.conforms("http://example.org/ä", "iri"), "the check works when it is asked for"
assert not check.conforms("http://exa mple", "iri")
for name in ("requests", "pyarrow", "pyarrow.fs"):
    assert name not in sys.modules, name
from papermill import iorw
assert iorw.requests.get.__module__ == "requests.api"
selector = iorw.FileSelector("/tmp")
import pyarrow.fs, requests
assert isinstance(selector, pyarrow.fs.FileSelector)
assert requests is sys.modules["requests"] is not iorw.requests
print("whole")
"""


def test_papermill_is_whole_and_its_grammar_and_engines_come_when_asked_for(
    tmp_path: Path,
) -> None:
    info = tmp_path / "another-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[papermill.engine]\nanother = another_engine:Engine\n")
    (tmp_path / "another_engine.py").write_text(
        "class Engine:\n    @classmethod\n    def nb_kernel_name(cls, nb, name): return 'from another'\n"
    )
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout == "whole\n", done.stderr


PLOOMBER = """
import sys
from mlops_nb.light import light_ploomber
with light_ploomber():
    from ploomber.spec.dagspec import DAGSpec
for name in ("rfc3987_syntax", "matplotlib.pyplot", "pandas", "requests"):
    assert name not in sys.modules, name
from ploomber.io import unserialize
from ploomber_engine import profiling
assert unserialize.pd.read_csv.__module__.startswith("pandas"), "it comes when it is asked for"
assert profiling.plt.figure.__module__ == "matplotlib.pyplot"
import pandas
assert unserialize.pd is not pandas is sys.modules["pandas"]
print("whole")
"""


def test_ploomber_is_whole_and_what_it_hardly_uses_comes_when_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", PLOOMBER], capture_output=True, text=True)
    assert done.stdout == "whole\n", done.stderr


MLFLOW = """
import sys
from mlops_nb.light import light_mlflow
with light_mlflow():
    import mlflow
for name in ("mlflow.genai", "fastapi", "litellm"):
    assert name not in sys.modules, name
assert mlflow.tracking.MlflowClient is mlflow.MlflowClient
assert callable(mlflow.genai.evaluate), "it comes when it is asked for"
import mlflow.genai
from mlflow.genai import judges
assert mlflow.genai is sys.modules["mlflow.genai"]
assert judges is sys.modules["mlflow.genai.judges"]
print("whole")
"""


def test_mlflow_is_whole_and_its_tools_for_language_models_come_when_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", MLFLOW], capture_output=True, text=True)
    assert done.stdout == "whole\n", done.stderr


def test_the_engine_can_be_imported_before_papermill() -> None:
    code = (
        "import mlops_nb.execution.papermill_engine as ours\n"
        "from papermill.engines import papermill_engines\n"
        "assert papermill_engines.get_engine(None) in ours.MlopsEngine.__mro__\n"
        "print('whole')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "whole\n", done.stderr


def test_nbconvert_comes_without_the_grammar() -> None:
    code = (
        "import sys\n"
        "from mlops_nb.light import light_nbformat\n"
        "with light_nbformat():\n    import nbconvert\n"
        "assert 'rfc3987_syntax' not in sys.modules\n"
        "from jsonschema import FormatChecker\n"
        "assert not FormatChecker().conforms('http://exa mple', 'iri')\n"
        "print('whole')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "whole\n", done.stderr
