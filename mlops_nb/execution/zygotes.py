"""The zygotes of a long-lived process that others send notebooks to: a cluster's worker.

A zygote is started for the first notebook and closed when the run ends, or when no notebook has come
for a while (the run's process may have died). Whatever ends this process ends its zygotes too: it
holds one end of a socket to each.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlops_nb.execution.kernels import Zygote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["close", "take"]

_IDLE = 60.0  # seconds without a notebook

_lock = threading.Lock()
_zygotes: dict[tuple[str, ...], Zygote] = {}
_timer: threading.Timer | None = None


def take(preload: tuple[str, ...], memory: Path | None, *, busy: Callable[[], bool]) -> Zygote:
    """Return the zygote that has imported some modules.

    Parameters
    ----------
    preload
        The modules; see `mlops_nb.execution.preload.preload_for`.
    memory
        As for `Zygote`.
    busy
        Whether kernels are running; then nothing is closed.
    """
    with _lock:
        if preload not in _zygotes:
            _zygotes[preload] = Zygote(preload, memory=memory)
        _wait(busy)
        return _zygotes[preload]


def close() -> None:
    """Close every zygote and the kernels that it forked."""
    with _lock:
        for zygote in _zygotes.values():
            zygote.close()
        _zygotes.clear()


def _wait(busy: Callable[[], bool]) -> None:
    global _timer
    if _timer is not None:
        _timer.cancel()
    _timer = threading.Timer(_IDLE, _idle, args=(busy,))
    _timer.daemon = True
    _timer.start()


def _idle(busy: Callable[[], bool]) -> None:
    if busy():
        with _lock:
            _wait(busy)
    else:
        close()
