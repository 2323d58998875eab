"""The forge's own program: import what a worker process imports, then fork one for each job."""

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
from typing import Any, NoReturn

from mlops_nb.execution.launch import guard
from mlops_nb.execution.warm.child import leave, settle
from mlops_nb.execution.warm.safety import settle_threads
from mlops_nb.execution.warm.wire import receive_fds

__all__ = ["main"]

_FILES = 3  # the job's status socket, its lifeline, its log


class _Child(Exception):  # noqa: N818 - not an error: leaves the forge's frames in a forked child
    def __init__(self, request: dict[str, Any], lifeline: int, log: int) -> None:
        self.request = request
        self.lifeline = lifeline
        self.log = log


class _Forge:
    def __init__(self, control: socket.socket, added: dict[str, str]) -> None:
        self._control = control
        self._added = added
        self._kids: dict[int, socket.socket] = {}
        self._reader, self._writer = os.pipe()

    def serve(self) -> NoReturn:
        """Fork on request until the owner is gone; a forked child leaves by `_Child`."""
        for handle in (self._reader, self._writer):
            os.set_blocking(handle, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, 0)
            selector.register(self._reader, selectors.EVENT_READ, -1)
            while True:
                for key, _ in selector.select():
                    if key.data == 0:
                        self._fork(selector)
                    elif key.data == -1:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self._reader, 512)
                        self._look(selector)
                    elif key.data in self._kids:
                        self._told(selector, key.data)

    def _fork(self, selector: selectors.BaseSelector) -> None:
        _, files = receive_fds(self._control, 16, _FILES)
        if len(files) != _FILES:
            self._end()
        status = socket.socket(fileno=files[0])
        parent = os.getpid()
        try:
            request = json.loads(_all_of(status))
            pid = os.fork()
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError):
                status.send(json.dumps({"error": str(error)}).encode())
            status.close()
            pid = -1
        if pid == 0:
            for held in (self._control, status, *self._kids.values()):
                held.close()
            os.close(self._reader)
            os.close(self._writer)
            request["parent"] = parent
            raise _Child(request, files[1], files[2])
        for handle in files[1:]:
            os.close(handle)
        if pid > 0:
            self._kids[pid] = status
            selector.register(status, selectors.EVENT_READ, pid)
            with contextlib.suppress(OSError):
                status.send(json.dumps({"pid": pid}).encode())

    def _told(self, selector: selectors.BaseSelector, pid: int) -> None:
        """Pass a signal on; at the end of the file nothing of the job may stay."""
        try:
            words = self._kids[pid].recv(16)
        except OSError:
            words = b""
        if words:
            _kill(pid, words[-1])
            return
        selector.unregister(self._kids[pid])
        _kill(pid, signal.SIGKILL)

    def _look(self, selector: selectors.BaseSelector) -> None:
        """Sweep up after the jobs that ended, and tell how they ended."""
        for pid in list(self._kids):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # Before it is reaped: until then nobody else is given its number.
            _kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            told = self._kids.pop(pid)
            with contextlib.suppress(KeyError, ValueError):
                selector.unregister(told)
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                told.send(json.dumps({"code": code, "peak_kb": usage.ru_maxrss}).encode())
            told.close()

    def _end(self) -> NoReturn:
        for pid in self._kids:
            _kill(pid, signal.SIGKILL)
        os._exit(0)


def _all_of(sock: socket.socket) -> bytes:
    """Read what the owner has written before it closed its side for writing requests."""
    size = int.from_bytes(_exactly(sock, 4), "little")
    return _exactly(sock, size)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise OSError("the owner went away between two words")
        data += more
    return data


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, number)
    with contextlib.suppress(OSError):
        os.kill(pid, number)  # it may not have become the leader of its group yet


def _work(child: _Child, added: dict[str, str]) -> NoReturn:
    """Be a worker process: as if the module had been started by the interpreter."""
    known = set(sys.modules)
    settle(child.request, child.request["parent"], (child.log, os.dup(child.log)), added)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    guard(child.lifeline)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    module, *arguments = child.request["argv"]
    code = importlib.import_module(module).main(arguments)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    leave(known, code)


def main(control: int) -> NoReturn:
    """Import, say so, and serve."""
    sock = socket.socket(fileno=control)
    before = dict(os.environ)
    from mlops_nb.pipeline.ploomber import preload

    preload()
    added = {name: value for name, value in os.environ.items() if before.get(name) != value}
    if settle_threads() > 1:
        sock.send(b"unsafe")
        os._exit(0)
    gc.collect()
    gc.freeze()  # what is here by now stays: children need not touch its pages to find that out
    sock.send(b"ready")
    request: _Child | None = None
    try:
        _Forge(sock, added).serve()
    except _Child as child:
        request = child
    # Outside of the handler: what the job raises must not show the forge's frames.
    _work(request, added)


if __name__ == "__main__":
    main(int(sys.argv[1]))
