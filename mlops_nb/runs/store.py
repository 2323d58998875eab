"""Keeps the runs of a project: ``.mlops/runs/<id>/`` with ``run.json`` and ``events.jsonl``.

A run's folder appears whole, with its facts and its first event. While the run goes on, its events
are the only truth; once it has ended, ``summary.json`` holds what they add up to, so that a
thousand runs are listed without reading a thousand logs.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import RunError, nearest
from mlops_nb.files import sync_folder, write_whole
from mlops_nb.model import (
    Event,
    EventKind,
    Record,
    Run,
    RunFacts,
    RunStatus,
    decode,
    encode,
    to_builtins,
)
from mlops_nb.processes import boot_id, is_alive, me, owner_of, pid_space
from mlops_nb.runs.fold import Folding, fold
from mlops_nb.runs.log import EventLog, EventReader
from mlops_nb.runs.writer import RunWriter, Summary

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RunStore", "new_run_id"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_POLL = 0.04
"""Seconds between two looks at a log that somebody follows."""
_id_lock = threading.Lock()
_last_id_time = 0


class _Lock(Record, frozen=True, kw_only=True):
    """Who holds the project: what is looked at of `mlops_nb.execution.lock.Holder`."""

    run: str


def new_run_id() -> str:
    """Return an id such as ``20261123-074014-k3z9qd``: ids sort by time, two never agree.

    The last part counts the fraction of the second (four characters) and ends at random (two).
    """
    global _last_id_time
    with _id_lock:
        micros = max(time.time_ns() // 1000, _last_id_time + 1)
        _last_id_time = micros
    seconds, fraction = divmod(micros, 1_000_000)
    digits = ""
    for _ in range(4):
        fraction, digit = divmod(fraction, 36)
        digits = _ALPHABET[digit] + digits
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
    return stamp + "-" + digits + secrets.choice(_ALPHABET) + secrets.choice(_ALPHABET)


class RunStore:
    """The runs below a project's state folder.

    Parameters
    ----------
    state_dir
        ``Project.state``; nothing is made there before the first run is created.
    """

    def __init__(self, state_dir: Path) -> None:
        self.folder = Path(state_dir) / "runs"

    def create(self, facts: RunFacts) -> RunWriter:
        """Start a run: its folder appears with its facts and its first event.

        Parameters
        ----------
        facts
            As `mlops_nb.runs.facts.gather_facts` returns them; an empty ``id`` is filled in.

        Raises
        ------
        RunError
            The folder cannot be written, or a run of that id exists.
        """
        owner = me()
        facts = msgspec.structs.replace(
            facts,
            id=facts.id or new_run_id(),
            host=owner.host,
            boot_id=owner.boot_id,
            pid=owner.pid,
            pid_started=owner.started,
            pids=owner.pids,
        )
        final = self.folder / facts.id
        draft = self.folder / f".new-{facts.id}-{secrets.token_hex(3)}"
        try:
            draft.mkdir(parents=True)
            write_whole(draft / "run.json", encode(facts, indent=2))
            log = EventLog(draft / "events.jsonl", facts.id)
            brief = msgspec.structs.replace(facts, environment={}, input_digests={})
            first = log.emit(EventKind.RUN_STARTED, **to_builtins(brief))
            os.rename(draft, final)  # noqa: PTH104 - Path.replace would take an empty folder's place
            sync_folder(self.folder)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise RunError(
                f"the run cannot be recorded: {error}",
                where=str(self.folder),
                fix="check that the folder can be written to and that its disk has room",
            ) from error
        log.path = final / "events.jsonl"
        folding = Folding(facts)
        folding.add(first)
        return RunWriter(final, facts, log, folding)

    def ids(self) -> list[str]:
        """Return every run's id, the newest first."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError:
            return []
        return sorted((name for name in names if not name.startswith(".")), reverse=True)

    def find(self, run: str) -> str:
        """Return a run's whole id.

        Parameters
        ----------
        run
            An id, the beginning or the end of just one, or ``latest``.

        Raises
        ------
        RunError
            No run or more than one is meant.
        """
        ids = self.ids()
        if run in ids:
            return run
        if run == "latest":
            if ids:
                return ids[0]
            raise RunError("there is no run yet", fix='start one with "mlops-nb run"')
        found = [one for one in ids if run and (one.startswith(run) or one.endswith(run))]
        if len(found) == 1:
            return found[0]
        if found:
            raise RunError(
                f'"{run}" may be any of {len(found)} runs: {", ".join(found[:3])}',
                fix="give more of its id",
            )
        raise RunError(
            f'no run is called "{run}"',
            where=str(self.folder),
            fix=nearest(run, ids[:50]) if len(ids) < 4 else 'see "mlops-nb runs list"',
        )

    def path(self, run: str) -> Path:
        """Return a run's folder; raises `RunError` like `find`."""
        return self.folder / self.find(run)

    def facts(self, run: str) -> RunFacts:
        """Return a run's facts.

        Raises
        ------
        RunError
            The run is unknown, or its ``run.json`` cannot be read.
        """
        path = self.path(run) / "run.json"
        try:
            return decode(path.read_bytes(), RunFacts)
        except (OSError, msgspec.MsgspecError) as error:
            raise RunError(f"cannot be read: {error}", where=str(path)) from error

    def get(self, run: str = "latest") -> Run:
        """Return a run as it stands.

        Parameters
        ----------
        run
            An id, the beginning or the end of just one, or ``latest``.

        Raises
        ------
        RunError
            The run is unknown, or its record cannot be read.
        """
        return self._read(self.find(run))

    def list(
        self,
        limit: int | None = None,
        *,
        status: RunStatus | None = None,
        pipeline: str = "",
        task: str = "",
        before: str = "",
    ) -> tuple[Run, ...]:
        """Return runs, the newest first; one whose record is damaged is left out.

        Parameters
        ----------
        limit
            At most so many; all by default.
        status, pipeline, task
            Only runs of that status, of that pipeline, with that task.
        before
            Only runs older than this id.
        """
        runs: list[Run] = []
        for name in self.ids():
            if before and name >= before:
                continue
            if limit is not None and len(runs) >= limit:
                break
            try:
                run = self._read(name)
            except RunError:
                continue
            if (
                (status is None or run.status is status)
                and (not pipeline or run.facts.pipeline == pipeline)
                and (not task or any(one.task == task for one in run.tasks))
            ):
                runs.append(run)
        return tuple(runs)

    def events(self, run: str, *, since: int = 0) -> tuple[Event, ...]:
        """Return a run's events so far.

        Parameters
        ----------
        since
            Only those with a greater ``seq``.

        Raises
        ------
        RunError
            The run is unknown, or its log is damaged before its last line.
        """
        events = EventReader(self.path(run) / "events.jsonl").read()
        return tuple(event for event in events if event.seq > since)

    def follow(self, run: str, *, since: int = 0) -> Iterator[Event]:
        """Yield a run's events as they are written; ends with the run, also when it is lost.

        Raises
        ------
        RunError
            The run is unknown or was removed, or its log is damaged.
        """
        for events in self.batches(run, since=since):
            yield from events

    def batches(
        self, run: str, *, since: int = 0, stop: threading.Event | None = None
    ) -> Iterator[tuple[Event, ...]]:
        """Yield what was written since the last look; nothing about once a second without news.

        Parameters
        ----------
        run, since
            Which run, and the number of the event to begin after.
        stop
            Ends it before the run's end when it is set.

        Raises
        ------
        RunError
            The run is unknown or was removed, or its log is damaged.
        """
        facts = self.facts(run)
        reader = EventReader(self.folder / facts.id / "events.jsonl")
        stop = stop or threading.Event()
        looks = 0
        gone = False
        while not stop.is_set():
            read = tuple(reader.read())
            events = tuple(event for event in read if event.seq > since)
            if events:
                yield events
            if gone or any(event.kind is EventKind.RUN_FINISHED for event in read):
                return
            looks += 1
            if looks % 25 == 0:
                # The owner is looked at once a second, and the log once more after it was gone.
                gone = self._is_gone(facts)
                yield ()
            if not gone:
                stop.wait(_POLL)

    def remove(self, run: str) -> None:
        """Delete a run's folder.

        Raises
        ------
        RunError
            The run is unknown, is still going on, or cannot be deleted.
        """
        found = self.get(run)
        if found.status is RunStatus.RUNNING:
            raise RunError(
                "is still running",
                where=f"run {found.id}",
                fix=f"stop process {found.facts.pid} on {found.facts.host} first",
            )
        # Renamed first: what is listed is always whole.
        grave = self.folder / f".old-{found.id}"
        try:
            os.replace(self.folder / found.id, grave)  # noqa: PTH105
            shutil.rmtree(grave)
        except OSError as error:
            raise RunError(f"cannot be removed: {error}", where=f"run {found.id}") from error

    def _read(self, name: str) -> Run:
        folder = self.folder / name
        log = folder / "events.jsonl"
        try:
            summary = decode((folder / "summary.json").read_bytes(), Summary)
            if log.stat().st_size == summary.log_size:
                return summary.run
        except (OSError, msgspec.MsgspecError):
            # A run that goes on or was lost has none; a damaged one can be made again.
            pass
        facts = self.facts(name)
        # Asked before the log is read: an owner that ends in between has written its last event.
        lost = self._is_gone(facts)
        return fold(EventReader(log).read(), facts=facts, lost=lost)

    def _is_gone(self, facts: RunFacts) -> bool:
        alive = is_alive(owner_of(facts))
        if alive is None and facts.boot_id == boot_id() and facts.pids != pid_space():
            # In another container of this machine. Whoever runs here holds the project, and says so
            # from before the run's first event until after its last one.
            try:
                return (
                    decode((self.folder.parent / "lock.json").read_bytes(), _Lock).run != facts.id
                )
            except (OSError, msgspec.MsgspecError):
                return True
        return alive is False
