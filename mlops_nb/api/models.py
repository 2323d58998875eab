"""Models, for notebooks: registers what a notebook has saved in the project's registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.config import find_project

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import ModelVersion

__all__ = ["register_model"]


def register_model(folder: Path | str, *, reason: str = "") -> ModelVersion:
    """Register an artifact as the next version of its model; the same artifact only once.

    Parameters
    ----------
    folder
        What `save_model` wrote.
    reason
        Why it is registered, for the ledger.

    Raises
    ------
    ArtifactError
        The artifact is not whole, or is a pickle.
    TrackingError
        MLflow cannot be reached.
    """
    from mlops_nb.registry.store import open_registry
    from mlops_nb.registry.versions import register

    return register(open_registry(find_project()), folder, reason=reason)
