"""Decides whether a notebook may run in a warm kernel, and forks it one if so."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import KernelError
from mlops_nb.execution.control import kernel_environment, kernel_folder
from mlops_nb.execution.kernels import supported
from mlops_nb.execution.kernelspecs import find_kernelspec
from mlops_nb.execution.preload import sensitive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlops_nb.execution.control import Control
    from mlops_nb.execution.direct import DirectKernel
    from mlops_nb.execution.kernels import Zygote

__all__ = ["warm_kernel", "why_cold"]

_REFUSED = re.compile(
    r"^\s*%(connect_info|qtconsole|subshell|gui\s+\w+|matplotlib\s+(qt|tk|gtk|wx|osx|macosx)\w*)",
    re.MULTILINE,
)
"""Magics that want a connection file, another channel or an event loop of a display."""


def warm_kernel(control: Control, nb: Any, kernel: str) -> tuple[DirectKernel | None, str]:
    """Return a forked kernel, or ``None`` and why the notebook has to run cold.

    Parameters
    ----------
    control
        Holds the job and the zygote, if there is one.
    nb
        The notebook as it will be executed.
    kernel
        Name of the kernelspec.
    """
    job, zygote = control.job, control.zygote
    if job.cold:
        return None, "asked for"
    if zygote is None:
        return None, control.why_cold or supported()
    if job.language.lower() != "python":
        return None, f"language {job.language}"
    cwd, env = kernel_folder(job), kernel_environment(job)
    spec = find_kernelspec(kernel)
    if spec is not None:
        env |= spec.env
    try:
        zygote = zygote.matching(env)
    except KernelError as error:
        return None, error.message
    sources = [cell["source"] for cell in nb["cells"] if cell["cell_type"] == "code"]
    stop = control.guard.check
    if why := why_cold(zygote, kernel=kernel, cwd=cwd, env=env, sources=sources, stop=stop):
        return None, why
    try:
        return zygote.fork_kernel(cwd=cwd, env=env), ""
    except KernelError as error:
        return None, error.message


def why_cold(
    zygote: Zygote,
    *,
    kernel: str,
    cwd: str,
    env: Mapping[str, str],
    sources: Iterable[str] = (),
    stop: Callable[[], bool] | None = None,
) -> str:
    """Return why a notebook cannot run in a kernel of a zygote, or an empty text.

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
    stop
        Whether to wait no longer for the zygote's imports.
    """
    spec = find_kernelspec(kernel)
    if spec is None:
        return f'no kernelspec "{kernel}"'
    if why := spec.objection(zygote.python):
        return why
    if spec.flags != zygote.flags:
        return f'options {" ".join(spec.flags or ())} of kernelspec "{kernel}"'
    for source in sources:
        if found := _REFUSED.search(source):
            return f"{found.group().strip()} needs a connection of its own"
    ours, theirs = sensitive(env), sensitive(zygote.environment)
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            return f"{name} differs from the preloaded environment"
    try:
        modules = zygote.ready(stop).modules
    except KernelError as error:
        return error.message
    return _hidden(cwd, modules)


def _hidden(cwd: str, modules: frozenset[str]) -> str:
    """Return which preloaded package a file in the kernel's folder would have taken the place of."""
    try:
        entries = list(os.scandir(cwd))
    except OSError as error:
        return f"its folder cannot be read: {error.strerror}"
    for entry in entries:
        name = entry.name.partition(".")[0]
        if name in modules and (
            entry.name == f"{name}.py" or Path(entry.path, "__init__.py").exists()
        ):
            return f"{entry.name} in its folder hides the installed {name}"
        if entry.name == "matplotlibrc" and "matplotlib" in modules:
            return "matplotlibrc in its folder"
    return ""
