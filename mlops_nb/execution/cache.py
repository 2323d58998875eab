"""Keeps the products of earlier fingerprints, to put them back instead of making them again.

A store holds ``blobs/ab/abcd...`` (file contents by their SHA-256) and ``manifests/<fingerprint>``
(which files a task made from what that fingerprint stands for). Contents are checked when they
are put back: what does not match its digest is dropped, and counts as not there.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ExecutionError
from mlops_nb.execution.blobs import FolderBlobs, file_digest, open_blobs
from mlops_nb.execution.growth import Growth
from mlops_nb.execution.manifests import (
    KeptFile,
    Manifest,
    blob_name,
    blobs_of,
    kept_digest,
    manifest_name,
    may_land,
)
from mlops_nb.model import Record, decode, encode

if TYPE_CHECKING:
    from mlops_nb.config import Project
    from mlops_nb.execution.staging import Stage
    from mlops_nb.model import Task

__all__ = ["CacheEntry", "Collected", "ProductCache"]

_YOUNG = 3600.0
"""Seconds for which content that no manifest names is left alone: its manifest may be on its way."""


class CacheEntry(Record, frozen=True, kw_only=True):
    """One task's products in the cache."""

    task: str
    fingerprint: str
    run: str
    created: float
    """Seconds since the epoch."""
    used: float
    """When it was last kept or restored; seconds since the epoch."""
    size: int
    """Bytes, content shared with other entries included."""
    products: tuple[str, ...]


class Collected(Record, frozen=True, kw_only=True):
    """What a clean-up did."""

    entries: int
    """Entries dropped."""
    freed: int
    """Bytes freed."""
    kept: int
    """Bytes still there."""


