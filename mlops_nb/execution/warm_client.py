"""Drives a forked kernel with nbclient's own handling of messages."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellExecutionComplete

from mlops_nb.execution.control import is_runnable
from mlops_nb.execution.direct import DirectKernel, Ended
from mlops_nb.execution.ending import ask_exit, cell_failed, how_it_died, not_started, stopped
from mlops_nb.execution.keeping import Keeping, silent_answer, silent_request
from mlops_nb.execution.outputs import BoundedClient
from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from mlops_nb.execution.papermill_engine import Manager

__all__ = ["WarmClient"]

_SHUTDOWN = 5.0  # seconds; jupyter_client's own patience


class _Shell:
    """What nbclient's widgets want of a kernel client: a session and a channel."""

    def __init__(self, kernel: DirectKernel) -> None:
        self._kernel = kernel
        self.session = self.shell_channel = self

    def msg(
        self,
        msg_type: str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {
            "header": {
                "msg_id": uuid.uuid4().hex,
                "msg_type": msg_type,
                "username": "",
                "session": "",
                "date": datetime.now(UTC).isoformat(),
                "version": "5.3",
            },
            "parent_header": parent or {},
            "metadata": metadata or {},
            "content": content or {},
        }

    def send(self, msg: dict[str, Any]) -> None:
        self._kernel.send(msg)


class WarmClient(BoundedClient):
    """Runs the cells of one notebook in a forked kernel.

    Parameters
    ----------
    manager
        Papermill's.
    kernel
        Just forked; closed by `execute`.
    """

    def __init__(self, manager: Manager, kernel: DirectKernel, **options: Any) -> None:
        super().__init__(manager, **options)
        self.kernel = kernel
        self._events = kernel.receive()
        self._fatal = ""
        self._keeping = Keeping(manager.control, manager.nb)
        self._logs = bool(self.log_output or self.stdout_file or self.stderr_file)

    def execute(self, **_: Any) -> Any:
        """Run every cell; what went wrong is found in ``control``."""
        self.reset_execution_trackers()
        self.kc = _Shell(self.kernel)
        control, kernel = self.control, self.kernel
        control.pid = kernel.pid
        control.guard.attach(kernel.interrupt, kernel.kill)
        try:
            if self._keeping.opened(self._ask(self._keeping.opening())[0]):
                self._cells()
                self._keep()
        finally:
            control.guard.detach()
            self.set_widgets_metadata()
            self._keeping.closing()
            if control.status not in (None, TaskStatus.FAILED):
                kernel.kill()
            else:
                kernel.send(self.kc.msg("shutdown_request", {"restart": False}))
                kernel.wait(_SHUTDOWN)
            kernel.close()
        return self.nb

    def _cells(self) -> None:
        control, guard = self.control, self.control.guard
        for index, cell in enumerate(self.nb.cells):
            if not is_runnable(cell) or self._keeping.skips(index):
                continue
            if guard.fired():
                stopped(control, None, "")
                return
            if code := self._keeping.before(index):
                self._keeping.took(*self._ask(code))
            self.nb_man.cell_start(cell, index)
            self.begin_cell()
            try:
                reply = self._run(cell, index)
                if not reply:  # interrupted outside of the cell's own code
                    cell_failed(control, index, cell, "KeyboardInterrupt", "")
                elif reply["status"] == "error" and "raises-exception" not in cell.metadata.tags:
                    cell_failed(control, index, cell, reply["ename"], reply["evalue"])
                elif any(p.get("source") == "ask_exit" for p in reply.get("payload") or ()):
                    ask_exit(control, index, cell)
                elif guard.fired():
                    stopped(control, index, cell.source)
            except Ended as ended:
                self._died(ended, index, cell)
            finally:
                self.end_cell()
                if control.status is not None:
                    self.nb_man.cell_exception(cell, index)
                self.nb_man.cell_complete(cell, index)
            if control.status is not None:
                return

    def _keep(self) -> None:
        """Have the state before a failed cell written down."""
        control, keeping = self.control, self._keeping
        if control.status is None:
            self._ask(keeping.ended())
        elif control.status is TaskStatus.DIED:
            keeping.died()
        elif control.status is not TaskStatus.CANCELLED:
            if control.guard.fired():
                control.guard.detach()  # it was interrupted and came back: it shall not be killed yet
            self._ask(keeping.failed())
        control.kept = keeping.result()

    def _ask(self, code: str) -> tuple[str, str]:
        """Evaluate an expression beside the notebook; return the error's text and the value's."""
        if not code:
            return "", ""
        request = self.kc.msg("execute_request", silent_request(code))
        self.kernel.send(request)
        try:
            for kind, what in self._events:
                if kind != "message":
                    continue
                if what["channel"] == "control":
                    self._ready(what)
                elif (
                    what["channel"] == "shell"
                    and what["parent_header"].get("msg_id") == request["header"]["msg_id"]
                ):
                    return silent_answer(what["content"])
        except Ended:
            # The next cell will find out, and say how.
            return "the kernel died", ""
        return "the kernel died", ""

    def _run(self, cell: Any, index: int) -> dict[str, Any]:
        """Run one cell and return the content of the kernel's reply."""
        cell["metadata"]["execution"] = {}
        cell["outputs"] = []
        self.clear_before_next_output = False
        request = self.kc.msg(
            "execute_request",
            {
                "code": cell.source,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": False,
            },
        )
        wanted = request["header"]["msg_id"]
        self.kernel.send(request)
        self.code_cells_executed += 1
        reply: dict[str, Any] = {}
        for kind, what in self._events:
            if kind != "message":
                msg_id, text = what
                if msg_id == wanted:
                    self._feed(kind, text, wanted, cell, index)
                continue
            if what["channel"] == "control":
                self._ready(what)
                continue
            if what["parent_header"].get("msg_id") != wanted:
                continue
            if what["channel"] == "shell":
                reply = what["content"]
                cell["metadata"]["execution"]["shell.execute_reply"] = what["header"]["date"]
                continue
            what["msg_type"] = what["header"]["msg_type"]
            what["header"]["date"] = datetime.fromisoformat(what["header"]["date"])
            try:
                self.process_message(what, cell, index)
            except CellExecutionComplete:
                return reply
        raise Ended(None)

    def _ready(self, what: dict[str, Any]) -> None:
        if "fatal" in what:
            self._fatal = what["fatal"]
        else:
            self.nb.metadata["language_info"] = what["content"]["language_info"]

    def _feed(self, name: str, text: str, parent: str, cell: Any, index: int) -> None:
        if not self.output_hook_stack[parent] and not self._logs:
            self.take_text(name, text, cell, index)  # no message to be made for each line
            self.save_if_due()
            return
        msg = {
            "msg_type": "stream",
            "header": {"msg_type": "stream"},
            "parent_header": {"msg_id": parent},
            "metadata": {},
            "content": {"name": name, "text": text},
        }
        self.process_message(msg, cell, index)

    def _died(self, ended: Ended, index: int, cell: Any) -> None:
        for name, text in self.kernel.leftovers():
            self._feed(name, text, "", cell, index)
        if self.control.guard.fired():
            stopped(self.control, index, cell.source)
            return
        if self._fatal:
            not_started(self.control, "forked", self._fatal)
            return
        self.control.fail(
            TaskStatus.DIED,
            name="KernelDied",
            message=how_it_died(ended.code),
            index=index,
            source=cell.source,
        )
