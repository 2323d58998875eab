"""The warm kernels of a resident server, for a command that runs in a process of its."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlops_nb.execution.kernels import Zygote

__all__ = ["borrowed", "is_lent", "lend"]

_lent: dict[Path, list[Zygote]] = {}


def lend(state: Path, zygotes: Sequence[Zygote]) -> None:
    """Let this process fork kernels from a server's zygotes; it must not close them.

    Parameters
    ----------
    state
        The state folder of the server's project.
    zygotes
        Those that run, the one used last at the end.
    """
    _lent[state.resolve()] = list(zygotes)


def is_lent(zygote: Zygote) -> bool:
    """Return whether a zygote is a server's."""
    return any(zygote in zygotes for zygotes in _lent.values())


def borrowed(state: Path, preload: Sequence[str], environ: Mapping[str, str]) -> Zygote | None:
    """Return a server's zygote that has what a run needs; ``None`` where there is none.

    Parameters
    ----------
    state
        The project's state folder.
    preload
        What has to be imported.
    environ
        What the kernels inherit.
    """
    if not _lent:
        return None
    from mlops_nb.execution.preload import sensitive

    wanted = sensitive(environ)
    for zygote in reversed(_lent.get(state.resolve(), [])):
        if set(preload) <= set(zygote.preload) and sensitive(zygote.environment) == wanted:
            return zygote
    return None
