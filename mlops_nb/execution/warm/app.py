"""An ipykernel application that is driven over one socket.

Everything a notebook can see is ipykernel's own: the shell, the kernel object, display hook,
publisher, comms. Only the transport differs. The application is built before the fork, so that
packages that look for a shell when they are imported find one, as they do in a cold kernel; user
code and configured start-up files run after the fork.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
from tornado.ioloop import IOLoop

from mlops_nb.execution.warm.pump import Pump
from mlops_nb.execution.warm.streams import Channel, DirectSession, DirectStream
from mlops_nb.execution.warm.wire import MESSAGE, Assembler, Packets, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DirectApp", "failed"]

_COMMS = ("comm_open", "comm_msg", "comm_close")


class _MainThread:
    """What the kernel asks of its shell channel's thread where requests come to the main one."""

    def __init__(self) -> None:
        self.parent_thread = threading.main_thread()
        self.manager = None


class DirectKernel(IPythonKernel):
    """ipykernel's kernel; it need not sleep before a reply, for there is one ordered channel."""

    _execute_sleep = 0.0

    def start(self) -> None:
        """Begin to serve; without the streams of a debugger there is nothing else to start."""
        shell: Any = self.shell
        shell.exit_now = False
        base: Any = Kernel
        base.start(self)


class DirectApp(IPKernelApp):
    """ipykernel's application without ports, connection file and threads."""

    known: set[str] = set()
    """Names of the modules that were there before the fork."""

    def init_connection_file(self) -> None:
        """Have none."""

    def init_poller(self) -> None:
        """Leave the watch over the parent to the operating system."""

    def init_heartbeat(self) -> None:
        """Have none: the owner sees the process itself."""

    def write_connection_file(self, **_: Any) -> None:
        """Have none."""

    def log_connection_info(self) -> None:
        """Have none."""

    def init_sockets(self) -> None:
        """Stand in for the sockets by their names."""
        self.session = DirectSession(parent=self, username="", key=b"")
        self.iopub_socket = self.iopub_thread = Channel("iopub")
        self.stdin_socket = Channel("stdin")
        base: Any = IPKernelApp
        base.configure_tornado_logger(self)

    def init_io(self) -> None:
        """Put the streams in place of Python's."""
        self.streams = (DirectStream(self.session, "stdout"), DirectStream(self.session, "stderr"))
        sys.stdout, sys.stderr = self.streams
        self.set_trait("outstream_class", None)
        base: Any = IPKernelApp
        base.init_io(self)

    def init_kernel(self) -> None:
        """Build the kernel and its shell."""
        self.kernel = DirectKernel.instance(
            parent=self,
            session=self.session,
            shell_channel_thread=_MainThread(),
            iopub_thread=self.iopub_thread,
            iopub_socket=self.iopub_socket,
            stdin_socket=self.stdin_socket,
            log=self.log,
            profile_dir=self.profile_dir,
            user_ns=self.user_ns,
        )
        self.displayhook.get_execution_count = lambda: self.kernel.execution_count

    def init_path(self) -> None:
        """Leave the current folder out of the path while packages are preloaded."""

    def init_extensions(self) -> None:
        """Wait for the fork."""

    def init_code(self) -> None:
        """Wait for the fork."""

    def run(self, sock: socket.socket, readers: Sequence[int], original: int) -> None:
        """Serve one notebook on a socket until the owner says that it is over.

        Parameters
        ----------
        sock
            The owner's.
        readers
            The other ends of the pipes that descriptors 1 and 2 write to.
        original
            What ``sys.stdout.fileno()`` gives.
        """
        self.session.session = os.urandom(16).hex()
        self.session.pid = os.getpid()
        self.session.packets = packets = Packets(sock)
        self.pump = Pump(self.streams, readers)
        for stream in self.streams:
            stream.connect(self.pump, original)
        self.pump.start()
        for handler in self.log.handlers:
            if isinstance(handler, logging.StreamHandler):
                # The kernel's own log goes where the kernel was started, not into the notebook.
                handler.setStream(os.fdopen(os.dup(original), "w"))

        def in_grandchild() -> None:
            packets.reset()
            for stream in self.streams:
                stream.after_fork()

        os.register_at_fork(after_in_child=in_grandchild)
        shell: Any = self.shell
        shell.starting_dir = os.getcwd()  # noqa: PTH109 - a text, as IPython has it
        shell.user_ns["_dh"][:] = [Path.cwd()]
        shell.init_environment()
        base: Any = IPKernelApp
        base.init_path(self)
        base.init_gui_pylab(self)
        base.init_extensions(self)
        self._run_start_files()
        loop: Any = IOLoop.current()
        self.io_loop = loop
        self.kernel.start()
        serving = _Serving(self, sock)
        self.session.send(Channel("control"), "ready", {"language_info": self.kernel.language_info})
        loop.asyncio_loop.add_reader(sock.fileno(), serving.read)
        loop.start()
        loop.asyncio_loop.remove_reader(sock.fileno())

    def _run_start_files(self) -> None:
        """Run what the profile and the settings name, as ``init_code`` does.

        That one also takes down the names of all modules, and so makes each kernel copy the pages
        that they lie on; they were taken down before the fork.
        """
        base: Any = IPKernelApp
        shell: Any = self.shell
        for step in ("startup_files", "exec_lines", "exec_files"):
            getattr(base, f"_run_{step}")(self)
        if self.hide_initial_ns:
            shell.user_ns_hidden.update(shell.user_ns)
        for step in ("cmd_line_code", "module"):
            getattr(base, f"_run_{step}")(self)
        shell._sys_modules_keys = self.known
        self.end_of_cell()

    def end_of_cell(self) -> None:
        """Send everything that was written so far."""
        self.pump.drain()
        for stream in self.streams:
            stream.flush()