class ProductCache:
    """A store of products by fingerprint.

    Parameters
    ----------
    url
        A folder, or an fsspec URL such as ``s3://bucket/prefix``.
    limit_mb
        MiB that `gc` brings the store down to.

    Raises
    ------
    ExecutionError
        The URL's file system is not installed.
    """

    def __init__(self, url: str, *, limit_mb: float = 5_000) -> None:
        self.url = url
        self._limit = int(limit_mb * 1024**2)
        self._blobs = open_blobs(url)
        self._growth = Growth(self._blobs.root) if isinstance(self._blobs, FolderBlobs) else None

    @classmethod
    def of(cls, project: Project, url: str = "") -> ProductCache:
        """Return a project's cache, or the one at another URL."""
        return cls(url or project.cache_url, limit_mb=project.settings.cache_size_mb)

    def keeps(self, task: Task) -> bool:
        """Return whether a task's products can be kept: all of them are files or folders."""
        return bool(task.products) and all(product.is_file for product in task.products)

    def has(self, fingerprint: str) -> bool:
        """Return whether a fingerprint's products are there, without checking their content."""
        try:
            return self._blobs.has(manifest_name(fingerprint))
        except OSError:
            return False

    def products_of(self, fingerprint: str) -> dict[str, str] | None:
        """Return the product digests that restoring a fingerprint will give, for the plan.

        Returns
        -------
        dict or None
            By `Product.path`, in the manner of `mlops_nb.pipeline.digests`; ``None`` where the
            fingerprint is not there.
        """
        manifest = self._read(manifest_name(fingerprint))
        if manifest is None:
            return None
        return {name: kept_digest(files) for name, files in manifest.products.items()}

    def keep(
        self,
        task: str,
        fingerprint: str,
        products: Mapping[str, Path],
        *,
        digests: Mapping[str, str] | None = None,
        run: str = "",
    ) -> None:
        """Add a task's products.

        Parameters
        ----------
        products
            Where each of them stands, by the name that `Stage.place` takes.
        digests
            What the task made, by the same names, in the manner of `mlops_nb.pipeline.digests`;
            what stands there now must be that.

        Raises
        ------
        ExecutionError
            The store cannot be written, or a product changed meanwhile; nothing is added then.
        """
        try:
            files = {name: tuple(self._store(path)) for name, path in products.items()}
            for name, made in (digests or {}).items():
                if kept_digest(files[name]) != made:
                    raise OSError(f"{products[name]} is not what the task made any more")
            manifest = Manifest(
                task=task, fingerprint=fingerprint, run=run, created=time.time(), products=files
            )
            with tempfile.TemporaryDirectory(prefix="mlops-nb-") as folder:
                draft = Path(folder, "manifest")
                draft.write_bytes(encode(manifest))
                self._blobs.put(manifest_name(fingerprint), draft)
        except OSError as error:
            raise ExecutionError(
                f"its products could not be cached: {error}",
                where=f'task "{task}", cache {self.url}',
                fix="the products themselves are in place",
            ) from error

    def restore(self, fingerprint: str, stage: Stage) -> bool:
        """Write a fingerprint's products into a staging folder.

        Returns
        -------
        bool
            False where they are not there, not whole, or not what they were; the folder is then
            empty.

        Raises
        ------
        ExecutionError
            The store cannot be read, or the staging folder not be written.
        """
        name = manifest_name(fingerprint)
        manifest = self._read(name)
        if (
            manifest is None
            or manifest.fingerprint != fingerprint
            or not set(stage.products) <= manifest.products.keys()
            or not all(may_land(product, stage) for product in manifest.products)
        ):
            return False
        for product, files in manifest.products.items():
            for file in files:
                if not self._fetch(file, stage.place(product)):
                    self._blobs.drop(name)
                    stage.make()
                    return False
        self._blobs.touch(name)
        return True

    def ls(self) -> tuple[CacheEntry, ...]:
        """Return the entries, the last used first.

        Raises
        ------
        ExecutionError
            The store cannot be read.
        """
        found = []
        for name, _, used in self._entries("manifests"):
            manifest = self._read(name)
            if manifest is not None:
                found.append(
                    CacheEntry(
                        task=manifest.task,
                        fingerprint=manifest.fingerprint,
                        run=manifest.run,
                        created=manifest.created,
                        used=used,
                        size=sum(f.size for files in manifest.products.values() for f in files),
                        products=tuple(sorted(manifest.products)),
                    )
                )
        return tuple(sorted(found, key=lambda entry: -entry.used))

    def gc(self, *, limit_mb: float | None = None) -> Collected:
        """Drop the entries that were not used for longest until the rest fits.

        Parameters
        ----------
        limit_mb
            MiB to keep; the cache's own limit by default.

        Raises
        ------
        ExecutionError
            The store cannot be read or written.
        """
        limit = self._limit if limit_mb is None else int(limit_mb * 1024**2)
        # The contents first: what a keeper adds from here on is neither counted nor dropped.
        blobs = {name: (size, used) for name, size, used in self._entries("blobs")}
        manifests = sorted(self._entries("manifests"), key=lambda entry: -entry[2])
        total = freed = 0
        wanted: set[str] = set()
        dropped: dict[str, set[str]] = {}
        for name, _, _ in manifests:
            manifest = self._read(name)
            needs = set() if manifest is None else blobs_of(manifest)
            more = sum(blobs[blob][0] for blob in needs - wanted if blob in blobs)
            if manifest is None or total + more > limit:
                dropped[name] = needs
            else:
                wanted |= needs
                total += more
        orphans = set().union(*dropped.values())
        try:
            for name in dropped:
                self._blobs.drop(name)
            for blob, (size, used) in blobs.items():
                if blob not in wanted and (blob in orphans or time.time() - used > _YOUNG):
                    self._blobs.drop(blob)
                    freed += size
        except OSError as error:
            raise self._trouble(error) from error
        if self._growth is not None:
            self._growth.counted(sum(size for size, _ in blobs.values()) - freed)
        return Collected(entries=len(dropped), freed=freed, kept=total)

    def trim(self) -> None:
        """Bring a folder that has outgrown its limit down to it; elsewhere that takes `gc`.

        A store behind a URL is other machines' too: the one with the smallest limit must not
        decide what they lose, and a listing would cost each run seconds.

        Raises
        ------
        ExecutionError
            The folder cannot be read or written.
        """
        growth = self._growth
        if growth is None:
            return
        most = growth.most()
        if most is not None and most <= self._limit:
            return
        total = sum(size for _, size, _ in self._entries("blobs"))
        if total > self._limit:
            self.gc()
        else:
            growth.counted(total)

    def _store(self, path: Path) -> list[KeptFile]:
        if not path.is_dir():
            return [self._store_file(path, "")]
        found: list[KeptFile] = []
        for folder, folders, names in os.walk(path):
            here = Path(folder)
            found += [
                self._store_file(here / name, (here / name).relative_to(path).as_posix())
                for name in sorted(names)
            ]
            if not names and not folders:
                found.append(KeptFile(path=here.relative_to(path).as_posix()))
        return found

    def _store_file(self, path: Path, relative: str) -> KeptFile:
        stat = path.stat()
        digest = file_digest(path)
        name = blob_name(digest)
        if self._blobs.has(name):
            self._blobs.touch(name)
        elif self._blobs.put(name, path) != digest:
            self._blobs.drop(name)
            raise OSError(f"{path} changed while it was read")
        elif self._growth is not None:
            self._growth.add(stat.st_size)
        return KeptFile(path=relative, digest=digest, size=stat.st_size, mode=stat.st_mode & 0o777)

    def _fetch(self, file: KeptFile, place: Path) -> bool:
        target = place / file.path if file.path else place
        if not target.resolve().is_relative_to(place.resolve()):
            return False  # a manifest of somebody else must not write elsewhere
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not file.digest:
                target.mkdir(exist_ok=True)
                return True
        except OSError as error:
            raise ExecutionError(f"cannot be staged: {error}", where=str(target)) from error
        name = blob_name(file.digest)
        try:
            sound = self._blobs.get(name, target) == file.digest
            if sound:
                target.chmod(file.mode)
            else:
                self._blobs.drop(name)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ExecutionError(f"cannot be restored: {error}", where=str(target)) from error
        return sound

    def _read(self, name: str) -> Manifest | None:
        try:
            return decode(self._blobs.read(name), Manifest)
        except (OSError, msgspec.MsgspecError):
            return None

    def _entries(self, prefix: str) -> list[tuple[str, int, float]]:
        try:
            return list(self._blobs.entries(prefix))
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> ExecutionError:
        return ExecutionError(f"cannot be used: {error}", where=f"cache {self.url}")
