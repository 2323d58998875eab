"""Keeps work that takes longer than a request should: started, looked at, told when it is done."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model.boards import Gates
from mlops_nb.model.registry import VerifyReport
from mlops_nb.server.answers import Refusal, not_found
from mlops_nb.server.records import JobList, JobState, JobView, PanelEventKind

if TYPE_CHECKING:
    from mlops_nb.server.bus import Bus
    from mlops_nb.server.pool import Pool
    from mlops_nb.server.wire import Call

__all__ = ["Jobs"]

_KEPT = 100


class Jobs:
    """The jobs of this server since it started."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus
        self._jobs: dict[str, JobView] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, kind: str, call: Call) -> JobView:
        """Start a job and return it as it stands."""
        path = call.path
        job = JobView(
            id=secrets.token_hex(8),
            kind=kind,
            project=call.label,
            subject=f"{path['model']} v{path['version']}" if "version" in path else "",
            started=time.time(),
        )
        self._jobs[job.id] = job
        for old in list(self._jobs.values())[:-_KEPT]:
            if old.state is not JobState.RUNNING:
                del self._jobs[old.id]
        task = asyncio.get_running_loop().create_task(self._run(job, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def of(self, project: str) -> JobList:
        """Return a project's jobs, the newest first."""
        found = [job for job in reversed(self._jobs.values()) if job.project == project]
        return JobList(jobs=tuple(found))

    def get(self, project: str, job: str) -> JobView:
        """Return one job.

        Raises
        ------
        Refusal
            There is no such job since this server started.
        """
        found = self._jobs.get(job)
        if found is None or found.project != project:
            raise not_found(
                f'no job is called "{job}"', fix="jobs are forgotten when the server restarts"
            )
        return found

    async def close(self) -> None:
        """Wait for nothing any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: JobView, call: Call) -> None:
        try:
            answer = await self._pool.ask_once(call)
            error, body = answer.error, answer.body
        except Refusal as refusal:
            error, body = refusal.error, msgspec.Raw(b"null")
        done = msgspec.structs.replace(job, ended=time.time(), error=error, state=JobState.FAILED)
        if error is None:
            done = msgspec.structs.replace(
                done,
                state=JobState.DONE,
                gates=msgspec.json.decode(body, type=Gates) if job.kind == "check" else None,
                verified=(
                    msgspec.json.decode(body, type=VerifyReport) if job.kind == "verify" else None
                ),
            )
        self._jobs[job.id] = done
        self._bus.tell(job.project, PanelEventKind.JOB_FINISHED, job=job.id, state=done.state.value)
        if job.kind == "check":
            self._bus.tell(job.project, PanelEventKind.MODELS_CHANGED, model=call.path["model"])
