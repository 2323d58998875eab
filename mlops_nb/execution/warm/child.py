"""Turns a process that was just forked into one that could have been started on its own."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import io
import os
import random
import resource
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["adopt", "close_all_but", "leave", "settle"]

_PR_SET_PDEATHSIG = 1


def settle(
    request: dict[str, Any], parent: int, writers: Sequence[int], added: dict[str, str]
) -> int:
    """Take over the session, streams, limits, folder, environment and seeds of a job.

    Parameters
    ----------
    request
        ``cwd``, ``env``, ``argv``, ``umask``, ``limits`` (``[[resource, soft, hard], ...]``) and
        ``cores``.
    parent
        Process id of the zygote: when it ends, so does this process.
    writers
        The descriptors that become 1 and 2.
    added
        Environment variables that the preloaded packages set when they were imported.

    Returns
    -------
    int
        A descriptor of the null device, which stands for the terminal a kernel was started from.
    """
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for number, fd in enumerate(writers, 1):
        os.dup2(fd, number)
        os.close(fd)
    _signals()
    adopt(request)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update({**added, **request["env"]})
    time.tzset()
    _seeds()
    sys.argv[:] = request["argv"]
    return null


def adopt(request: Mapping[str, Any]) -> None:
    """Take over ``umask``, ``limits`` and ``cores`` from another process."""
    os.umask(request["umask"])
    for kind, soft, hard in request["limits"]:
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or hard > most):
            hard = most
        resource.setrlimit(kind, (soft, hard))
    if request["cores"]:
        os.sched_setaffinity(0, request["cores"])


def close_all_but(kept: Collection[int]) -> None:
    """Close every descriptor of this process but some; a limit that was lowered hides none."""
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208 - names only
        if fd not in kept:
            with contextlib.suppress(OSError):  # the one that the folder was read by
                os.close(fd)


def _signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a kernel does between cells
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _seeds() -> None:
    random.seed()
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def leave(
    known: Collection[str], code: int = 0, *, farewell: Callable[[], object] | None = None
) -> NoReturn:
    """End the process as the interpreter does, in its order, without taking the preload apart.

    Taking down every module that was preloaded costs more than most notebooks, and can be seen
    nowhere. What belongs to the notebook is taken down: threads are joined, exit functions run (IPython's
    own empties the user's namespace), modules imported since the fork are cleared, files flushed.

    Parameters
    ----------
    known
        Names of the modules that were there before the fork.
    code
        The exit code.
    farewell
        Called at the very end: what is left to do is to give memory back, which takes a while.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter's own end begins with
    atexit._run_exitfuncs()
    gc.collect()
    new = []
    for name in reversed(sys.modules):  # the latest first; those before the fork are not touched
        if name in known:
            break
        new.append(name)
    for name in new:
        names = getattr(sys.modules[name], "__dict__", {})
        for key in [key for key in names if key != "__builtins__"]:
            names[key] = None
    if new:
        gc.collect()
    for thing in gc.get_objects():
        if type(thing) in _FILES and not thing.closed:
            _flush(thing)
    ctypes.CDLL(None).fflush(None)
    if farewell is not None:
        farewell()
    os._exit(code)


_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def _flush(file: io.IOBase) -> None:
    try:
        file.flush()
    except (OSError, ValueError):
        return  # a broken pipe, a full disk: nobody is left to tell
