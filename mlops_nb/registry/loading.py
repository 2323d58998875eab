"""Reads artifacts: checks every file against the manifest, and loads nothing that is not allowed."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import ArtifactError
from mlops_nb.model import ArtifactFile, ArtifactInfo, decode, encode
from mlops_nb.registry.holdout import FEATURES, SCORES
from mlops_nb.registry.types import named, refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

__all__ = [
    "EXAMPLE",
    "MANIFEST",
    "MODEL_FILES",
    "check_artifact",
    "load_example",
    "load_features",
    "load_model",
    "load_scores",
    "manifest_digest",
    "read_manifest",
]

MANIFEST = "artifact.json"
EXAMPLE = "example.parquet"
MODEL_FILES = {"skops": "model.skops", "pickle": "model.pkl"}
"""The model's file, by format."""


def manifest_digest(info: ArtifactInfo) -> str:
    """Return the digest that binds a manifest, and through it every file."""
    return hashlib.sha256(encode(msgspec.structs.replace(info, digest=""))).hexdigest()


def read_manifest(folder: Path | str) -> ArtifactInfo:
    """Return an artifact's manifest without looking at its files.

    Raises
    ------
    ArtifactError
        There is none, it cannot be read, or it was changed.
    """
    path = Path(folder) / MANIFEST
    try:
        info = decode(path.read_bytes(), ArtifactInfo)
    except FileNotFoundError as error:
        raise ArtifactError(
            "is missing", where=str(path), fix="the folder is not an artifact, or was cleared"
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactError(f"cannot be read: {error}", where=str(path)) from error
    if manifest_digest(info) != info.digest:
        raise ArtifactError("was changed after it was saved", where=str(path), fix=_RESTORE)
    return info


_RESTORE = "restore the artifact, or train and register the model again"


def check_artifact(folder: Path | str, *, digest: str = "") -> ArtifactInfo:
    """Check every file of an artifact and return its manifest.

    Parameters
    ----------
    folder
        The artifact's folder.
    digest
        The digest it was registered with; its own where empty.

    Raises
    ------
    ArtifactError
        A file is missing or was changed, or the whole is another artifact than the registered one.
    """
    info = _manifest_of(Path(folder), digest)
    for file in info.files:
        _read(Path(folder), file)
    return info


def load_model(
    folder: Path | str,
    *,
    digest: str,
    allow_pickle: bool = False,
    trusted_types: Iterable[str] = (),
) -> Any:
    """Load a model that is exactly the registered one and holds nothing but allowed types.

    Parameters
    ----------
    folder
        The artifact's folder.
    digest
        The digest it was registered with.
    allow_pickle
        Load a pickle, which runs whatever the file says.
    trusted_types
        Dotted names of the project's own types, beyond the allow-list.

    Raises
    ------
    ArtifactError
        A file is missing or was changed, a type is not allowed, or the model is a pickle and that
        was not asked for. The message names the file or the type.
    """
    root = Path(folder)
    info = check_artifact(root, digest=digest)
    name = MODEL_FILES.get(info.format, "")
    file = next((file for file in info.files if file.path == name), None)
    if file is None:
        raise ArtifactError(f'has no model file for format "{info.format}"', where=str(root))
    # The bytes that were checked are the bytes that are loaded: the file is not opened again.
    data = _read(root, file)
    if info.format == "pickle":
        return _unpickle(data, root / name, allow_pickle)
    return _loads(data, root / name, tuple(trusted_types))


def load_example(folder: Path | str) -> pd.DataFrame:
    """Return an artifact's input example, checked.

    Raises
    ------
    ArtifactError
        It is missing or was changed.
    """
    frame = _table(Path(folder), EXAMPLE)
    if frame is None:
        raise ArtifactError("is missing", where=str(Path(folder) / EXAMPLE))
    return frame


def load_scores(folder: Path | str) -> pd.DataFrame | None:
    """Return the holdout's rows with target, score and slices; ``None`` where none was saved."""
    return _table(Path(folder), SCORES)


def load_features(folder: Path | str) -> pd.DataFrame | None:
    """Return the holdout's features; ``None`` where none were saved."""
    return _table(Path(folder), FEATURES)


def _table(folder: Path, name: str) -> pd.DataFrame | None:
    import pandas as pd

    info = read_manifest(folder)
    file = next((file for file in info.files if file.path == name), None)
    return None if file is None else pd.read_parquet(io.BytesIO(_read(folder, file)))


def _manifest_of(folder: Path, digest: str) -> ArtifactInfo:
    info = read_manifest(folder)
    if digest and info.digest != digest:
        raise ArtifactError(
            f"is another artifact ({info.digest[:12]}) than the registered one ({digest[:12]})",
            where=str(folder),
            fix=_RESTORE,
        )
    return info


def _read(folder: Path, file: ArtifactFile) -> bytes:
    path = PurePosixPath(file.path)
    if path.is_absolute() or ".." in path.parts:
        raise ArtifactError(f'names a file outside itself: "{file.path}"', where=str(folder))
    try:
        data = (folder / path).read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError("is missing", where=str(folder / path), fix=_RESTORE) from error
    except OSError as error:
        raise ArtifactError(f"cannot be read: {error}", where=str(folder / path)) from error
    if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:
        raise ArtifactError(
            "was changed after it was saved", where=str(folder / path), fix=_RESTORE
        )
    return data


def _loads(data: bytes, path: Path, trusted: tuple[str, ...]) -> Any:
    import zipfile

    import skops.io
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

    try:
        found = skops.io.get_untrusted_types(data=data)
        left = refused(found, trusted)
        if left:
            raise ArtifactError(
                f"holds {named(left)} that may not be loaded",
                where=str(path),
                fix="if it is your own, name it under [tool.mlops-nb.registry] trusted-types",
            )
        return skops.io.loads(data, trusted=found)
    except (
        UnsupportedTypeException,
        UntrustedTypesFoundException,
        zipfile.BadZipFile,
        ImportError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise ArtifactError(f"cannot be loaded: {error}", where=str(path)) from error


def _unpickle(data: bytes, path: Path, allowed: bool) -> Any:
    if not allowed:
        raise ArtifactError(
            "is a pickle, and loading one runs whatever it says",
            where=str(path),
            fix="ask for it explicitly (allow_pickle) if you trust who made it",
        )
    import pickle

    try:
        return pickle.loads(data)  # noqa: S301 - asked for explicitly, digest checked, recorded
    except (pickle.UnpicklingError, AttributeError, ImportError, EOFError, IndexError) as error:
        raise ArtifactError(f"cannot be loaded: {error}", where=str(path)) from error
