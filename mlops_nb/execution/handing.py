"""Hands a command to the project's resident server, where all that it imports is imported.

A command like ``mlops-nb run`` is over in a tenth of a second, most of which are its imports. The
server forks a process that has them, takes over the caller's terminal, folder and environment, and
is the command; the caller only passes signals on and ends as that process did. So it must import
next to nothing itself.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from mlops_nb.execution.frames import SOCKET, Frames, dial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["hand_over", "surroundings"]

_HANDED = ("run", "plan", "status")
_STAYS = ("--cold", "--executor", "--help", "-h")
"""What says that the command wants no server, or is over without one."""
_OWN = ("/dev/fd/", "/proc/self/")
"""What names a file of this process alone."""
_ANSWER = 2.0  # seconds, after which it is sooner done here
_PASSED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_SPACES = ("pid", "mnt", "net")
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "HOME", "XDG_")
"""Beginnings of the variables that the interpreter or an import reads."""


def hand_over(argv: Sequence[str]) -> int | None:
    """Have the server of the project that one stands in run a command.

    Parameters
    ----------
    argv
        The command line, without the program.

    Returns
    -------
    int or None
        The exit code. ``None`` where it is the caller's to run: it is none of those that are handed
        over, no server runs, or one whose surroundings differ.
    """
    if sys.platform != "linux" or not argv or argv[0] not in _HANDED:
        return None
    if any(word.partition("=")[0] in _STAYS or any(own in word for own in _OWN) for word in argv):
        return None
    if None in (sys.stdin, sys.stdout, sys.stderr):
        return None  # closed: there is nothing to hand over
    state = _state()
    if state is None:
        return None
    hello = {"ask": "command", "argv": list(argv), **surroundings()}
    frames = dial(state, _ANSWER)
    if frames is None:
        return None
    with frames.socket:
        try:
            frames.send(hello)
            socket.send_fds(frames.socket, [b"."], [0, 1, 2])
            answer = frames.receive()
        except (OSError, EOFError, ValueError):
            return None
        if not answer.get("ok"):
            return None
        return _follow(frames, answer["pid"])


def surroundings() -> dict[str, Any]:
    """Return what a process has to take over, or has to have, to be a command in our place."""
    from mlops_nb.execution.inheritance import inherited

    streams = (sys.stdin, sys.stdout, sys.stderr)
    return {
        "must": {
            "flags": list(sys.flags),
            "warnings": sys.warnoptions,
            "python": sys.executable,
            "user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups())],
            "nice": os.getpriority(os.PRIO_PROCESS, 0),
            "rights": _rights(),
            # Another container's process or folder of the same name is another one.
            "spaces": [os.readlink(f"/proc/self/ns/{kind}") for kind in _SPACES],  # noqa: PTH115
            "environ": of_the_start(os.environ),
        },
        "program": sys.argv[0],
        "path": sys.path,
        "cwd": os.getcwd(),  # noqa: PTH109 - pathlib takes longer to import than all of this
        "environ": dict(os.environ),
        "streams": [
            [stream.encoding, stream.errors, getattr(stream, "write_through", False)]
            for stream in streams
        ],
        **inherited(),
    }


def _rights() -> list[str]:
    """Return what a process may do, and how soon the system ends it where memory runs out."""
    kinds = ("Cap", "NoNewPrivs", "Seccomp")
    with (
        open("/proc/self/status", encoding="ascii", errors="replace") as status,  # noqa: PTH123
        open("/proc/self/oom_score_adj", encoding="ascii") as score,  # noqa: PTH123
    ):
        return [*(line for line in status if line.startswith(kinds)), score.read()]


def of_the_start(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a process cannot take over once it runs."""
    return {name: value for name, value in environ.items() if name.startswith(_AT_START)}


def _state() -> str | None:
    """Return the state folder of the project around the current folder, where a server may run."""
    try:
        folder = os.getcwd()  # noqa: PTH109
        wanted = os.environ.get("ENTRY_POINT", "pipeline.yaml")
        while not os.path.isfile(os.path.join(folder, wanted)):  # noqa: PTH113, PTH118
            above = os.path.dirname(folder)  # noqa: PTH120
            if above == folder:
                return None
            folder = above
    except OSError:  # it was removed
        return None
    state = os.path.join(folder, ".mlops")  # noqa: PTH118
    return state if os.path.exists(os.path.join(state, SOCKET)) else None  # noqa: PTH110, PTH118


def _follow(frames: Frames, pid: int) -> int:
    """Pass signals on to the process that is the command, and return how it ended."""

    def pass_on(number: int, _: object) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it has ended, and its end is being told

    def stop(*_: object) -> None:
        pass_on(signal.SIGSTOP, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        pass_on(signal.SIGCONT, None)

    for name in _PASSED:
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:  # as for who is started by nohup
            signal.signal(number, pass_on)
    if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:
        signal.signal(signal.SIGTSTP, stop)
    frames.socket.settimeout(None)
    try:
        code: int = frames.receive()["exit"]
    except (OSError, EOFError, ValueError):
        sys.stderr.write("error: the server that ran this command went away\n")
        return 1
    if code < 0:
        if code != -signal.SIGKILL:  # whose action cannot be set
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code
