"""Stands in for GitHub's artifact and cache services: both are folders below SHIM_STORE.

It keeps to the rules of the real ones that matter here: an artifact of one file or folder holds
what is below that folder; a hidden path needs include-hidden-files; a name is taken once; a cache
key is written once; restore-keys find the newest key of a prefix.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import sys
from pathlib import Path

STORE = Path(os.environ["SHIM_STORE"])


def given(name: str) -> str:
    return os.environ.get("IN_" + name, "").strip()


def alternatives(pattern: str) -> list[str]:
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", pattern)
    if not found:
        return [pattern]
    return [found[1] + part + found[3] for part in found[2].split(",")]


def upload() -> None:
    name = given("NAME")
    assert not re.search(r'["<>|*?:\r\n/\\]', name), f"artifact name {name!r}"
    paths = [Path(line) for line in given("PATH").splitlines()]
    hidden = given("HIDDEN") == "true"
    there = [
        p
        for p in paths
        if p.exists() and (hidden or not any(part.startswith(".") for part in p.parts))
    ]
    if not there:
        assert given("MISSING") == "ignore", f"no files found: {paths}"
        return
    target = STORE / "artifacts" / name
    if target.exists():
        assert given("OVERWRITE") == "true", f"artifact {name} exists"
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for path in there:
        if path.is_dir():
            shutil.copytree(
                path, target / (path.name if len(there) > 1 else "."), dirs_exist_ok=True
            )
        else:
            shutil.copy2(path, target / path.name)


def download() -> None:
    to = Path(given("PATH") or ".")
    to.mkdir(parents=True, exist_ok=True)
    if name := given("NAME"):
        shutil.copytree(STORE / "artifacts" / name, to, dirs_exist_ok=True)
        return
    for one in sorted((STORE / "artifacts").iterdir()):
        if any(
            fnmatch.fnmatchcase(one.name, pattern) for pattern in alternatives(given("PATTERN"))
        ):
            place = to if given("MERGE") == "true" else to / one.name
            shutil.copytree(one, place, dirs_exist_ok=True)


def save() -> None:
    path, key = Path(given("PATH")), given("KEY")
    assert "," not in key and len(key) <= 512
    target = STORE / "cache" / key
    if target.exists():
        return
    target.mkdir(parents=True)
    shutil.copy2(path, target / "file")


def restore() -> None:
    path = Path(given("PATH"))
    keys = [given("KEY"), *given("RESTORE").splitlines()]
    saved = sorted((STORE / "cache").glob("*"), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    for prefix in keys:
        for one in saved:
            if prefix and one.name.startswith(prefix):
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(one / "file", path)
                return


{"upload": upload, "download": download, "save": save, "restore": restore}[sys.argv[1]]()
