"""Installed is enabled, and a server that starts with it stays as light as before."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mlops_nb.server.schema import SCHEMA

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HEAVY = ("ploomber", "mlflow", "whylogs", "sklearn", "pandas", "numpy", "sqlalchemy", "papermill")
START = """
import json, sys
from jupyter_server.serverapp import ServerApp

app = ServerApp.instance()
app.initialize(sys.argv[1:])
from mlops_nb.server import follow, handler, jobs, panel, places, pool, requests, routes, saves
import mlops_nb.api.tail
print(json.dumps([name for name in sys.modules if "." not in name]))
"""


def test_wheel_enables_the_extension_and_not_ploombers() -> None:
    shared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    places = shared["targets"]["wheel"]["shared-data"]
    folder = ROOT / "jupyter-config" / "jupyter_server_config.d"
    assert places["jupyter-config/jupyter_server_config.d"].startswith("etc/jupyter/")
    enabled: dict[str, bool] = {}
    # In the order in which Jupyter reads them, after Ploomber's own.
    for name in sorted([path.name for path in folder.iterdir()] + ["ploomber.json"]):
        if name == "ploomber.json":
            enabled["ploomber"] = True
        else:
            found = json.loads((folder / name).read_text("utf-8"))
            enabled.update(found["ServerApp"]["jpserver_extensions"])
    assert enabled == {"mlops_nb.server": True, "ploomber": False, "ploomber_extension": False}


def test_nothing_heavy_is_imported_into_the_server(tmp_path: Path) -> None:
    extensions = {"mlops_nb.server": True, "ploomber": False, "ploomber_extension": False}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            START,
            "--no-browser",
            "--allow-root",
            "--ServerApp.port=0",
            f"--ServerApp.root_dir={tmp_path}",
            f"--ServerApp.jpserver_extensions={extensions}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout.strip().splitlines()[-1]))
    assert loaded.isdisjoint(HEAVY)


@pytest.fixture
def jp_server_config():
    return {"ServerApp": {"jpserver_extensions": {"mlops_nb.server": True}}}


async def test_events_can_be_subscribed_to_before_the_first_request(jp_serverapp) -> None:
    assert SCHEMA in jp_serverapp.event_logger.schemas
    (extension,) = jp_serverapp.extension_manager.extension_apps["mlops_nb.server"]
    assert extension._panel is None
