"""Content digests of files, and what was read out of them, both remembered between runs.

A file is hashed again only when its size, modification time, change time or inode differ from
those noted beside its digest. As in Git's index, a file changed within the clock's grain of being
hashed is not trusted the next time, so that an edit in the same tick cannot hide. The clock only
ever decides whether to hash again; what counts as changed is the content alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import Record, decode, encode
from mlops_nb.notebooks.cells import cells_of, find_tagged
from mlops_nb.notebooks.imports import Import, imports_in, imports_of_cells
from mlops_nb.pipeline.files import write_if_possible

if TYPE_CHECKING:
    from mlops_nb.config import Project
    from mlops_nb.notebooks.cells import Cells

__all__ = ["Digests", "Facts", "carry_digests", "digest_of"]

FORMAT = "1"
_GRAIN_NS = 50_000_000
"""Longest tick of a Linux file system's clock, with room; nanoseconds."""
_COARSE_GRAIN_NS = 2_500_000_000
"""The same where time stamps come in whole seconds."""
_SIDECAR = re.compile(r"^\..*\.metadata$")


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: str


class Facts(Record, frozen=True, kw_only=True):
    """What a source file says, read out of it once for each content."""

    code: str
    """Digest of the code: for notebooks the code cells only."""
    head: str = ""
    """Digest of what a pipeline's shape depends on: parameters cell, kernel, settings."""
    imports: tuple[Import, ...] = ()


class _Table(Record, frozen=True, kw_only=True):
    format: str
    files: dict[str, _Entry] = {}
    facts: dict[str, Facts] = {}


def digest_of(*parts: str | bytes) -> str:
    """Return the SHA-256 of some parts; the parts' borders count."""
    made = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "little"))
        made.update(data)
    return made.hexdigest()


