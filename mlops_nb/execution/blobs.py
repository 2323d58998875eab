"""Where the product cache keeps bytes: a local folder, or anything that fsspec reaches."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlops_nb.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Blobs", "FolderBlobs", "RemoteBlobs", "file_digest", "open_blobs"]

_FICLONE = 0x40049409
_CHUNK = 1 << 20
_WHOLE_UPLOADS = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"))
"""Systems in which an object appears only once it is whole."""


class Blobs(Protocol):
    """Named bytes; a name appears only once its bytes are whole."""

    def put(self, name: str, source: Path) -> str:
        """Store a file's bytes below a name; return their SHA-256."""
        ...

    def get(self, name: str, target: Path) -> str:
        """Write the bytes to a new file; return their SHA-256. Raises `FileNotFoundError`."""
        ...

    def entries(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Yield name, size in bytes and time of the last use of what stands below a prefix."""
        ...

    def drop(self, name: str) -> None:
        """Forget a name; one that is not there is fine."""
        ...


def open_blobs(url: str) -> FolderBlobs | RemoteBlobs:
    """Return the store at a path or URL.

    Raises
    ------
    ExecutionError
        No file system of that protocol is installed, or its options are wrong.
    """
    if "://" not in url:
        return FolderBlobs(Path(url))
    if url.startswith("file://"):
        path = Path(url.removeprefix("file://"))
        if not path.is_absolute():
            raise ExecutionError(
                "is no absolute path", where=f"cache {url}", fix=f"write file://{path.absolute()}"
            )
        return FolderBlobs(path)
    from fsspec.core import url_to_fs

    try:
        system, root = url_to_fs(url)
    except (ImportError, ValueError, OSError) as error:
        raise ExecutionError(
            f"cannot be opened: {error}",
            where=f"cache {url}",
            fix="install the package that fsspec needs for it, or choose a folder",
        ) from error
    return RemoteBlobs(system, root)


class FolderBlobs:
    """A folder of this machine, or one that several machines mount."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, source: Path) -> str:
        """See `Blobs.put`."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}")
        try:
            digest = _copy(source, draft)
            os.replace(draft, target)  # noqa: PTH105
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return digest

    def get(self, name: str, target: Path) -> str:
        """See `Blobs.get`."""
        source = self.root / name
        digest = _copy(source, target)
        self.touch(name)
        return digest

    def has(self, name: str) -> bool:
        """Return whether there is something of that name."""
        return (self.root / name).is_file()

    def read(self, name: str) -> bytes:
        """Return the bytes of a small entry; raises `FileNotFoundError`."""
        return (self.root / name).read_bytes()

    def touch(self, name: str) -> None:
        """Note that something is used."""
        with suppress(OSError):
            os.utime(self.root / name)

    def entries(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """See `Blobs.entries`."""
        # Not by `Path`: every run looks at all there is, and that would cost it more than a task does.
        base = os.path.join(os.path.abspath(self.root), "")  # noqa: PTH100, PTH118
        cut = len(base)
        folders = [base + prefix]
        while folders:
            with suppress(OSError), os.scandir(folders.pop()) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file() and (stat := self._stat(entry)) is not None:
                        name = entry.path[cut:].replace(os.sep, "/")
                        yield name, stat.st_size, stat.st_mtime

    def _stat(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        """Return a finished entry's; what a killed process was writing is taken away in time."""
        try:
            stat = entry.stat()
        except OSError:
            return None
        if not entry.name.startswith("."):
            return stat
        if time.time() - stat.st_mtime > 3600:
            Path(entry.path).unlink(missing_ok=True)
        return None

    def drop(self, name: str) -> None:
        """See `Blobs.drop`."""
        (self.root / name).unlink(missing_ok=True)


class RemoteBlobs:
    """A place behind an fsspec file system; what its driver raises comes out as an `OSError`."""

    def __init__(self, system: Any, root: str) -> None:
        self._system = system
        self._root = root.rstrip("/")
        protocol = system.protocol
        protocols = {protocol} if isinstance(protocol, str) else set(protocol)
        self._whole = bool(protocols & _WHOLE_UPLOADS)

    def put(self, name: str, source: Path) -> str:
        """See `Blobs.put`."""
        target = self._path(name)
        with _driver():
            self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
            if self._whole:
                self._system.put_file(str(source), target)
            else:
                self._put_by_draft(target, source)
        return file_digest(source)

    def _put_by_draft(self, target: str, source: Path) -> None:
        folder, _, last = target.rpartition("/")
        draft = f"{folder}/.{last}.{secrets.token_hex(8)}"
        try:
            self._system.put_file(str(source), draft)
            self._system.mv(draft, target)
        except BaseException:
            with suppress(OSError), _driver():
                self._system.rm_file(draft)
            raise

    def get(self, name: str, target: Path) -> str:
        """See `Blobs.get`."""
        with _driver():
            self._system.get_file(self._path(name), str(target))
        return file_digest(target)

    def has(self, name: str) -> bool:
        """Return whether there is something of that name."""
        with _driver():
            return bool(self._system.exists(self._path(name)))

    def read(self, name: str) -> bytes:
        """Return the bytes of a small entry; raises `FileNotFoundError`."""
        with _driver():
            return bytes(self._system.cat_file(self._path(name)))

    def touch(self, name: str) -> None:
        """Do nothing: object stores keep no time of use, so the oldest goes first."""

    def entries(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """See `Blobs.entries`."""
        base = self._path(prefix)
        try:
            with _driver():
                self._system.invalidate_cache()
                found = self._system.find(base, detail=True)
        except FileNotFoundError:
            return
        for path, info in sorted(found.items()):
            name = path[path.index(base) + len(base) - len(prefix) :]
            if not name.rpartition("/")[2].startswith("."):
                yield name, int(info.get("size") or 0), _time_of(info)

    def drop(self, name: str) -> None:
        """See `Blobs.drop`."""
        with suppress(FileNotFoundError), _driver():
            self._system.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def _driver() -> Iterator[None]:
    """Turn what a driver raises into an `OSError`: each has exceptions of its own."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # the border to drivers that are not ours
        raise OSError(f"{type(error).__name__}: {error}") from error


def _time_of(info: dict[str, Any]) -> float:
    for key in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = info.get(key)
        if value is not None:
            return float(value.timestamp() if hasattr(value, "timestamp") else value)
    return 0.0


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> str:
    """Copy a file's bytes, shared on file systems that copy on write; return their SHA-256.

    Never a hard link: a product may be written to later, and the cache must not change with it.
    """
    with source.open("rb") as old, target.open("xb") as new:
        if not _clone(old.fileno(), new.fileno()):
            digest = hashlib.sha256()
            while chunk := old.read(_CHUNK):
                digest.update(chunk)
                new.write(chunk)
            result = digest.hexdigest()
        else:
            result = ""
    shutil.copymode(source, target)
    return result or file_digest(target)


def _clone(old: int, new: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.ioctl(new, _FICLONE, old)
    except OSError:
        return False
    return True
