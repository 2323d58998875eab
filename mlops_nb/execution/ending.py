"""Tells the ways apart in which a notebook can end without success."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from mlops_nb.execution.control import Control

__all__ = ["ask_exit", "cell_failed", "how_it_died", "not_started", "stopped"]


def cell_failed(control: Control, index: int, cell: Any, name: str, message: str) -> None:
    """A cell raised, called ``sys.exit``, or was interrupted by the guard."""
    traceback = _traceback(cell)
    if control.guard.reason is not None:
        stopped(control, index, cell.source, traceback)
        return
    status = TaskStatus.EXITED if name == "SystemExit" else TaskStatus.FAILED
    if status is TaskStatus.EXITED:
        message = f"the cell called sys.exit({message})"
    control.fail(
        status, name=name, message=message, index=index, source=cell.source, traceback=traceback
    )


def stopped(control: Control, index: int | None, source: str, traceback: str = "") -> None:
    """The guard ended the kernel: cancelled, or out of time."""
    reason = control.guard.reason or TaskStatus.CANCELLED
    timed_out = reason is TaskStatus.TIMED_OUT
    control.fail(
        reason,
        name="Timeout" if timed_out else "Cancelled",
        message=control.guard.limit if timed_out else "cancelled while the notebook ran",
        index=index,
        source=source,
        traceback=traceback,
    )


def ask_exit(control: Control, index: int, cell: Any) -> None:
    """A cell ended the kernel by IPython's ``exit`` or ``quit``."""
    control.fail(
        TaskStatus.EXITED,
        name="SystemExit",
        message="the cell ended the kernel with exit or quit",
        index=index,
        source=cell.source,
    )


def not_started(control: Control, kernel: str, error: object, words: str = "") -> None:
    """The kernel could not be started."""
    if control.guard.reason is not None:
        stopped(control, None, "")
        return
    control.fail(
        TaskStatus.FAILED,
        name="KernelError",
        message=f'the kernel "{kernel}" could not be started: {error}; '
        '"jupyter kernelspec list" shows the kernels there are',
        index=None,
        traceback=words,
    )


def how_it_died(code: int | None) -> str:
    """Say how a kernel's process ended.

    Parameters
    ----------
    code
        As `subprocess.Popen.returncode`: negative for a signal; ``None`` where it is not known.
    """
    if code is None:
        return "the kernel died"
    if code >= 0:
        return f"the kernel's process left with exit code {code} while the cell ran"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    memory = "; out of memory, perhaps" if name == "SIGKILL" else ""
    return f"the kernel was killed by signal {-code} ({name}){memory}"


def _traceback(cell: Any) -> str:
    for output in cell.outputs:
        if output["output_type"] == "error":
            return "\n".join(output["traceback"])
    return ""