# What a notebook prints of these shall be what it prints in any kernel.
for _ours in (DirectKernel, DirectApp):
    for _name in ("__name__", "__qualname__", "__module__"):
        setattr(_ours, _name, getattr(_ours.__base__, _name))


class _Serving:
    """Takes the owner's messages off the socket and runs them one after another."""

    def __init__(self, app: DirectApp, sock: socket.socket) -> None:
        self.app = app
        self.kernel = app.kernel
        self.socket = sock
        self._pid = os.getpid()
        self._assembler = Assembler()
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._busy = False
        loop: Any = app.io_loop
        self._task = loop.asyncio_loop.create_task(self._work())

    def read(self) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a copy of this process that the notebook forked and let run on
        packet = self.socket.recv(self._assembler.size)
        if not packet:
            self.app.io_loop.stop()
            return
        whole = self._assembler.feed(packet)
        if whole is None:
            return
        msg, buffers = unpack(whole[1])
        msg["buffers"] = buffers
        if self._busy and msg["header"]["msg_type"] in _COMMS:
            # An async cell may be waiting for just this message.
            self._comm(msg)
        else:
            self._queue.put_nowait(msg)

    async def _work(self) -> None:
        while True:
            msg = await self._queue.get()
            kind = msg["header"]["msg_type"]
            if kind == "shutdown_request":
                await self._shutdown()
                return
            self._busy = True
            try:
                await self._dispatch(kind, msg)
            finally:
                self._busy = False

    async def _dispatch(self, kind: str, msg: dict[str, Any]) -> None:
        kernel = self.kernel
        kernel.set_parent([], msg)
        kernel._publish_status("busy", "shell")
        kernel.pre_handler_hook()
        try:
            if kind == "execute_request":
                await kernel.execute_request(Channel("shell"), [], msg)
            else:
                kernel.shell_handlers[kind](Channel("shell"), [], msg)
        except KeyboardInterrupt:
            kernel.log.error("KeyboardInterrupt caught in kernel.")
        finally:
            kernel.post_handler_hook()
        self.app.end_of_cell()
        kernel._publish_status("idle", "shell")

    def _comm(self, msg: dict[str, Any]) -> None:
        kernel = self.kernel
        parent = kernel.get_parent("shell")
        try:
            kernel.set_parent([], msg)
            kernel.shell_handlers[msg["header"]["msg_type"]](Channel("shell"), [], msg)
        finally:
            kernel.set_parent([], parent)

    async def _shutdown(self) -> None:
        self.kernel.do_shutdown(False)
        if _has_children():
            await self.kernel._at_shutdown()
        self.app.io_loop.stop()


def _has_children() -> bool:
    tasks = Path("/proc/self/task").iterdir()
    return any((task / "children").read_text(encoding="ascii").strip() for task in tasks)


def failed(sock: socket.socket, text: str) -> None:
    """Tell the owner that the kernel could not be made ready."""
    Packets(sock).send(MESSAGE, pack({"channel": "control", "fatal": text}))
