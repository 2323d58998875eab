"""Drives a kernel that is started afresh through its kernelspec, for any language."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import threading
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import NoSuchKernel
from nbclient.client import timestamp
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async

from mlops_nb.execution.control import is_runnable, kernel_environment, kernel_folder
from mlops_nb.execution.ending import ask_exit, cell_failed, how_it_died, not_started, stopped
from mlops_nb.execution.keeping import Keeping, silent_answer, silent_request
from mlops_nb.execution.lifeline import Lifeline
from mlops_nb.execution.outputs import BoundedClient
from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mlops_nb.execution.papermill_engine import Manager

__all__ = ["ColdClient"]

_WORDS = 4096  # bytes of a dead kernel's last words
_STARTS = 3
_ASK = 1.0  # seconds between two looks for a reply
_SILENCE = 4.0  # seconds without an output after the reply: nbclient's own patience


class ColdClient(BoundedClient):
    """nbclient's driver with an environment and a folder of its own, and a guard for its limits."""

    def __init__(self, manager: Manager, **options: Any) -> None:
        super().__init__(manager, **options)
        self._left = False
        self._heard = 0
        self._keeping = Keeping(manager.control, manager.nb)
        self._lifeline: Lifeline | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by execute
        self.on_cell_executed = self._note_exit

    def execute(self, **_: Any) -> Any:
        """Run every cell; what went wrong is found in ``control``."""
        self.reset_execution_trackers()
        with self._words:
            _run(self._execute())
        return self.nb

    async def _execute(self) -> None:
        try:
            if not await self._start():
                return
            reply = await self.async_wait_for_reply(self.kc.kernel_info())
            if reply is not None:
                self.nb.metadata["language_info"] = reply["content"]["language_info"]
            if self._keeping.opened((await self._ask(self._keeping.opening()))[0]):
                await self._cells()
                await self._keep()
        finally:
            self.control.guard.detach()
            self.set_widgets_metadata()
            self._keeping.closing()
            await self._end()
            self._untie()

    async def _start(self) -> bool:
        """Start the kernel; once more where it died before it was ready.

        Its ports are chosen before it binds them, and another process may be faster.
        """
        control, job = self.control, self.control.job
        for left in reversed(range(_STARTS)):
            self.km = self.create_kernel_manager()
            try:
                await self.async_start_new_kernel(
                    cwd=kernel_folder(job),
                    env=kernel_environment(job),
                    stdout=self._words,
                    stderr=self._words,
                )
                self._attach()
                await self.async_start_new_kernel_client()
            except (NoSuchKernel, RuntimeError, OSError) as error:
                if left and "died before" in str(error) and not control.guard.check():
                    continue
                not_started(control, self.kernel_name, error, self._last_words())
                return False
            return True
        return False

    def _attach(self) -> None:
        provisioner = self.km.provisioner
        self.control.pid = pid = getattr(provisioner, "pid", None)
        self._untie()  # of a kernel that did not come up
        if pid is not None:
            self._lifeline = Lifeline(pid)

        def send(number: int) -> None:
            with suppress(OSError):
                if pid is not None and hasattr(os, "killpg"):
                    os.killpg(pid, number)
                elif pid is not None:
                    os.kill(pid, signal.SIGTERM)

        self.control.guard.attach(
            lambda: send(signal.SIGINT), lambda: send(getattr(signal, "SIGKILL", signal.SIGTERM))
        )

    async def _cells(self) -> None:
        control, guard = self.control, self.control.guard
        for index, cell in enumerate(self.nb.cells):
            if not is_runnable(cell) or self._keeping.skips(index):
                continue
            if guard.fired():
                stopped(control, None, "")
                return
            if code := self._keeping.before(index):
                self._keeping.took(*await self._ask(code))
            self.nb_man.cell_start(cell, index)
            self.begin_cell()
            try:
                await self.async_execute_cell(cell, index)
            except CellExecutionError as error:
                cell_failed(control, index, cell, error.ename, error.evalue)
            except DeadKernelError:
                await self._died(index, cell)
            finally:
                self.end_cell()
                if control.status is not None:
                    self.nb_man.cell_exception(cell, index)
                self.nb_man.cell_complete(cell, index)
            if self._left:
                ask_exit(control, index, cell)
            if guard.fired():
                stopped(control, index, cell.source)
            if control.status is not None:
                return

    async def _keep(self) -> None:
        """Have the state before a failed cell written down."""
        control, keeping = self.control, self._keeping
        if control.status is None:
            await self._ask(keeping.ended())
        elif control.status is TaskStatus.DIED:
            keeping.died()
        elif control.status is not TaskStatus.CANCELLED:
            if control.guard.fired():
                control.guard.detach()  # it was interrupted and came back: it shall not be killed yet
            await self._ask(keeping.failed())
        control.kept = keeping.result()

    async def _ask(self, code: str) -> tuple[str, str]:
        """Evaluate an expression beside the notebook; return the error's text and the value's."""
        if not code:
            return "", ""
        content = silent_request(code)
        msg = self.kc.session.msg("execute_request", content)
        self.kc.shell_channel.send(msg)
        while True:
            try:
                reply = await ensure_async(self.kc.shell_channel.get_msg(timeout=_ASK))
            except Empty:
                if not await ensure_async(self.km.is_alive()):
                    return "the kernel died", ""  # the next cell will find out, and say how
                continue
            if reply["parent_header"].get("msg_id") == msg["header"]["msg_id"]:
                return silent_answer(reply["content"])

    async def _async_poll_for_reply(
        self,
        msg_id: str,
        cell: Any,
        timeout: float | None,
        task_poll_output_msg: asyncio.Future[Any],
        task_poll_kernel_alive: asyncio.Future[Any],
    ) -> Any:
        """Wait for a cell's reply and for the outputs before it.

        nbclient's own waits for ever where an Output widget is used: the widget's message goes out
        behind the back of the waiting socket, which then may not notice that the reply has come.
        Asked again, it does. The guard keeps the clocks, so `timeout` is not needed.
        """
        while True:
            try:
                reply = await ensure_async(self.kc.shell_channel.get_msg(timeout=_ASK))
            except Empty:
                continue
            if reply["parent_header"].get("msg_id") == msg_id:
                break
        cell["metadata"]["execution"]["shell.execute_reply"] = timestamp(reply)
        heard = -1
        while not task_poll_output_msg.done():
            await asyncio.wait({task_poll_output_msg}, timeout=_SILENCE)
            if not task_poll_output_msg.done() and heard == self._heard:
                task_poll_output_msg.cancel()  # the kernel has said all it will
                break
            heard = self._heard
        task_poll_kernel_alive.cancel()
        if not task_poll_output_msg.cancelled() and task_poll_output_msg.done():
            task_poll_output_msg.result()
        return reply

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Take one message, and note that one came."""
        self._heard += 1
        return super().process_message(msg, cell, cell_index)

    async def _died(self, index: int, cell: Any) -> None:
        process = getattr(self.km.provisioner, "process", None)
        code = None if process is None else process.poll()
        if self.control.guard.fired():
            stopped(self.control, index, cell.source)
            return
        self.control.fail(
            TaskStatus.DIED,
            name="KernelDied",
            message=how_it_died(code),
            index=index,
            source=cell.source,
            traceback=self._last_words(),
        )

    def _last_words(self) -> str:
        """Return the end of what the kernel's process wrote past its own streams, as crashes do."""
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - _WORDS))
        lines = self._words.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(line for line in lines if "[IPKernelApp]" not in line)

    async def _note_exit(self, *, execute_reply: dict[str, Any], **_: Any) -> None:
        payload = execute_reply["content"].get("payload") or ()
        self._left = any(item.get("source") == "ask_exit" for item in payload)

    async def _end(self) -> None:
        """Shut the kernel down; leave nothing of one that did not end by itself."""
        if self.km is None:  # nbclient cleaned up after a start that failed
            return
        pid = self.control.pid
        hard = self.control.status not in (None, TaskStatus.FAILED)
        self.shutdown_kernel = "immediate" if hard else "graceful"
        await self._async_cleanup_kernel()
        if hard and pid is not None and hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)

    def _untie(self) -> None:
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            lifeline.cut()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, in a thread of its own where this one has a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    failure: list[BaseException] = []

    def body() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:  # noqa: BLE001 - handed over to the waiting thread
            failure.append(error)

    thread = threading.Thread(target=body, name="mlops-nb cold kernel")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
