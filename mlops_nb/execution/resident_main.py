"""The program of a resident server: ``python -m mlops_nb.execution.resident_main STATE SETTINGS``.

It accepts connections and forks a process for each, which runs that client's notebooks, or is the
command that it handed over, and ends with it. So nothing that a run does stays in the server, and a
client's death ends what it began.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nb.errors import KernelError
from mlops_nb.execution.frames import SOCKET, Frames, at, server_key
from mlops_nb.execution.handed import run_command
from mlops_nb.execution.handing import surroundings
from mlops_nb.execution.resident_zygotes import Zygotes
from mlops_nb.execution.servers import ServerStatus
from mlops_nb.execution.session import prepare, run_session
from mlops_nb.execution.warm.huge import collapse
from mlops_nb.model import to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_nb.execution.kernels import Zygote

__all__ = ["Server", "main"]

_LOOK = 10.0  # seconds between looks at the clock and at the socket's file
_HELLO = 2.0


class _Child(NamedTuple):
    """The process of a session or a command."""

    client: Frames | None
    """Who is told how it ends: a command's client."""
    zygotes: list[Zygote]
    """What its kernels are forked from."""


class Server:
    """Accepts runs; one process, one thread.

    Parameters
    ----------
    state
        The project's state folder.
    preload
        What the first zygote imports.
    idle
        Seconds without a run after which it ends.
    commands
        The module of the command line, where clients may hand commands over.
    """

    def __init__(
        self, state: Path, preload: tuple[str, ...], idle: float, commands: str = ""
    ) -> None:
        self._state = state
        self._preload = preload
        self._idle = idle
        self._commands = commands
        self._must = surroundings()["must"]
        self._started = self._used = time.time()
        self._served = self._handed = 0
        self._key = server_key()
        self._zygotes = Zygotes(state)
        self._children: dict[int, _Child] = {}
        self._stopping: list[Frames] = []
        self._is_ending = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def listen(self) -> None:
        """Bind the socket, which only this user can open; what a dead server left is replaced."""
        path = self._state / SOCKET
        path.unlink(missing_ok=True)
        os.umask(0o177)
        with at(self._state) as address:
            self._listener.bind(address)
        os.umask(0o077)
        self._listener.listen(16)
        self._inode = path.stat().st_ino

    def prepare(self, services: Sequence[str]) -> None:
        """Import what sessions need, and have the first zygote do its imports."""
        zygote = self._zygotes.start(self._preload, dict(os.environ))
        prepare(services)
        if self._commands:
            importlib.import_module(self._commands).prepare()
        gc.collect()
        gc.freeze()  # sessions need not look through what the server has imported
        collapse()
        zygote.ready()

    def serve(self) -> None:
        """Accept connections until it is stopped, idle, or its socket is gone."""
        reader, writer = os.pipe()
        for fd in (reader, writer):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop(None))
        self._used = time.time()
        look = min(_LOOK, self._idle)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(reader, selectors.EVENT_READ)
            while self._children if self._is_ending else self._is_wanted():
                for key, _ in selector.select(look):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(reader, 512)
                self._reap()

    def end(self) -> None:
        """Take away everything that the server made."""
        for pid in self._children:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self._zygotes.close()
        path = self._state / SOCKET
        with contextlib.suppress(OSError):
            if path.stat().st_ino == self._inode:
                path.unlink()
        for name in ("server.lock", "server.log"):
            (self._state / name).unlink(missing_ok=True)
        for frames in self._stopping:
            frames.socket.close()

    def _is_wanted(self) -> bool:
        if self._children:
            self._used = time.time()
        try:
            ours = (self._state / SOCKET).stat().st_ino == self._inode
        except OSError:
            ours = False
        return ours and time.time() - self._used < self._idle

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(_HELLO)
        frames = Frames(sock)
        kept = False
        try:
            hello = frames.receive()
            match hello["ask"]:
                case "status":
                    frames.send(to_builtins(self._status()))
                case "stop":
                    self._stop(frames)
                    kept = True
                case "session":
                    self._session(frames, hello)
                case "command" if self._commands and not self._is_ending:
                    self._command(frames, hello)
                    kept = True
        except _Born:
            kept = True  # this is the child's own process now
            raise
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            return  # a client that went away, or spoke another version's language
        finally:
            if not kept:
                sock.close()

    def _status(self) -> ServerStatus:
        zygotes = self._zygotes.all()
        return ServerStatus(
            pid=os.getpid(),
            started=self._started,
            idle=self._idle,
            sessions=sum(1 for child in self._children.values() if child.client is None),
            handed=self._handed,
            commands=sum(1 for child in self._children.values() if child.client is not None),
            served=self._served,
            preloaded=tuple(sorted({name for zygote in zygotes for name in zygote.preload})),
            key=self._key,
            unsafe={name: why for zygote in zygotes for name, why in zygote.unsafe.items()},
        )

    def _session(self, frames: Frames, hello: dict[str, Any]) -> None:
        if hello["key"] != self._key or self._is_ending:
            frames.send({"ok": False})
            return
        try:
            used = {id(zygote) for child in self._children.values() for zygote in child.zygotes}
            preload = tuple(hello["preload"]) or self._preload
            zygote = self._zygotes.take(preload, hello["environ"], used)
        except KernelError:
            frames.send({"ok": False})
            return
        self._used = time.time()
        self._served += 1
        self._fork(lambda: run_session(frames, zygote, hello), [zygote], None)

    def _command(self, frames: Frames, hello: dict[str, Any]) -> None:
        self._used = time.time()
        self._handed += 1
        server, main = os.getpid(), importlib.import_module(self._commands).main
        zygotes = [zygote for zygote in self._zygotes.all() if zygote.is_alive()]
        self._fork(
            lambda: run_command(
                frames,
                hello,
                server,
                must=self._must,
                key=self._key,
                state=self._state,
                zygotes=zygotes,
                main=main,
            ),
            zygotes,
            frames,
        )

    def _fork(
        self, become: Callable[[], None], zygotes: list[Zygote], client: Frames | None
    ) -> None:
        """Fork a process that uses some zygotes; ``client`` is told how it ends."""
        # A signal meant for the child must not meet the server's handler in it.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            pid = os.fork()
            if pid == 0:
                self._listener.close()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                for other in self._children.values():
                    if other.client is not None:
                        other.client.socket.close()  # who waits for the server's end of it
                raise _Born(become)
            self._children[pid] = _Child(client, zygotes)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _stop(self, frames: Frames | None) -> None:
        if frames is not None:
            self._stopping.append(frames)
        self._is_ending = True
        for pid in self._children:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            client = self._children.pop(pid).client
            self._used = time.time()
            if client is not None:
                with client.socket, contextlib.suppress(OSError):  # it may have gone
                    client.send({"exit": os.waitstatus_to_exitcode(status)})


class _Born(Exception):  # noqa: N818 - not an error: leaves the server's frames in a forked child
    def __init__(self, become: Callable[[], None]) -> None:
        self.become = become


def main(argv: list[str]) -> None:
    """Run a server, and in its children a session each."""
    state, settings = Path(argv[0]), json.loads(argv[1])
    if os.fork():
        os._exit(0)  # whoever started it need not wait for the server itself
    os.setsid()
    ready = settings["ready"]
    os.set_inheritable(ready, False)
    lock = os.open(state / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(ready)  # another one was faster: it answers
        os._exit(0)
    server = Server(state, tuple(settings["preload"]), settings["idle"], settings["commands"])
    try:
        server.prepare(settings["services"])
        server.listen()
    except (KernelError, OSError) as error:
        os.write(ready, str(error).encode())
        server.end()
        os._exit(1)
    os.close(ready)
    try:
        server.serve()
    except _Born as born:
        os.close(lock)
        become = born.become
    else:
        server.end()
        os._exit(0)
    become()


if __name__ == "__main__":
    main(sys.argv[1:])
