"""Opens a project's registry, and finds the version that a text means."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops_nb.registry.store import Registry

__all__ = ["opened", "resolve_version", "the_model"]


@contextmanager
def opened(
    project: Project | Path | str | None = None, *, actor: str = ""
) -> Iterator[tuple[Project, Registry]]:
    """Open a project's registry for the length of a ``with`` block.

    Raises
    ------
    ProjectError
        There is no project here, or its settings are wrong.
    RegistryError
        The ledger cannot be opened.
    """
    from mlops_nb.registry.store import open_registry

    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    registry = open_registry(found, actor=actor)
    try:
        yield found, registry
    finally:
        registry.close()


def the_model(registry: Registry, model: str = "") -> str:
    """Return the model that is meant: the named one, else the only one.

    Raises
    ------
    RegistryError
        None is named, and the registry holds none or several.
    """
    if model:
        return model
    with registry.ledger.read() as reader:
        known = sorted(reader.models())
    if len(known) == 1:
        return known[0]
    if not known:
        raise RegistryError(
            "no model is registered yet",
            fix="run a pipeline whose notebook calls mlops_nb.register_model",
        )
    raise RegistryError("which model is meant?", fix=f"name one of {', '.join(known)}")


def resolve_version(registry: Registry, version: int | str, model: str = "") -> tuple[str, int]:
    """Return model and number that a text such as ``flights@champion`` or ``latest`` means.

    Raises
    ------
    RegistryError
        There is no such model or version.
    """
    from mlops_nb.registry.versions import find_version, list_versions

    name, at, wanted = str(version).rpartition("@")
    if name and model and name != model:
        raise RegistryError(f'"{version}" is not a version of "{model}"')
    found = the_model(registry, name or model)
    text = wanted if at else str(version)
    if text == "latest":
        known = list_versions(registry, found)
        if known:
            return found, max(item.version for item in known)
        text = "0"
    return found, find_version(registry, found, text).version
