"""Moves a version with its evidence between registries, as one file."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ArtifactError, RegistryError
from mlops_nb.model import (
    EntryKind,
    LedgerEntry,
    ModelVersion,
    Record,
    decode,
    encode,
    to_builtins,
)
from mlops_nb.registry.ledger import entry_hash
from mlops_nb.registry.loading import MANIFEST, check_artifact
from mlops_nb.registry.versions import find_version, register

if TYPE_CHECKING:
    from mlops_nb.registry.store import Registry

__all__ = ["Exported", "export_version", "import_version"]

_FORMAT = 1
_RECORD = "version.json"
_FOLDER = "artifact"
_MAX_BYTES = 20 * 2**30
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What `zipfile` raises of a damaged file: its own error is only one of them."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Exported(Record, frozen=True, kw_only=True):
    """What stands beside the artifact in an exported file."""

    format: int
    ledger_id: str
    version: ModelVersion
    entries: tuple[LedgerEntry, ...] = ()
    """The ledger's rows about it, as they stood."""


def export_version(registry: Registry, model: str, version: int | str, path: Path | str) -> Path:
    """Write a version, its artifact and its history as one zip file.

    The same version gives the same bytes.

    Parameters
    ----------
    registry, model, version
        Which version.
    path
        The file; a folder gets ``model-vN.zip``.

    Raises
    ------
    ArtifactError
        The artifact is missing or was changed.
    RegistryError
        There is no such version, or the file cannot be written.
    """
    found = find_version(registry, model, version)
    folder = registry.fetch(found)
    info = check_artifact(folder, digest=found.digest)
    with registry.ledger.read() as reader:
        record = Exported(
            format=_FORMAT,
            ledger_id=reader.head()[2],
            version=msgspec.structs.replace(found, aliases=()),
            entries=reader.entries(model, version=found.version),
        )
    target = Path(path)
    if target.is_dir():
        target = target / f"{model}-v{found.version}.zip"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, _RECORD, encode(record, indent=2))
            _add(archive, f"{_FOLDER}/{MANIFEST}", (folder / MANIFEST).read_bytes())
            for file in info.files:
                _add(archive, f"{_FOLDER}/{file.path}", (folder / file.path).read_bytes())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise RegistryError(f"cannot be written: {error}", where=str(target)) from error
    return target


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, compress_type=zipfile.ZIP_DEFLATED)


def import_version(
    registry: Registry,
    path: Path | str,
    *,
    model: str = "",
    actor: str = "",
    allow_pickle: bool = False,
) -> ModelVersion:
    """Register an exported version here, with the evidence it had there.

    The evidence is kept and shown, but gates are asked again before it is promoted here: the file
    could have been made by anyone, and the champion here is another.

    Parameters
    ----------
    registry
        Where to.
    path
        What `export_version` wrote.
    model
        The model's name here; the same as there by default.
    actor
        Who imports it.
    allow_pickle
        As for `mlops_nb.registry.versions.register`.

    Raises
    ------
    ArtifactError
        The file is broken, holds something else, or was changed.
    """
    source = Path(path)
    with tempfile.TemporaryDirectory(prefix="mlops-nb-import-") as name:
        folder = Path(name)
        record = _unpack(source, folder)
        check_artifact(folder, digest=record.version.digest)
        was = f"{record.ledger_id[:12]} {record.version.model} v{record.version.version}"
        evidence = tuple(
            {**entry.payload, "origin": was}
            for entry in record.entries
            if entry.kind is EntryKind.GATE and entry.digest == record.version.digest
        )
        return register(
            registry,
            folder,
            model=model or record.version.model,
            actor=actor,
            reason=f"imported from {source.name}",
            mlflow_run_id="",
            allow_pickle=allow_pickle,
            origin=was,
            evidence=evidence,
            past=tuple(to_builtins(entry) for entry in record.entries),
        )


def _unpack(source: Path, folder: Path) -> Exported:
    where = str(source)
    try:
        with zipfile.ZipFile(source) as archive:
            record = decode(archive.read(_RECORD), Exported)
            if record.format != _FORMAT:
                raise ArtifactError(f"has format {record.format}, not {_FORMAT}", where=where)
            if sum(item.file_size for item in archive.infolist()) > _MAX_BYTES:
                raise ArtifactError("is larger than 20 GiB unpacked", where=where)
            for item in archive.infolist():
                parts = PurePosixPath(item.filename).parts
                if item.filename == _RECORD:
                    continue
                if parts[:1] != (_FOLDER,) or ".." in parts or "\\" in item.filename:
                    raise ArtifactError(f'holds a stray file "{item.filename}"', where=where)
                place = folder.joinpath(*parts[1:])
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(item))
    except FileNotFoundError as error:
        raise ArtifactError("is missing", where=where) from error
    except (*_BROKEN, KeyError, msgspec.DecodeError, OSError) as error:
        raise ArtifactError(f"is not an exported version: {error}", where=where) from error
    for entry in record.entries:
        if entry_hash(entry) != entry.hash:
            raise ArtifactError(f"row {entry.seq} of its history was changed", where=where)
    return record
