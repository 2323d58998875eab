"""Starts runs in processes of their own, finds them again, and stops them.

A launched run is ``mlops-nb run`` in its own session: it outlives who launched it, its browser and
its server. What it prints goes to ``.mlops/launch/<run>.log``; everything else is found in the run
store, as for a run from a terminal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api.execute import Prepared, prepare, require_tasks
from mlops_nb.api.past import find_run, launch_log, summarize
from mlops_nb.api.runs import prepare_resume
from mlops_nb.api.tail import Starter
from mlops_nb.config import telemetry_variables
from mlops_nb.errors import BusyError, RunError
from mlops_nb.files import write_whole
from mlops_nb.model import RunStatus, encode
from mlops_nb.processes import is_alive, me, owner_of, process_started
from mlops_nb.runs.store import new_run_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.config import Project
    from mlops_nb.model import Json
    from mlops_nb.model.views import RunSummary

__all__ = ["Launched", "cancel_run", "launch", "launch_again", "launch_resume"]

_PAGES_SECONDS = 60.0
"""How long a run that has ended may take to write its pages before it is in the way."""
_KEPT = 50
"""Logs of launched processes that are kept."""

Launched = tuple[str, Prepared]
"""The run's id, empty where there was nothing to do, and what was planned."""


def launch(
    project: str | None,
    *,
    targets: Sequence[str] = (),
    start_from: Sequence[str] = (),
    parameters: Mapping[str, Json] | None = None,
    force: bool = False,
    jobs: int | None = None,
    keep_going: bool = False,
    timeout: float | None = None,
    cold: bool = False,
) -> Launched:
    """Plan a run and start it in a process of its own.

    Parameters
    ----------
    project
        A folder or a specification; by default the project that the current folder lies in.
    targets, start_from, parameters, force
        As for `mlops_nb.api.execute.prepare`; what is wrong with them is raised here.
    jobs, keep_going, timeout, cold
        As for `mlops_nb.api.execute.run`.

    Returns
    -------
    Launched
        The new run's id and its plan. The run's folder appears within seconds.

    Raises
    ------
    ProjectError
        The project, its pipeline, a notebook or a parameter is wrong.
    BusyError
        A run is going on in this project.
    RunError
        The process cannot be started.
    """
    prepared = prepare(
        project, targets=targets, start_from=start_from, parameters=parameters, force=force
    )
    require_tasks(prepared)
    if prepared.is_noop:
        return "", prepared
    options = [f"--from={name}" for name in start_from]
    if force:
        options.append("--force")
    if jobs is not None:
        options.append(f"--jobs={jobs}")
    if keep_going:
        options.append("--keep-going")
    if timeout is not None:
        options.append(f"--timeout={timeout!r}")
    if cold:
        options.append("--cold")
    return _start(prepared, "run", options, list(targets)), prepared


def launch_resume(project: str | None, run_id: str) -> Launched:
    """Go on with a run that did not end well, in a process of its own; as `launch`.

    Raises
    ------
    RunError
        There is no such run, it goes on still, or it has succeeded.
    """
    run = find_run(project, run_id)
    prepared = prepare_resume(project, run.id)
    if prepared.is_noop:
        return "", prepared
    return _start(prepared, "resume", [], [run.id]), prepared


def launch_again(project: str | None, run_id: str, *, force: bool = False) -> Launched:
    """Run a run's targets again with its parameters, in a process of its own; as `launch`.

    Raises
    ------
    RunError
        There is no such run.
    """
    facts = find_run(project, run_id).facts
    return launch(project, targets=facts.targets, parameters=facts.parameters, force=force)


def cancel_run(project: str | None, run_id: str) -> RunSummary:
    """Ask a run to stop; it ends as cancelled once its tasks have let go.

    Raises
    ------
    RunError
        There is no such run, or it runs on another machine.
    BusyError
        It has ended already.
    """
    run = find_run(project, run_id)
    where = f"run {run.id}"
    if run.status is not RunStatus.RUNNING:
        raise BusyError(f"is not running: it {_ended(run.status)}", where=where)
    facts = run.facts
    if is_alive(owner_of(facts)) is None:
        here = facts.host == me().host
        place = f"in another container of {facts.host}" if here else f"on {facts.host}"
        raise RunError(f"runs {place}", where=where, fix=f"stop process {facts.pid} there")
    try:
        os.kill(facts.pid, signal.SIGTERM)
    except ProcessLookupError as error:
        raise BusyError("has just ended", where=where) from error
    except OSError as error:
        raise RunError(f"cannot be stopped: {error.strerror}", where=where) from error
    return summarize(run)


def _ended(status: RunStatus) -> str:
    return {RunStatus.CANCELLED: "was cancelled", RunStatus.LOST: "was lost"}.get(
        status, status.value
    )


def _start(prepared: Prepared, command: str, options: list[str], arguments: list[str]) -> str:
    project = prepared.project
    _check_free(project)
    run_id = new_run_id()
    log = launch_log(project, run_id)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        _forget_old(project)
        if command == "run" and prepared.parameters:
            # Not by the command line: parameters may be long, and everybody may read that.
            given = log.with_suffix(".json")
            write_whole(given, encode(prepared.parameters))
            options = [*options, f"--params={given}"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    sys.executable,
                    # A project's types.py must not shadow the standard library's.
                    "-P",
                    "-m",
                    "mlops_nb",
                    f"--project={project.spec}",
                    command,
                    f"--run-id={run_id}",
                    *options,
                    "--",
                    *arguments,
                ],
                cwd=project.root,
                env={**os.environ, **telemetry_variables()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        owner = msgspec.structs.replace(
            me(), pid=process.pid, started=process_started(process.pid) or 0.0
        )
        write_whole(log.with_suffix(".owner.json"), encode(Starter(run=run_id, owner=owner)))
    except OSError as error:
        raise RunError(
            f"the run cannot be started: {error}",
            where=str(project.root),
            fix="check that the project's .mlops can be written to",
        ) from error
    return run_id


def _check_free(project: Project) -> None:
    """Say at once what the new process would find out after seconds.

    A run that has told its end writes its pages still: that is waited for.
    """
    from mlops_nb.execution.lock import lock_holder
    from mlops_nb.runs.store import RunStore

    store = RunStore(project.state)
    deadline = time.monotonic() + _PAGES_SECONDS
    while (holder := lock_holder(project)) is not None and time.monotonic() < deadline:
        if holder.run not in store.ids() or store.get(holder.run).status is RunStatus.RUNNING:
            break
        time.sleep(0.1)
    if holder is not None:
        raise BusyError(
            f"run {holder.run} is going on",
            where=project.name,
            fix="wait for it, or cancel it",
        )


def _forget_old(project: Project) -> None:
    folder = launch_log(project, "any").parent
    logs = sorted((path for path in folder.iterdir() if path.suffix == ".log"), reverse=True)
    for path in logs[_KEPT:]:
        with suppress(OSError):
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
            path.with_suffix(".owner.json").unlink(missing_ok=True)
