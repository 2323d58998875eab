"""Stands in for GitHub's artifact and cache services: both are folders below SHIM_STORE.

It keeps to the rules of the real ones that matter here: an artifact of one file or folder holds
what is below that folder; a hidden path needs include-hidden-files; a name is taken once; a cache
key is written once for a path; restore-keys find the newest key of a prefix, saved for that path.
"""

from __future__ import annotations

import fnmatch
import hashlib
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


def place_of(key: str, path: Path) -> Path:
    version = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return STORE / "cache" / f"{key}@{version}"


def save() -> None:
    path, key = Path(given("PATH")), given("KEY")
    assert key and "," not in key and len(key) <= 512
    assert path.is_file(), path
    target = place_of(key, path)
    if target.exists():
        return
    target.mkdir(parents=True)
    shutil.copy2(path, target / "file")


def restore() -> None:
    path, key = Path(given("PATH")), given("KEY")
    assert key
    version = place_of("", path).name
    saved = sorted(
        (STORE / "cache").glob(f"*{version}"), key=lambda p: p.stat().st_mtime_ns, reverse=True
    )
    keys = [one.name.removesuffix(version) for one in saved]
    found = [key] if key in keys else []
    for prefix in (key, *given("RESTORE").splitlines()):
        found += [one for one in keys if one.startswith(prefix)]
    if found:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(place_of(found[0], path) / "file", path)
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as out:
        out.write(f"hit={'true' if found and found[0] == key else 'false'}\n")


{"upload": upload, "download": download, "save": save, "restore": restore}[sys.argv[1]]()