class _Memory:
    """What looks that follow one another remember together; safe to share among threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table = _read_table(path)
        self.files: dict[str, _Entry] = {}
        self.facts: dict[str, Facts] = {}
        self.asked: set[str] = set()
        self.changed = False

    def save(self) -> None:
        if not self.changed:
            return
        self.changed = False
        # Copies, because another thread's look may add to them meanwhile.
        mine, told, asked = dict(self.files), dict(self.facts), set(self.asked)
        # What was not asked for this time stays, as long as it is still there.
        others = {name: entry for name, entry in self.table.files.items() if name not in asked}
        if len(others) > 4 * len(mine) + 5_000:
            others = {}
        facts = {**self.table.facts, **told}
        if len(facts) > 4 * len(told) + 500:
            facts = told
        table = _Table(format=_format(), files={**others, **mine}, facts=facts)
        if not write_if_possible(self.path, encode(table)):
            self.changed = True


class Digests:
    """Digests of a project's files for the length of one look at them.

    Parameters
    ----------
    project
        Whose ``.mlops/cache/files.json`` is read; it is written by `save`.
    """

    def __init__(self, project: Project) -> None:
        self._begin(_Memory(project.products_state / "cache" / "files.json"))

    def _begin(self, memory: _Memory) -> None:
        self._memory = memory
        self._seen: dict[str, str] = {}
        self._folders: set[str] = set()
        self.hashed_bytes = 0
        """How much was read for hashing so far."""

    def again(self) -> Digests:
        """Return another look at the files as they are now, which reads only what has changed.

        The two may be used in different threads; what either has learnt is kept by `save`.
        """
        look = Digests.__new__(Digests)
        look._begin(self._memory)
        return look

    def of(self, path: Path | str) -> str:
        """Return the digest of a file or folder; an empty text where there is neither."""
        name = str(path)
        if name not in self._seen:
            self._memory.asked.add(name)
            self._seen[name] = self._look(name)
        return self._seen[name]

    def _look(self, name: str) -> str:
        try:
            status = os.stat(name)  # noqa: PTH116 - strings in a hot loop
        except OSError:
            return ""
        if stat.S_ISDIR(status.st_mode):
            return self._of_folder(name)
        if not stat.S_ISREG(status.st_mode):
            return ""
        memory = self._memory
        known = memory.files.get(name) or memory.table.files.get(name)
        if (
            known is not None
            and known.size == status.st_size
            and known.mtime_ns == status.st_mtime_ns
            and known.ctime_ns == status.st_ctime_ns
            and known.inode == status.st_ino
        ):
            memory.files[name] = known
            return known.digest
        return self._hash(name, status)

    def _hash(self, name: str, status: os.stat_result) -> str:
        now = time.time_ns()
        try:
            with open(name, "rb") as file:  # noqa: PTH123 - an open per file of a hot loop
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""
        self._memory.changed = True
        self.hashed_bytes += status.st_size
        latest = max(status.st_mtime_ns, status.st_ctime_ns)
        grain = _COARSE_GRAIN_NS if status.st_mtime_ns % 1_000_000_000 == 0 else _GRAIN_NS
        if now - latest > grain:
            self._memory.files[name] = _Entry(
                status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest
            )
        return digest

    def _of_folder(self, name: str) -> str:
        self._folders.add(name)
        parts: list[str] = []
        known: set[str] = set()
        for folder, folders, files in os.walk(name, followlinks=True):
            real = os.path.realpath(folder)
            if real in known:  # a link back up
                folders.clear()
                continue
            known.add(real)
            folders[:] = sorted(item for item in folders if item != "__pycache__")
            for item in sorted(files):
                if _SIDECAR.match(item):
                    continue  # Ploomber's note of when a product was made
                full = os.path.join(folder, item)  # noqa: PTH118 - strings in a hot loop
                parts += (os.path.relpath(full, name), self.of(full))
        return digest_of("folder", *parts)

    def notebook(self, path: Path) -> Facts:
        """Return what a notebook says.

        Raises
        ------
        NotebookError
            It is missing or cannot be read.
        """
        digest = self.of(path)
        return self._fact(f"notebook{path.suffix}:{digest}", path, _notebook_facts)

    def module(self, path: Path) -> Facts:
        """Return what a module says; of one that cannot be read only that."""
        return self._fact(f"module:{self.of(path)}", path, _module_facts)

    def function(self, path: Path, name: str) -> Facts:
        """Return what one function of a module says, with all of the module that it can reach."""

        def read(data: bytes, where: str) -> Facts:
            from mlops_nb.pipeline.functions import reachable_source

            source = reachable_source(data.decode("utf-8", "replace"), name)
            return Facts(code=digest_of(source), imports=imports_in(source))

        return self._fact(f"function:{name}:{self.of(path)}", path, read)

    def _fact(self, key: str, path: Path, read: Reader) -> Facts:
        memory = self._memory
        known = memory.facts.get(key) or memory.table.facts.get(key)
        if known is None:
            from mlops_nb.notebooks.read import read_bytes

            known = read(read_bytes(path), str(path))
            memory.changed = True
        memory.facts[key] = known
        return known

    def forget(self, path: Path | str) -> None:
        """Look at a file, or a folder with all it holds, afresh the next time it is asked for."""
        self._seen.pop(str(path), None)
        if str(path) in self._folders:
            inside = f"{path}{os.sep}"
            for name in [name for name in self._seen if name.startswith(inside)]:
                del self._seen[name]

    def save(self) -> None:
        """Keep what was learnt; a state folder that cannot be written to only costs time."""
        self._memory.save()


if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[bytes, str], Facts]


def _format() -> str:
    # Syntax differs between versions of Python, and with it what can be read out of a file.
    import sys

    return f"{FORMAT}-{sys.version_info.major}.{sys.version_info.minor}"


def carry_digests(old: Project, new: Project) -> None:
    """Let a root that links to another's files know the digests that are known there."""
    table = _read_table(old.products_state / "cache" / "files.json")
    inside = f"{old.root}{os.sep}"
    files = {
        f"{new.root}{os.sep}{name.removeprefix(inside)}": entry
        for name, entry in table.files.items()
        if name.startswith(inside)
    }
    write_if_possible(
        new.products_state / "cache" / "files.json",
        encode(msgspec.structs.replace(table, files=files)),
    )


def _read_table(path: Path) -> _Table:
    empty = _Table(format=_format())
    try:
        table = decode(path.read_bytes(), _Table)
    except (OSError, msgspec.MsgspecError):
        return empty
    return table if table.format == empty.format else empty


def _notebook_facts(data: bytes, where: str) -> Facts:
    cells = cells_of(data, where)
    return Facts(
        code=digest_of(cells.language, *_code_of(cells)),
        head=_head_of(cells),
        imports=imports_of_cells(cells),
    )


def _code_of(cells: Cells) -> list[str]:
    """Return the code cells' sources; blank cells and space at a cell's end do not count."""
    return [source for cell in cells.code if (source := cell.source.rstrip())]


def _head_of(cells: Cells) -> str:
    tagged = find_tagged(cells)
    return digest_of(
        cells.language,
        cells.kernel,
        "missing" if tagged is None else f"cell:{tagged.source}",
        encode(cells.settings),
        # Without a parameters cell, whether the code uses what would be injected matters.
        "" if tagged is not None else "\0".join(_code_of(cells)),
    )


def _module_facts(data: bytes, where: str) -> Facts:
    return Facts(
        code=hashlib.sha256(data).hexdigest(),
        imports=imports_in(data.decode("utf-8", "replace")),
    )
