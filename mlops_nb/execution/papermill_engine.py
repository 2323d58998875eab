"""The Papermill engine ``mlops-nb``: Papermill's interface and output format, honest status.

Papermill's own manager marks every cell completed when a kernel dies or times out, and saves the
whole notebook twice a cell; this one does neither. The engine is found by its entry point, so
``papermill --engine mlops-nb`` uses it too.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from nbclient.exceptions import DeadKernelError

from mlops_nb.execution.choice import warm_kernel
from mlops_nb.execution.control import Control
from mlops_nb.execution.ending import stopped
from mlops_nb.execution.guard import Guard
from mlops_nb.execution.jobs import NotebookJob
from mlops_nb.execution.mending import mend
from mlops_nb.execution.saving import Saver, outputs_folder
from mlops_nb.light import import_papermill
from mlops_nb.model import TaskStatus

__all__ = ["Manager", "MlopsEngine"]

# Papermill may be importing this module for its entry point, or not be imported yet.
_papermill: Any = import_papermill()

log = logging.getLogger("mlops_nb.kernels")
log.addHandler(logging.NullHandler())  # nothing on stderr unless the application asks for it


class Manager(_papermill.NotebookExecutionManager):  # type: ignore[misc]
    """Papermill's execution manager with few, atomic saves and a metadata that does not lie."""

    def __init__(
        self,
        nb: Any,
        control: Control,
        *,
        output_path: str | None,
        log_output: bool = False,
        progress_bar: bool | dict[str, Any] = False,
    ) -> None:
        super().__init__(
            nb, output_path, log_output=log_output, progress_bar=progress_bar, autosave_cell_every=0
        )
        self.control = control
        self._current = 0
        self.saver = Saver(None if output_path is None else Path(output_path))

    def save(self, **_: Any) -> None:
        """Write the notebook if a save is due."""
        if self.saver.is_due():
            self.saver.save(self.nb)

    def autosave_cell(self) -> None:
        """Write the notebook while a cell runs."""
        self.saver.touch(self._current)
        self.saver.save(self.nb)

    def notebook_start(self, **_: Any) -> None:
        """Clear what earlier executions left, and write the notebook."""
        self.control.begins(self.nb)
        if self.saver.path is not None:  # what an earlier execution had put there
            shutil.rmtree(outputs_folder(self.saver.path), ignore_errors=True)
        super().notebook_start()

    def cell_start(self, cell: Any, cell_index: int | None = None, **_: Any) -> None:
        """Mark a cell as running."""
        self._current = cell_index or 0
        self.saver.touch(self._current)
        self.control.cell_begins(self._current)
        super().cell_start(cell, cell_index)

    def cell_complete(self, cell: Any, cell_index: int | None = None, **_: Any) -> None:
        """Mark a cell as completed, unless it failed."""
        self.saver.touch(cell_index or 0)
        self.control.cell_ends(cell_index or 0)
        super().cell_complete(cell, cell_index)

    def notebook_complete(self, **_: Any) -> None:
        """Write the notebook for the last time, with what really happened."""
        self.end_time = self.now()
        record = self.nb.metadata.papermill
        record["end_time"] = self.end_time.isoformat()
        record["duration"] = (self.end_time - self.start_time).total_seconds()
        mend(self.nb, self.control)
        self.complete_pbar()
        self.cleanup_pbar()
        self.saver.forget()
        self.saver.save(self.nb)


class MlopsEngine(_papermill.NBClientEngine):  # type: ignore[misc]
    """Executes notebooks in cold kernels through their kernelspec, or in warm ones."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        *,
        control: Control | None = None,
        **kwargs: Any,
    ) -> Any:
        """Execute a notebook; see ``papermill.engines.Engine``."""
        foreign = control is None
        if control is None:  # Papermill's own command or function: it makes the banners itself
            job = NotebookJob(task="", notebook="", output=output_path or "", kernel=kernel_name)
            control = Control(job, Guard(), banner=False)
        manager = Manager(
            nb, control, output_path=output_path, log_output=log_output, progress_bar=progress_bar
        )
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, log_output=log_output, **kwargs)
        finally:
            manager.notebook_complete()
        if foreign and control.status not in (None, TaskStatus.FAILED, TaskStatus.EXITED):
            raise DeadKernelError("" if control.error is None else control.error.message)
        return manager.nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Manager,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: float = 60,
        execution_timeout: float | None = None,
        **_: Any,
    ) -> None:
        """Drive a kernel through the cells."""
        control = nb_man.control
        if control.guard.check():
            stopped(control, None, "")
            return
        options = {
            "log": log,
            "log_output": log_output,
            "stdout_file": stdout_file,
            "stderr_file": stderr_file,
        }
        if execution_timeout is not None:
            control.guard.limit_cells(execution_timeout)
        kernel, why = warm_kernel(control, nb_man.nb, kernel_name)
        if kernel is not None:
            from mlops_nb.execution.warm_client import WarmClient

            control.kernel = "warm"
            WarmClient(nb_man, kernel, **options).execute()
            return
        if control.guard.check():  # while it waited for a warm one
            stopped(control, None, "")
            return
        from mlops_nb.execution.cold import ColdClient

        control.kernel = f"cold: {why}" if why else "cold"
        ColdClient(
            nb_man, kernel_name=kernel_name, startup_timeout=int(start_timeout), **options
        ).execute()
