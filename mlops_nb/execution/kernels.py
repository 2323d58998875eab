"""Zygotes: processes that have imported what notebooks import, and fork a kernel for each.

A warm kernel must not be told from a cold one; where that is in doubt, the notebook runs cold, see
`mlops_nb.execution.choice`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import KernelError
from mlops_nb.execution.direct import DirectKernel, KernelGone
from mlops_nb.execution.kernelspecs import find_kernelspec
from mlops_nb.execution.preload import NEVER
from mlops_nb.execution.threads import VARIABLES
from mlops_nb.execution.zygote_process import SLICE, STOP, ZygoteProcess
from mlops_nb.files import write_whole
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Report", "Zygote", "supported"]


def supported() -> str:
    """Return why this machine cannot fork kernels, or an empty text."""
    return "" if sys.platform == "linux" else f"platform {sys.platform}"


class Report(Record, frozen=True, kw_only=True):
    """What became of a zygote's imports."""

    pid: int
    modules: frozenset[str]
    """Top-level packages that are loaded beyond a kernel's own."""
    failed: dict[str, str]
    """Modules that cannot be imported, with the error."""


class Zygote:
    """One process to fork kernels from.

    Parameters
    ----------
    preload
        Modules to import; see `mlops_nb.execution.preload.preload_for`.
    python
        The interpreter; the running one by default.
    kernel
        The kernelspec whose interpreter options (what stands before ``-m``) are used.
    environment
        What the process is started with; this process's environment by default.
    memory
        A file to remember unsafe modules in, so that the next zygote need not find out again.
    lasting
        Whether it is for many notebooks: a tenth of a second more until it is ready makes each of
        them cheaper.

    Notes
    -----
    A context manager. `start` returns at once; the first kernel waits until the imports are done.
    Safe to use from several threads.
    """

    def __init__(
        self,
        preload: Sequence[str] = (),
        python: str = sys.executable,
        *,
        kernel: str = "python3",
        environment: Mapping[str, str] | None = None,
        memory: Path | None = None,
        lasting: bool = False,
    ) -> None:
        self.preload = tuple(preload)
        self.python = python
        self._kernel = kernel
        spec = find_kernelspec(kernel)
        self.flags = (None if spec is None else spec.flags) or ()
        self.unsafe: dict[str, str] = {}
        """Modules that were left out, with the reason."""
        self.environment = dict(os.environ if environment is None else environment)
        """What it is started with."""
        self._memory = memory
        self._lasting = lasting
        self._process: ZygoteProcess | None = None
        self._report: Report | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._siblings: dict[tuple[str | None, ...], Zygote] = {}

    def __enter__(self) -> Zygote:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return None if self._process is None else self._process.popen.pid

    def fileno(self) -> int:
        """Return the descriptor of the socket to the process.

        Raises
        ------
        KernelError
            It does not run.
        """
        if self._process is None:
            raise _closed()
        return self._process.control.fileno()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        process = self._process
        return process is not None and process.popen.poll() is None

    def start(self) -> None:
        """Start the process; do nothing where it runs already.

        Raises
        ------
        KernelError
            The machine cannot fork kernels, or the interpreter cannot be started.
        """
        with self._lock:
            self._started()

    def ready(self, stop: Callable[[], bool] | None = None) -> Report:
        """Wait until the imports are done and return what became of them.

        Parameters
        ----------
        stop
            Asked several times a second whether to wait no longer.

        Raises
        ------
        KernelError
            The process ended, took longer than two minutes, was closed, or `stop` said so.
        """
        while (report := self._report) is None:
            if self._lock.acquire(timeout=SLICE):  # not for long: somebody may want to close it
                try:
                    self._look()
                finally:
                    self._lock.release()
            if self._report is None and stop is not None and stop():
                raise KernelError("the wait for warm kernels was ended")
        return report

    def _look(self) -> None:
        """Take the process's report, if it comes within a moment."""
        if self._report is not None:
            return
        process = self._started()
        answer = process.answer()
        if answer is None:
            return
        self._started()  # it may have been closed meanwhile
        if not answer:
            self._stop()
            raise KernelError("warm kernels cannot be prepared", where=self.python)
        told = json.loads(answer)
        if "unsafe" in told:
            name, why = told["unsafe"]
            self.unsafe[name] = why
            self._remember()
            self._stop()  # what was imported cannot be undone: another process, without it
            return
        self._report = Report(
            pid=told["pid"], modules=frozenset(told["modules"]), failed=told["failed"]
        )

    def matching(self, env: Mapping[str, str]) -> Zygote:
        """Return the zygote for kernels of an environment: libraries count their threads once, when
        they are loaded, and so each number of threads has a zygote of its own.

        Parameters
        ----------
        env
            The kernel's whole environment; no other variable is looked at.

        Raises
        ------
        KernelError
            This zygote was closed.
        """
        wanted = tuple(env.get(name) for name in VARIABLES)
        if wanted == tuple(self.environment.get(name) for name in VARIABLES):
            return self
        with self._lock:
            if self._closed:
                raise _closed()
            if wanted not in self._siblings:
                kept = {k: v for k, v in self.environment.items() if k not in VARIABLES}
                given = {k: v for k, v in zip(VARIABLES, wanted, strict=True) if v is not None}
                self._siblings[wanted] = Zygote(
                    self.preload,
                    self.python,
                    kernel=self._kernel,
                    environment={**kept, **given},
                    memory=self._memory,
                    lasting=self._lasting,
                )
            return self._siblings[wanted]

    def fork_kernel(self, *, cwd: str, env: Mapping[str, str]) -> DirectKernel:
        """Fork a kernel.

        Parameters
        ----------
        cwd
            Folder it starts in.
        env
            Its whole environment.

        Raises
        ------
        KernelError
            The zygote is gone or cannot fork.
        """
        self.ready()
        argv = [
            str(Path(self.python).parent / "ipykernel_launcher.py"),
            "-f",
            "kernel.json",
            "--HistoryManager.hist_file=:memory:",
        ]
        process = self._process
        if process is None:
            raise _closed()
        try:
            return DirectKernel(process.control, cwd=cwd, env=env, argv=argv)
        except KernelGone as error:
            raise KernelError(str(error)) from error

    def close(self) -> None:
        """End the process and every kernel it forked, for good."""
        self._closed = True
        if (process := self._process) is not None:
            with suppress(OSError):
                process.control.shutdown(socket.SHUT_RDWR)  # who waits for it with the lock held
        with self._lock:
            self._stop()
            for sibling in self._siblings.values():
                sibling.close()

    def _started(self) -> ZygoteProcess:
        if self._closed:
            raise _closed()
        if self._process is None:
            if why := supported():
                raise KernelError(f"warm kernels do not work on this {why}", fix="use cold ones")
            self.unsafe = {**self._remembered(), **self.unsafe}
            self._process = ZygoteProcess(
                self.python,
                self.flags,
                # What ipykernel sets when it starts, before matplotlib can be imported.
                {"MPLBACKEND": "module://matplotlib_inline.backend_inline", **self.environment},
            )
            wanted = [name for name in self.preload if name not in self.unsafe]
            self._process.ask({"preload": wanted, "never": sorted(NEVER), "lasting": self._lasting})
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        report, self._report = self._report, None
        if process is not None:
            process.stop(0.0 if report is None and self._closed else STOP)  # it may import for long

    def _remembered(self) -> dict[str, str]:
        if self._memory is None:
            return {}
        try:
            found = json.loads(self._memory.read_bytes())
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def _remember(self) -> None:
        if self._memory is not None:
            text = json.dumps(self.unsafe, indent=1, sort_keys=True)
            write_whole(self._memory, text.encode())


def _closed() -> KernelError:
    return KernelError("the zygote was closed", fix="make another one")
