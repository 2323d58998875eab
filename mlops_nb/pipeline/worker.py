"""Runs Ploomber in a process of its own: loads specifications, runs single tasks, runs hooks.

``python -m mlops_nb.pipeline.worker load|run JOB ANSWER`` reads a job as JSON and writes the
answer as JSON; a process that ends without one has died, and its exit code or signal says how.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from mlops_nb import errors
from mlops_nb.config import telemetry_off
from mlops_nb.errors import MlopsNbError
from mlops_nb.files import write_whole
from mlops_nb.model import ErrorInfo, Json, Record, TaskStatus, decode, encode
from mlops_nb.pipeline.records import Loaded

__all__ = ["Failure", "LoadAnswer", "LoadJob", "RunAnswer", "RunJob", "call", "command", "main"]


class LoadJob(Record, frozen=True, kw_only=True):
    """A specification to load."""

    root: str
    spec: str
    name: str


class Failure(Record, frozen=True, kw_only=True):
    """An error of ours on its way between processes."""

    kind: str
    message: str
    where: str = ""
    fix: str = ""

    def rebuild(self) -> MlopsNbError:
        """Return the error itself."""
        kind = getattr(errors, self.kind, MlopsNbError)
        made: MlopsNbError = kind(self.message, where=self.where, fix=self.fix)
        return made


class LoadAnswer(Record, frozen=True, kw_only=True):
    """What loading gave."""

    loaded: Loaded | None = None
    error: Failure | None = None
    said: str = ""
    """The end of what the process printed, where it gave no answer."""


class RunJob(Record, frozen=True, kw_only=True):
    """One task to run, or hooks to call."""

    root: str
    spec: str
    task: str = ""
    """Empty for hooks of the whole pipeline."""
    params: dict[str, Json] = {}
    """Parameters over those of the specification."""
    products: dict[str, str] = {}
    """Where to write instead, by the final path; both relative to the root or absolute."""
    hooks_only: str = ""
    """``on_finish`` or ``on_failure``: call just this hook and run nothing. ``upload``: send the
    task's files to the client that the specification names (``product_client`` in `Task.spec`)."""
    traceback: str = ""
    """For ``on_failure`` of the whole pipeline."""


class RunAnswer(Record, frozen=True, kw_only=True):
    """How running went."""

    status: TaskStatus
    error: ErrorInfo | None = None
    ran_hooks: tuple[str, ...] = ()


def command(what: str, job: Path, answer: Path) -> list[str]:
    """Return the argument list of a worker process.

    ``-P`` keeps the current folder off ``sys.path``: a project's ``types.py`` must not shadow the
    standard library's.
    """
    return [sys.executable, "-P", "-m", "mlops_nb.pipeline.worker", what, str(job), str(answer)]


def environment() -> dict[str, str]:
    """Return the environment of a worker process."""
    telemetry_off()
    made = dict(os.environ)
    if made.get("PYTHONPATH"):
        parts = made["PYTHONPATH"].split(os.pathsep)
        made["PYTHONPATH"] = os.pathsep.join(str(Path(part).absolute()) for part in parts if part)
    return made


def call(what: str, job: LoadJob, root: Path) -> LoadAnswer:
    """Have a worker process load a specification, and wait for it."""
    with tempfile.TemporaryDirectory(prefix="mlops-nb-") as folder:
        request, answer = Path(folder, "job.json"), Path(folder, "answer.json")
        request.write_bytes(encode(job))
        done = subprocess.run(
            command(what, request, answer),
            cwd=root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        try:
            return decode(answer.read_bytes(), LoadAnswer)
        except (OSError, msgspec.MsgspecError):
            said = done.stdout.decode("utf-8", "replace").strip()[-500:]
            return LoadAnswer(said=said or f"exit code {done.returncode}")


def main(arguments: list[str] | None = None) -> int:
    """Do one job; see the module's docstring."""
    what, request, answer = sys.argv[1:] if arguments is None else arguments
    data = Path(request).read_bytes()
    if what == "load":
        write_whole(Path(answer), encode(_load(decode(data, LoadJob))))
        return 0
    result = run_job(decode(data, RunJob))
    write_whole(Path(answer), encode(result))
    return 0 if result.status is TaskStatus.SUCCEEDED else 1


def _load(job: LoadJob) -> LoadAnswer:
    from mlops_nb.pipeline.ploomber import read_specification

    try:
        return LoadAnswer(loaded=read_specification(Path(job.root), Path(job.spec), job.name))
    except MlopsNbError as error:
        return LoadAnswer(error=failure_of(error))


def failure_of(error: MlopsNbError) -> Failure:
    """Return an error of ours as a record."""
    return Failure(
        kind=type(error).__name__, message=error.message, where=error.where, fix=error.fix
    )


def run_job(job: RunJob) -> RunAnswer:
    """Run one task or hook in this process; whatever it raises becomes the answer."""
    from mlops_nb.pipeline.single import run_hook, run_task

    try:
        return run_hook(job) if job.hooks_only else run_task(job)
    except MlopsNbError as error:
        info = ErrorInfo(name=type(error).__name__, message=str(error))
        return RunAnswer(status=TaskStatus.FAILED, error=info)


def read_answer(path: Path) -> RunAnswer | None:
    """Return a worker's answer; ``None`` where it died before giving one."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return decode(path.read_bytes(), RunAnswer)
    return None


if __name__ == "__main__":
    code = main()
    if sys.argv[1] == "load":
        # The answer is written whole: taking apart all that was imported would only take time.
        sys.stdout.flush()
        os._exit(code)
    raise SystemExit(code)
