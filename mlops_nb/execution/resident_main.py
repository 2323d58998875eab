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
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import KernelError
from mlops_nb.execution.frames import SOCKET, Frames, at, server_key
from mlops_nb.execution.handed import run_command
from mlops_nb.execution.handing import surroundings
from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.preload import sensitive
from mlops_nb.execution.servers import ServerStatus
from mlops_nb.execution.session import prepare, run_session
from mlops_nb.execution.warm.huge import collapse
from mlops_nb.model import to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Server", "main"]

_LOOK = 10.0  # seconds between looks at the clock and at the socket's file
_HELLO = 10.0
_ZYGOTES = 3


_Key = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
"""What a zygote imports, and the part of the environment that its imports depend on."""


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
        self._zygotes: dict[_Key, Zygote] = {}
        self._children: dict[int, Frames | None] = {}
        """The process of each session and command, the latter's with its client."""
        self._stopping: list[Frames] = []
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
        zygote = self._new_zygote(self._preload, dict(os.environ))
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
            while not (self._stopping and not self._children) and self._is_wanted():
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
        for zygote in self._zygotes.values():
            zygote.close()
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
                case "command" if self._commands and not self._stopping:
                    self._command(frames, hello)
                    kept = True
        except _Born:
            kept = True  # this is the child's own process now
            raise
        except (OSError, EOFError, ValueError, KeyError):
            return  # a client that went away, or spoke another version's language
        finally:
            if not kept:
                sock.close()

    def _status(self) -> ServerStatus:
        zygotes = list(self._zygotes.values())
        return ServerStatus(
            pid=os.getpid(),
            started=self._started,
            idle=self._idle,
            sessions=sum(1 for client in self._children.values() if client is None),
            handed=self._handed,
            served=self._served,
            preloaded=tuple(sorted({name for zygote in zygotes for name in zygote.preload})),
            key=self._key,
            unsafe={name: why for zygote in zygotes for name, why in zygote.unsafe.items()},
        )

    def _session(self, frames: Frames, hello: dict[str, Any]) -> None:
        if hello["key"] != self._key or self._stopping:
            frames.send({"ok": False})
            return
        try:
            zygote = self._zygote(tuple(hello["preload"]), hello["environ"])
        except KernelError:
            frames.send({"ok": False})
            return
        self._used = time.time()
        self._served += 1
        self._fork(lambda: run_session(frames, zygote, hello), None)

    def _command(self, frames: Frames, hello: dict[str, Any]) -> None:
        self._used = time.time()
        self._handed += 1
        server, main = os.getpid(), importlib.import_module(self._commands).main
        zygotes = [zygote for zygote in self._zygotes.values() if zygote.is_alive()]
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
            frames,
        )

    def _fork(self, become: Callable[[], None], client: Frames | None) -> None:
        """Fork a process; ``client`` is told how it ends."""
        pid = os.fork()
        if pid == 0:
            self._listener.close()
            signal.set_wakeup_fd(-1)
            raise _Born(become)
        self._children[pid] = client

    def _zygote(self, preload: tuple[str, ...], environ: dict[str, str]) -> Zygote:
        """Return the zygote for a client, started and ready.

        One that has imported more than is asked for will do; where none has enough, the next one
        imports all that was ever asked for in such an environment.
        """
        sensitive = _sensitive(environ)
        wanted = set(preload or self._preload)
        for key, zygote in reversed(self._zygotes.items()):
            if key[1] != sensitive:
                continue
            if not zygote.is_alive():
                self._zygotes.pop(key).close()
                return self._zygote(preload, environ)
            if wanted <= set(zygote.preload):
                self._zygotes[key] = self._zygotes.pop(key)  # the one used last stands last
                zygote.ready()
                return zygote
            wanted |= set(zygote.preload)
        if len(self._zygotes) >= _ZYGOTES:
            self._zygotes.pop(next(iter(self._zygotes))).close()
        zygote = self._new_zygote(tuple(sorted(wanted)), environ)
        zygote.ready()
        return zygote

    def _new_zygote(self, preload: tuple[str, ...], environ: dict[str, str]) -> Zygote:
        memory = self._state / "cache" / "preload.json"
        zygote = Zygote(preload, environment=environ, memory=memory, lasting=True)
        zygote.start()
        self._zygotes[(preload, _sensitive(environ))] = zygote
        return zygote

    def _stop(self, frames: Frames | None) -> None:
        if frames is not None:
            self._stopping.append(frames)
        else:
            self._idle = 0.0
        for pid in self._children:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            client = self._children.pop(pid)
            self._used = time.time()
            if client is not None:
                with client.socket, contextlib.suppress(OSError):  # it may have gone
                    client.send({"exit": os.waitstatus_to_exitcode(status)})


def _sensitive(environ: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(sensitive(environ).items()))


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
