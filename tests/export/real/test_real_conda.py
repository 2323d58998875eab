from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml
from export_samples import small

from mlops_nb import export

SOLVE = """
import asyncio, json, os, sys
from rattler import Channel, Platform, solve
records = asyncio.run(solve([Channel(sys.argv[1])], json.loads(sys.argv[2]), platforms=[Platform("linux-64"), Platform("noarch")]))
print(json.dumps({r.name.normalized: str(r.version) for r in records}), flush=True)
os._exit(0)  # its threads may crash the interpreter while that is taken apart
"""


def record(name: str, version: str, *depends: str) -> dict:
    return {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": list(depends),
        "subdir": "linux-64",
        "sha256": "0" * 64,
        "size": 1,
    }


def test_rattler_solves_the_environment_against_a_local_channel(tmp_path: Path, find_tool) -> None:
    packages = [
        record("python", "3.11.9"),
        record("python", "3.12.4"),
        record("python", "3.13.1"),
        record("pip", "26.0", "python"),
        record("openjdk", "17.0.1"),
        record("openjdk", "21.0.2"),
    ]
    for folder, found in (("linux-64", packages), ("noarch", [])):
        (tmp_path / folder).mkdir()
        listing = {f"{one['name']}-{one['version']}-0.conda": one for one in found}
        (tmp_path / folder / "repodata.json").write_text(
            json.dumps({"info": {"subdir": folder}, "packages": {}, "packages.conda": listing})
        )
    files = export.render("conda", small(), {"conda-packages": ["openjdk=21"]})
    for path in ("environment.yml", "conda/lock-input.yml"):
        specs = [one for one in yaml.safe_load(files[path])["dependencies"] if isinstance(one, str)]
        python = find_tool("py-rattler", "conda/bin/python")
        done = subprocess.run(
            [python, "-c", SOLVE, tmp_path.as_uri(), json.dumps(specs)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"python": "3.12.4", "pip": "26.0", "openjdk": "21.0.2"}
