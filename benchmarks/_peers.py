"""Environments of their own for peers, made on demand and kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["peer_environment"]

_HOME = Path(os.environ.get("MLOPS_NB_BENCH_ENVS", Path.home() / ".cache" / "mlops-nb" / "bench"))


def peer_environment(name: str, packages: Sequence[str]) -> Path:
    """Return the ``bin`` folder of an environment that holds these packages.

    It is made once per set of packages, compiled to bytecode, and found again afterwards; uv is
    used where it is installed, else pip.
    """
    digest = hashlib.sha256("\n".join([sys.version, *packages]).encode()).hexdigest()[:12]
    folder = _HOME / f"{name}-{digest}"
    scripts = folder / "bin"
    if (folder / "complete").exists():
        return scripts
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv")
    python = str(scripts / "python")
    venv.create(folder, with_pip=uv is None)
    command = (
        [uv, "pip", "install", "-q", "--python", python]
        if uv
        else [python, "-m", "pip", "install", "-q"]
    )
    subprocess.run([*command, *packages], check=True)
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [python, "-m", "compileall", "-q", "-j", "0", str(folder / "lib")], check=False, env=plain
    )
    (folder / "complete").touch()
    return scripts
