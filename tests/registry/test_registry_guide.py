"""What docs/how-to/registry.md shows, done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec

from mlops_nb.config import Settings, find_project
from mlops_nb.registry import settings as kinds
from mlops_nb.registry.settings import GateSettings
from mlops_nb.registry.store import open_registry
from mlops_nb.registry.versions import list_versions

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "registry.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_every_gate_of_the_guide_is_read_and_every_kind_is_in_it():
    gates, shared = (tomllib.loads(text)["tool"]["mlops-nb"] for text in _blocks("toml"))
    found = msgspec.convert(gates["gates"], GateSettings)
    shown = {type(gate) for gate in found.checks.values()}
    assert shown == set(kinds.AnyGate.__args__)
    assert msgspec.convert(shared, Settings).ledger.startswith("postgresql://")


def test_the_guides_model_is_saved_and_registered(bare_project):
    (code,) = _blocks("python")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], cwd=bare_project, env=environment, check=True)
    registry = open_registry(find_project(bare_project, env={}))
    (version,) = list_versions(registry)
    assert (version.model, version.version) == ("tumours", 1)
    registry.close()
