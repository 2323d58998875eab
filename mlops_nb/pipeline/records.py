"""What loading a specification gives, beside the pipeline itself."""

from __future__ import annotations

from mlops_nb.model import Json, Pipeline, Record

__all__ = ["Loaded", "Stored"]


class Stored(Record, frozen=True, kw_only=True):
    """What Ploomber keeps in a product's metadata to tell whether a task is outdated."""

    source_code: str | None = None
    """``None`` for notebooks and scripts, whose text is read when the metadata is written."""
    params: dict[str, Json] = {}
    dropped: tuple[str, ...] = ()
    """Parameters that JSON cannot hold; Ploomber leaves them out."""


class Loaded(Record, frozen=True, kw_only=True):
    """A pipeline as Ploomber reads it, with what its staleness depends on."""

    pipeline: Pipeline
    stored: dict[str, Stored] = {}
    """By task."""
    files: tuple[str, ...] = ()
    """Files that were read to load it, absolute; notebooks are not among them."""
    notebooks: tuple[str, ...] = ()
    """Sources of notebook and script tasks, absolute."""
