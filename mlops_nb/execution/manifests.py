"""What the product cache notes of a task's products: which files they are, by their content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import Record
from mlops_nb.pipeline.digests import digest_of

if TYPE_CHECKING:
    from mlops_nb.execution.staging import Stage

__all__ = [
    "KeptFile",
    "Manifest",
    "blob_name",
    "blobs_of",
    "kept_digest",
    "manifest_name",
    "may_land",
]


class KeptFile(Record, frozen=True, kw_only=True):
    """One file of a product, or an empty folder."""

    path: str
    """Relative to the product where that is a folder; empty for a product that is a file."""
    digest: str = ""
    """Empty for an empty folder."""
    size: int = 0
    mode: int = 0o644


class Manifest(Record, frozen=True, kw_only=True):
    """What a task made from what a fingerprint stands for."""

    task: str
    fingerprint: str
    run: str = ""
    created: float
    products: dict[str, tuple[KeptFile, ...]]
    """By the name that `Stage.place` takes."""


def may_land(product: str, stage: Stage) -> bool:
    """Return whether a name of a manifest, which somebody else may have written, may be restored.

    What the task declares may stand anywhere; what was written beside it only in the project, and
    not among the files that tools keep there (``.git``, ``.mlops``).
    """
    if product in stage.products:
        return True
    final = stage.final(product)
    if not final.is_relative_to(stage.root):
        return False
    inside = final.relative_to(stage.root).parts
    return bool(inside) and not (len(inside) > 1 and inside[0].startswith("."))


def kept_digest(files: tuple[KeptFile, ...]) -> str:
    """Return a product's digest as `mlops_nb.pipeline.digests` makes it of what is on disk."""
    if [file.path for file in files] == [""] and files[0].digest:
        return files[0].digest

    def order(file: KeptFile) -> list[tuple[bool, str]]:
        # As a walk from the top: a folder's files by name, then the folders in it.
        *folders, name = file.path.split("/")
        return [*((True, folder) for folder in folders), (False, name)]

    parts: list[str] = []
    for file in sorted(files, key=order):
        if file.digest and _counts(file.path):
            parts += (file.path, file.digest)
    return digest_of("folder", *parts)


def _counts(path: str) -> bool:
    *folders, name = path.split("/")
    is_sidecar = name.startswith(".") and name.endswith(".metadata")
    return "__pycache__" not in folders and not is_sidecar


def manifest_name(fingerprint: str) -> str:
    """Return where a store keeps the manifest of a fingerprint."""
    return f"manifests/{fingerprint}"


def blob_name(digest: str) -> str:
    """Return where a store keeps the content of a digest."""
    return f"blobs/{digest[:2]}/{digest}"


def blobs_of(manifest: Manifest) -> set[str]:
    """Return where a store keeps the content of what a manifest names."""
    return {
        blob_name(file.digest)
        for files in manifest.products.values()
        for file in files
        if file.digest
    }
