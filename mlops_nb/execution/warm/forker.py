"""The zygote's own program: import what notebooks import, then fork a kernel for each request."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any

from mlops_nb.execution.warm import app as kernel_app
from mlops_nb.execution.warm.child import close_all_but, leave, settle
from mlops_nb.execution.warm.huge import collapse
from mlops_nb.execution.warm.safety import Watch, settle_threads
from mlops_nb.execution.warm.wire import (
    FAREWELL,
    LEFT,
    MESSAGE,
    Assembler,
    Packets,
    pack,
    receive_fds,
    unpack,
)

__all__ = ["main"]

_ALWAYS = (
    "IPython.core.completerlib",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "psutil",
    "pwd",
    "runpy",
    "tornado.platform.asyncio",
)
"""What every kernel imports by the end of its first cell."""

_FILES = 5  # the kernel's socket, and both ends of two pipes: readers, then writers
_LAUNCHED = ("-f", "--HistoryManager.hist_file=:memory:")


class _Child(Exception):  # noqa: N818 - not an error: leaves the zygote's frames in a forked child
    def __init__(self, request: dict[str, Any], sock: socket.socket, files: list[int]) -> None:
        self.request = request
        self.socket = sock
        self.files = files


class _Kid:
    """One forked kernel, until its owner has let go of it."""

    def __init__(self, pid: int, status: socket.socket) -> None:
        self.pid = pid
        self.status: socket.socket | None = status
        self.ended = False
        self.left = False
        """Whether it was on its way out when its owner let go of it."""


class Zygote:
    """Preloads, then serves requests to fork.

    Parameters
    ----------
    control
        A packet socket; each packet carries the status socket of one kernel to be.
    words
        Descriptor of the file that stands for standard output and error.
    """

    def __init__(self, control: socket.socket, words: int) -> None:
        self._control = control
        self._words = words
        self._kids: dict[int, _Kid] = {}
        self._added: dict[str, str] = {}
        self._app: Any = kernel_app.DirectApp.instance()

    def prepare(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Build the application and import packages; return what became of it.

        ``unsafe`` in the result names a package after which this process must not fork any more:
        the owner starts another zygote without it.
        """
        before = dict(os.environ)
        self._app.initialize(["-f", "kernel.json", _LAUNCHED[1]])
        for name in _ALWAYS:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        # Python's tokenizer compiles its expressions when it is first used: 5 ms of every kernel.
        self._app.shell.transform_cell("None")
        known = set(sys.modules)
        for stream in self._app.streams:
            stream.discard()
        watch = Watch(plan["never"], self._words)
        failed: dict[str, str] = {}
        for name in plan["preload"]:
            try:
                importlib.import_module(name)
            except BaseException as error:  # noqa: BLE001 - the notebook will show it, or not need it
                failed[name] = f"{type(error).__name__}: {error}"
            why = watch.objection("".join(stream.waiting() for stream in self._app.streams))
            if why:
                return {"unsafe": [name, why]}
        # Made here and not in each child: to read a name is to copy the page that it lies on.
        self._app.known = set(sys.modules)
        tops = {name.partition(".")[0] for name in set(sys.modules) - known}
        tops -= sys.stdlib_module_names  # these come before any folder of the user's
        self._added = {k: v for k, v in os.environ.items() if before.get(k) != v}
        if settle_threads() > 1:
            return {"unsafe": ["ipykernel", "starts threads when it is imported"]}
        gc.collect()
        gc.freeze()  # what is here by now stays: children need not touch its pages to find that out
        if plan["lasting"]:
            collapse()
        return {"modules": sorted(tops), "failed": failed, "pid": os.getpid()}

    def serve(self) -> None:
        """Fork on request until the owner is gone; never returns in the zygote itself."""
        reader, writer = os.pipe()
        for fd in (reader, writer):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, "control")
            selector.register(reader, selectors.EVENT_READ, "children")
            while True:
                for key, _ in selector.select():
                    if key.data == "children":
                        with contextlib.suppress(BlockingIOError):
                            os.read(reader, 512)
                        self._look()
                    elif key.data == "control":
                        try:
                            self._fork(selector)
                        except _Child:
                            os.close(reader)
                            os.close(writer)
                            raise
                    else:
                        self._let_go(selector, key.data)

    def _fork(self, selector: selectors.BaseSelector) -> None:
        _, fds = receive_fds(self._control, 16, 1)
        if not fds:
            self._end()
        status = socket.socket(fileno=fds[0])
        status.settimeout(5.0)  # the owner has sent the rest already
        try:
            request, files = _request(status)
        except (OSError, ValueError):
            status.close()  # the owner went away between two words
            return
        status.settimeout(None)
        sock = socket.socket(fileno=files.pop(0))
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            Packets(status).send(MESSAGE, pack({"error": str(error)}))
            pid = -1
        if pid == 0:
            request["parent"] = zygote
            self._control.close()
            status.close()
            for kid in self._kids.values():
                if kid.status is not None:
                    kid.status.close()
            raise _Child(request, sock, files)
        sock.close()
        for fd in files:
            os.close(fd)
        if pid < 0:
            status.close()
            return
        kid = self._kids[pid] = _Kid(pid, status)
        selector.register(status, selectors.EVENT_READ, kid)
        self._tell(kid, {"pid": pid})

    def _look(self) -> None:
        """Tell owners of the kernels that ended; they stay zombies, so that no id is used again."""
        for kid in tuple(self._kids.values()):
            if kid.ended:
                continue
            ended = os.waitid(os.P_PID, kid.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                kid.ended = True
                if kid.status is None:
                    self._bury(kid)
                    continue
                code = ended.si_status
                self._tell(kid, {"exit": code if ended.si_code == os.CLD_EXITED else -code})

    def _tell(self, kid: _Kid, what: dict[str, Any]) -> None:
        if kid.status is not None:
            with contextlib.suppress(OSError):
                kid.status.send(json.dumps(what).encode())

    def _let_go(self, selector: selectors.BaseSelector, kid: _Kid) -> None:
        """The owner closed its end: nothing of the kernel may stay, but what left in its own time."""
        assert kid.status is not None  # noqa: S101 - it is registered
        with contextlib.suppress(OSError):
            if kid.status.recv(16) == LEFT:
                kid.left = True
                return
        selector.unregister(kid.status)
        kid.status.close()
        kid.status = None
        if not kid.left:
            if not kid.ended:
                _kill(kid.pid)
            self._bury(kid)
        elif kid.ended:
            self._bury(kid)

    def _bury(self, kid: _Kid) -> None:
        del self._kids[kid.pid]
        os.waitpid(kid.pid, 0)

    def _end(self) -> None:
        for kid in self._kids.values():
            if not _has_left(kid):  # one that has ends with this process; what it began goes on
                _kill(kid.pid)
        os._exit(0)

    def run_child(self, child: _Child) -> None:
        """Be a kernel."""
        try:
            null = settle(child.request, child.request["parent"], child.files[2:], self._added)
        except (OSError, ValueError) as error:
            kernel_app.failed(child.socket, f"{type(error).__name__}: {error}")
            os._exit(1)
        self._app.run(child.socket, child.files[:2], null)
        leave(self._app.known, farewell=lambda: _farewell(child.socket))


def _has_left(kid: _Kid) -> bool:
    if kid.status is not None and not kid.left:
        with contextlib.suppress(OSError):
            kid.left = kid.status.recv(16, socket.MSG_DONTWAIT) == LEFT
    return kid.left


def _farewell(sock: socket.socket) -> None:
    """Tell the owner that all is written and every file and lock is free."""
    close_all_but({0, 1, 2, sock.fileno()})
    with contextlib.suppress(OSError):  # it has gone
        Packets(sock).send(FAREWELL, b"")


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)  # it may not have become the leader of its group yet


def _request(status: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read what the owner asks for, and the files of the kernel to be."""
    _, fds = receive_fds(status, 16, _FILES)
    if len(fds) != _FILES:
        raise ValueError("the kernel's files are missing")
    assembler = Assembler()
    whole = None
    while whole is None:
        packet = status.recv(assembler.size)
        if not packet:
            raise ValueError("the request is cut off")
        whole = assembler.feed(packet)
    return unpack(whole[1])[0], fds


def main(control_fd: int, words_fd: int) -> None:
    """Run a zygote, and in its children a kernel each."""
    control = socket.socket(fileno=control_fd)
    os.set_inheritable(control_fd, False)
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on the owner's terminal is the owner's
    zygote = Zygote(control, words_fd)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlops_nb"]:
        del sys.modules[name]
    plan = json.loads(control.recv(1 << 20))
    report = zygote.prepare(plan)
    try:
        control.send(json.dumps(report).encode())
        if "unsafe" in report:
            os._exit(0)
        zygote.serve()
    except OSError:
        os._exit(0)  # the owner is gone
    except _Child as child:
        born = child.with_traceback(None)
    zygote.run_child(born)
