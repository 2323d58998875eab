"""Zygotes: processes that have imported what notebooks import, and fork a kernel for each.

A warm kernel must not be told from a cold one; wherever that is in doubt, `Zygote.objection` says
why and the notebook runs cold.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mlops_nb.errors import KernelError
from mlops_nb.execution.direct import DirectKernel, KernelGone
from mlops_nb.execution.kernelspecs import find_kernelspec
from mlops_nb.execution.preload import NEVER, is_sensitive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Zygote", "supported"]

_START = 120.0  # seconds
_BOOT = """
import sys, types
if sys.path[:1] == [""]: del sys.path[0]
root, control = sys.argv[1:]
for name, path in (("mlops_nb", root), ("mlops_nb.execution", root + "/execution")):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
from mlops_nb.execution.warm.forker import main
main(int(control), 1)
"""
_ROOT = Path(__file__).resolve().parent.parent
_REFUSED = re.compile(
    r"^\s*%(connect_info|qtconsole|subshell|gui\s+\w+|matplotlib\s+(qt|tk|gtk|wx|osx|macosx)\w*)",
    re.MULTILINE,
)


def supported() -> str:
    """Return why this machine cannot fork kernels, or an empty text."""
    return "" if sys.platform == "linux" and hasattr(os, "fork") else f"platform {sys.platform}"


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
    memory
        A file to remember unsafe packages in, so that the next zygote need not find out again.

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
        memory: Path | None = None,
    ) -> None:
        self.preload = tuple(preload)
        self.python = python
        spec = find_kernelspec(kernel)
        self.flags = (None if spec is None else spec.flags) or ()
        self.unsafe: dict[str, str] = {}
        """Modules that were left out, with the reason."""
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = threading.Lock()
        self._report: dict[str, Any] | None = None
        self._environment: dict[str, str] = {}

    def __enter__(self) -> Zygote:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process; do nothing where it runs already.

        Raises
        ------
        KernelError
            The machine cannot fork kernels, or the interpreter cannot be started.
        """
        with self._lock:
            if self._process is None:
                self._start()

    def _start(self) -> None:
        if why := supported():
            raise KernelError(f"warm kernels do not work on this {why}", fix="use cold ones")
        self.unsafe = {**_recall(self._memory), **self.unsafe}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._environment = dict(os.environ)
        environment = {
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            **self._environment,
        }
        words: IO[bytes]
        with theirs, tempfile.TemporaryFile() as words:
            try:
                self._process = subprocess.Popen(
                    [self.python, *self.flags, "-c", _BOOT, str(_ROOT), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=words,
                    stderr=words,
                    cwd="/",
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                self._control.close()
                self._control = None
                raise KernelError(f"cannot be started: {error}", where=self.python) from error
        wanted = [name for name in self.preload if name not in self.unsafe]
        self._control.send(json.dumps({"preload": wanted, "never": sorted(NEVER)}).encode())

    def ready(self) -> dict[str, Any]:
        """Wait until the imports are done and return the zygote's report.

        Raises
        ------
        KernelError
            The process ended, or took longer than two minutes.
        """
        with self._lock:
            while self._report is None:
                if self._process is None:
                    self._start()
                assert self._control is not None
                self._control.settimeout(_START)
                try:
                    answer = self._control.recv(1 << 20)
                except OSError as error:
                    answer, reason = b"", str(error)
                else:
                    reason = "it ended"
                if not answer:
                    self._stop()
                    raise KernelError(
                        f"warm kernels cannot be prepared: {reason}", where=self.python
                    )
                self._control.settimeout(None)
                report = json.loads(answer)
                if "unsafe" not in report:
                    self._report = report
                    break
                name, why = report["unsafe"]
                self.unsafe[name] = why
                _remember(self._memory, self.unsafe)
                self._stop()
            return self._report

    def objection(
        self, *, kernel: str, cwd: str, env: Mapping[str, str], sources: Sequence[str] = ()
    ) -> str:
        """Return why a notebook has to run cold, or an empty text.

        Parameters
        ----------
        kernel
            Name of the kernelspec that the notebook asks for.
        cwd
            Folder the kernel will start in.
        env
            The kernel's whole environment.
        sources
            The code cells' sources.
        """
        spec = find_kernelspec(kernel)
        if spec is None:
            return f'no kernelspec "{kernel}"'
        if why := spec.objection(self.python):
            return why
        if spec.flags != self.flags:
            return f'options {" ".join(spec.flags or ())} of kernelspec "{kernel}"'
        for source in sources:
            if found := _REFUSED.search(source):
                return f"{found.group().strip()} needs a connection of its own"
        for name in sorted({*env, *self._environment}):
            if is_sensitive(name) and env.get(name) != self._environment.get(name):
                return f"{name} differs from the preloaded environment"
        try:
            modules = set(self.ready()["modules"])
            entries = list(os.scandir(cwd))
        except KernelError as error:
            return error.message
        except OSError:
            return "its folder cannot be read"
        for entry in entries:
            name = entry.name.partition(".")[0]
            if name in modules and (
                entry.name == f"{name}.py" or Path(entry.path, "__init__.py").exists()
            ):
                return f"{entry.name} in its folder hides the installed {name}"
            if entry.name == "matplotlibrc" and "matplotlib" in modules:
                return "matplotlibrc in its folder"
        return ""

    def fork_kernel(self, *, cwd: str, env: Mapping[str, str]) -> DirectKernel:
        """Fork a kernel.

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
        with self._lock:
            if self._control is None:
                raise KernelError("the zygote was closed", fix="start it again")
            try:
                return DirectKernel(self._control, cwd=cwd, env=env, argv=argv)
            except KernelGone as error:
                raise KernelError(str(error)) from error

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the process and every kernel it forked."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        self._report = None
        if self._control is not None:
            self._control.close()  # the zygote sees the end of the socket, kills its own and goes
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None


def _recall(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def _remember(path: Path | None, unsafe: Mapping[str, str]) -> None:
    if path is not None:
        from mlops_nb.execution.saving import replace_file

        replace_file(path, json.dumps(dict(unsafe), indent=1, sort_keys=True))
