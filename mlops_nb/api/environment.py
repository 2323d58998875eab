"""A project's environment from the one that a team keeps for conda."""

from __future__ import annotations

from pathlib import Path

from mlops_nb.errors import ProjectError

__all__ = ["environment_from"]


def environment_from(source: Path | str, folder: Path | str) -> tuple[str, ...]:
    """Make a virtual environment that holds what an ``environment.yml`` asks for.

    Parameters
    ----------
    source
        The conda environment's file.
    folder
        Where the environment is made; must not exist yet.

    Returns
    -------
    tuple of str
        What PyPI does not have and was left out.

    Raises
    ------
    ProjectError
        The file cannot be read, asks for another Python, or a package cannot be installed.
    """
    from mlops_nb.export.conda import create_environment, read_environment

    if Path(folder).exists():
        raise ProjectError("exists already", where=str(folder), fix="name another folder")
    found = read_environment(Path(source))
    create_environment(found, Path(folder))
    return found.left_out()
