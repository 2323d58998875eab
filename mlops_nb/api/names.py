"""The functions that notebooks use, exported by `mlops_nb` itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mlops_nb.config import find_project
from mlops_nb.errors import ProjectError
from mlops_nb.registry.artifact import load_model, read_manifest
from mlops_nb.registry.artifact import save_model as _save_model

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import ArtifactInfo, ModelVersion

__all__ = ["load_model", "read_manifest", "register_model", "save_model"]


def save_model(model: Any, folder: Path | str, **facts: Any) -> ArtifactInfo:
    """Save a fitted model as an artifact that knows the run and the commit it comes from.

    Parameters
    ----------
    model, folder, **facts
        As for `mlops_nb.registry.artifact.save_model`. ``run_id`` is the run that this notebook
        is executed by, and ``git_commit`` the project's, unless given.

    Raises
    ------
    ArtifactError
        The model holds a type that could not be loaded again, or the folder cannot be written.
    """
    from mlops_nb.runs.facts import git_state

    facts.setdefault("run_id", os.environ.get("MLOPS_NB_RUN_ID", ""))
    if "git_commit" not in facts:
        try:
            facts["git_commit"] = git_state(find_project().root).commit
        except ProjectError:
            # Saving works outside a project too; there is no commit to name then.
            facts["git_commit"] = ""
    return _save_model(model, folder, **facts)


def register_model(
    folder: Path | str,
    *,
    model: str = "",
    reason: str = "",
    allow_pickle: bool = False,
    project: Path | str | None = None,
) -> ModelVersion:
    """Register an artifact as the next version of a model; the same artifact only once.

    Parameters
    ----------
    folder
        What `save_model` wrote.
    model
        The model's name; the artifact's by default.
    reason
        Why; kept in the ledger.
    allow_pickle
        Register a pickle; the ledger records that it is one.
    project
        The project's folder; by default the one that the current folder lies in.

    Raises
    ------
    ArtifactError
        The artifact is not whole, or is a pickle and that was not asked for.
    TrackingError
        MLflow cannot be reached.
    """
    from contextlib import closing

    from mlops_nb.registry.store import open_registry
    from mlops_nb.registry.versions import register

    with closing(open_registry(find_project(project))) as registry:
        return register(registry, folder, model=model, reason=reason, allow_pickle=allow_pickle)
