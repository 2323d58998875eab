"""Warm kernels for a piece of work: the project's server if one runs, else a zygote of its own."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mlops_nb.config import Project
    from mlops_nb.execution.kernels import Zygote
    from mlops_nb.execution.resident import Resident

    Kernels: TypeAlias = Zygote | Resident | None
    """Where warm kernels come from; ``None`` where every kernel starts cold."""

__all__ = ["warm_kernels"]


@contextmanager
def warm_kernels(
    project: Project,
    notebooks: Sequence[Path],
    *,
    cold: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Kernels]:
    """Give what warm kernels for some notebooks are forked from, for as long as it is needed.

    Its imports go on in the background: the first kernel waits for them.

    Parameters
    ----------
    project
        Whose server is asked first, and whose settings count.
    notebooks
        What is going to run; their imports are made beforehand.
    cold
        Give nothing.
    environment
        Variables that the notebooks have beside this process's.
    """
    from mlops_nb.execution.kernels import Zygote, supported
    from mlops_nb.execution.lent import borrowed
    from mlops_nb.execution.preload import preload_for
    from mlops_nb.execution.resident import connect_server

    if cold or project.settings.cold or supported() or not notebooks:
        yield None
        return
    preload = preload_for(notebooks)
    environ = {**os.environ, **(environment or {})}
    lent = borrowed(project.state, preload, environ)
    if lent is not None:
        yield lent
        return
    server = connect_server(project.state, preload, environ)
    memory = project.state / "cache" / "preload.json"
    with (
        server
        if server is not None
        else Zygote(preload, environment=environ, memory=memory) as kernels
    ):
        yield kernels
