"""The owner's end of a forked kernel: one socket for messages, one that tells of its end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from mlops_nb.execution.inheritance import inherited
from mlops_nb.execution.warm.wire import (
    FAREWELL,
    LEFT,
    MESSAGE,
    STDOUT,
    Assembler,
    Packets,
    pack,
    send_fds,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DirectKernel", "Ended", "KernelGone"]

_PIECE = 64 * 1024


class KernelGone(Exception):  # noqa: N818 - internal; becomes an outcome
    """The zygote could not fork, or is gone."""


class Ended(Exception):  # noqa: N818 - internal; becomes an outcome
    """The kernel's process ended; ``code`` is as in `subprocess.Popen.returncode`."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class DirectKernel:
    """A kernel forked by a zygote.

    Parameters
    ----------
    control
        The zygote's socket.
    cwd, env, argv
        What the kernel starts with; ``env`` is the whole environment.
    """

    def __init__(
        self, control: socket.socket, *, cwd: str, env: Mapping[str, str], argv: list[str]
    ) -> None:
        self._stack = contextlib.ExitStack()
        with self._stack:
            self._open(control, cwd, env, argv)
            self._stack = self._stack.pop_all()

    def _open(
        self, control: socket.socket, cwd: str, env: Mapping[str, str], argv: list[str]
    ) -> None:
        keep = self._stack.enter_context
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._status, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        keep(self._sock)
        keep(self._status)
        pipes = [os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)]
        self._readers = [reader for reader, _ in pipes]
        for reader in self._readers:
            os.set_blocking(reader, False)
            self._stack.callback(os.close, reader)
        writers = [writer for _, writer in pipes]
        try:
            send_fds(control, b"fork", [status.fileno()])
            send_fds(self._status, b"files", [theirs.fileno(), *self._readers, *writers])
        except OSError as error:
            raise KernelGone(f"the zygote is gone: {error}") from error
        finally:
            theirs.close()
            status.close()
            for writer in writers:
                os.close(writer)
        request = {"cwd": cwd, "env": dict(env), "argv": argv, **inherited()}
        try:
            Packets(self._status).send(MESSAGE, pack(request))
            answer = self._status.recv(_PIECE)
        except OSError as error:
            raise KernelGone(f"the zygote is gone: {error}") from error
        told: dict[str, Any] = json.loads(answer) if answer else {"error": "the zygote is gone"}
        if "pid" not in told:
            raise KernelGone(told["error"])
        self.pid: int = told["pid"]
        self._assembler = Assembler()
        self._outgoing: deque[bytes] = deque()
        self._sock.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        self._poll.register(self._status, select.POLLIN)
        self._alive = True
        self._left = False
        self._listening = True

    def send(self, msg: Mapping[str, Any], buffers: tuple[bytes, ...] = ()) -> None:
        """Send a message as soon as the kernel takes it; never blocks."""
        self._outgoing.extend(Packets.cut(MESSAGE, pack(dict(msg), buffers)))
        self._push()

    def receive(self) -> Iterator[tuple[str, Any]]:
        """Yield what comes, for ever.

        Yields
        ------
        tuple
            ``("message", msg)``, or the name of a stream and ``(msg_id, text)``.

        Raises
        ------
        Ended
            The process ended, and everything it had sent has been yielded.
        """
        while True:
            ready = dict(self._poll.poll())
            if ready.get(self._sock.fileno(), 0) & select.POLLOUT:
                self._push()
            if ready.get(self._sock.fileno(), 0) & ~select.POLLOUT:
                yield from self._messages()
            elif self._status.fileno() in ready:
                self._alive = False
                code = self._exit_code()
                while self._listening:
                    yield from self._messages()
                raise Ended(code)

    def leftovers(self) -> Iterator[tuple[str, str]]:
        """Yield what a dead kernel had written to its descriptors and could not send itself."""
        for name, reader in zip(("stdout", "stderr"), self._readers, strict=True):
            with contextlib.suppress(BlockingIOError):
                while data := os.read(reader, _PIECE):
                    yield name, data.decode("utf-8", "replace")

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the kernel and tell its children, as Jupyter does."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the kernel and the processes of its group at once."""
        self._signal(signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        """Whether the process ends within a time, or has nothing to do but to give memory back."""
        end = monotonic() + seconds
        while self._alive and not self._left:
            ready = dict(self._poll.poll(max(0.0, end - monotonic()) * 1000))
            if not ready:
                return False
            if ready.get(self._sock.fileno(), 0) & select.POLLOUT:
                self._push()
            if ready.get(self._sock.fileno(), 0) & ~select.POLLOUT:
                for _ in self._messages():
                    continue  # of the exit functions, and nobody's any more
            elif self._status.fileno() in ready:
                self._alive = False
        return True

    def close(self) -> None:
        """Let go of the kernel; the zygote kills it if it still runs."""
        if self._left and self._alive:
            with contextlib.suppress(OSError):
                self._status.send(LEFT)
        self._stack.close()

    def _signal(self, number: int) -> None:
        # The zygote keeps the ended process as a zombie until `close`: its id is not used again.
        with contextlib.suppress(OSError):
            os.killpg(self.pid, number)

    def _exit_code(self) -> int | None:
        answer = self._status.recv(_PIECE)
        return json.loads(answer).get("exit") if answer else None

    def _push(self) -> None:
        try:
            while self._outgoing:
                self._sock.send(self._outgoing[0])
                self._outgoing.popleft()
        except BlockingIOError:
            self._poll.modify(self._sock, select.POLLIN | select.POLLOUT)
            return
        except OSError:
            self._outgoing.clear()  # it died; the status socket tells
        self._poll.modify(self._sock, select.POLLIN)

    def _messages(self) -> Iterator[tuple[str, Any]]:
        for _ in range(256):  # then look at the status and what there is to send
            try:
                packet = self._sock.recv(self._assembler.size)
            except BlockingIOError:
                self._listening = self._alive
                return
            except OSError:
                packet = b""
            if not packet:
                self._poll.unregister(self._sock)  # the status socket tells how it ended
                self._listening = False
                return
            whole = self._assembler.feed(packet)
            if whole is None:
                continue
            kind, data = whole
            if kind == FAREWELL:
                self._left = True
            elif kind == MESSAGE:
                msg, buffers = unpack(data)
                msg["buffers"] = buffers
                yield "message", msg
            else:
                size = data[0]
                text = data[1 + size :].decode("utf-8", "replace")
                yield (
                    "stdout" if kind == STDOUT else "stderr",
                    (data[1 : 1 + size].decode(), text),
                )
