"""The zygotes of a resident server: few, each with what runs have asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.preload import sensitive

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["Zygotes"]

_MOST = 3
_Key = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
"""What a zygote imports, and the part of the environment that its imports depend on."""


class Zygotes:
    """Keeps at most three, and more only while more are in use.

    Parameters
    ----------
    state
        The project's state folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._kept: dict[_Key, Zygote] = {}

    def all(self) -> list[Zygote]:
        """Return every one, that which was taken last at the end."""
        return list(self._kept.values())

    def take(
        self, preload: tuple[str, ...], environ: Mapping[str, str], used: Collection[int]
    ) -> Zygote:
        """Return the zygote for a run, started and ready.

        One that has imported more than is asked for will do; where none has enough, the next one
        imports all that was ever asked for in such an environment.

        Parameters
        ----------
        preload
            What has to be imported.
        environ
            The run's environment.
        used
            The ``id`` of each zygote that kernels are still forked from: these are not closed.

        Raises
        ------
        KernelError
            It cannot be started.
        """
        important = _important(environ)
        wanted = set(preload)
        for key, zygote in reversed(self._kept.items()):
            if key[1] != important:
                continue
            if not zygote.is_alive():
                self._kept.pop(key).close()
                return self.take(preload, environ, used)
            if wanted <= set(zygote.preload):
                self._kept[key] = self._kept.pop(key)
                zygote.ready()
                return zygote
            wanted |= set(zygote.preload)
        for key in [key for key, zygote in self._kept.items() if id(zygote) not in used]:
            if len(self._kept) >= _MOST:
                self._kept.pop(key).close()
        zygote = self.start(tuple(sorted(wanted)), environ)
        zygote.ready()
        return zygote

    def start(self, preload: tuple[str, ...], environ: Mapping[str, str]) -> Zygote:
        """Start one, which is ready later."""
        memory = self._state / "cache" / "preload.json"
        zygote = Zygote(preload, environment=environ, memory=memory, lasting=True)
        zygote.start()
        self._kept[(preload, _important(environ))] = zygote
        return zygote

    def close(self) -> None:
        """End every one, and the kernels forked from them."""
        for zygote in self._kept.values():
            zygote.close()


def _important(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(sensitive(environ).items()))
