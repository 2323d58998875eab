"""Is a command in the place of whoever handed it over; see `mlops_nb.execution.handing`."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import os
import signal
import sys
import tempfile
import threading
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from mlops_nb.execution.frames import server_key
from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.lent import lend
from mlops_nb.execution.warm.child import close_all_but, settle
from mlops_nb.execution.warm.wire import receive_fds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlops_nb.execution.frames import Frames

__all__ = ["run_command"]

_HELLO = 2.0  # seconds for the descriptors to come
_LOST = 120
"""What Python ends with where its last words cannot be written."""


def run_command(
    frames: Frames,
    hello: dict[str, Any],
    parent: int,
    *,
    must: dict[str, Any],
    key: str,
    state: Path,
    zygotes: Sequence[Zygote],
    main: Callable[[Sequence[str]], object],
) -> NoReturn:
    """Be the command that a client handed over; never returns.

    Parameters
    ----------
    frames
        The client's connection; the command is asked to end where it ends.
    hello
        What `mlops_nb.execution.handing.surroundings` gave there, and the command line.
    parent
        The server's process: this one ends with it.
    must
        The server's own surroundings, which cannot be changed any more.
    key
        What the server was started with.
    state, zygotes
        The server's project, and what its kernels are forked from.
    main
        The command line's own function.
    """
    try:
        frames.socket.settimeout(_HELLO)
        _, fds = receive_fds(frames.socket, 1, 3)
        if hello["must"] != must or key != server_key() or len(fds) != 3:
            frames.send({"ok": False})
            os._exit(0)
        _take_over(hello, parent, fds, {frames.socket.fileno(), *map(Zygote.fileno, zygotes)})
        lend(state, zygotes)
        frames.send({"ok": True, "pid": os.getpid()})
        frames.socket.settimeout(None)
    except Exception:  # noqa: BLE001 - the client runs it itself once it hears of this end
        os._exit(0)
    threading.Thread(target=_watch, args=(frames,), name="mlops-nb client", daemon=True).start()
    code = 1
    try:
        main(hello["argv"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 - what the interpreter does with what nobody catches
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter ends
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or _LOST
    os._exit(code)


def _take_over(hello: dict[str, Any], parent: int, fds: Sequence[int], kept: set[int]) -> None:
    """Take the client's surroundings and descriptors; of the server's, keep some only."""
    request = {**hello, "env": hello["environ"], "argv": [hello["program"], *hello["argv"]]}
    settle(request, parent, fds[1:], {})
    os.dup2(fds[0], 0)
    # Whoever waits for the end of the server's other files must not wait for this process's.
    close_all_but({0, 1, 2, *kept})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:] = hello["path"]
    importlib.invalidate_caches()
    tempfile.tempdir = None  # looked for again, in this environment
    _take_streams(hello["streams"])


def _take_streams(kinds: Sequence[Sequence[Any]]) -> None:
    """Give the descriptors 0, 1 and 2 the objects that the interpreter gives them."""
    for fd, (encoding, errors, through) in enumerate(kinds):
        name, mode = ("stdin", "r") if fd == 0 else ("stdout" if fd == 1 else "stderr", "w")
        raw = os.fdopen(fd, mode + "b", closefd=False)
        lines = fd == 2 or (fd == 1 and os.isatty(fd))
        stream = io.TextIOWrapper(
            raw, encoding, errors, line_buffering=lines, write_through=through
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _watch(frames: Frames) -> None:
    """Wait until the client has gone, and ask this process to end as it would have been asked."""
    with contextlib.suppress(OSError, EOFError, ValueError):
        frames.receive()
    os.kill(os.getpid(), signal.SIGTERM)
