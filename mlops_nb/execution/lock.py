"""Lets one run at a time change a project's products; plans and status never wait for it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import RunError
from mlops_nb.files import write_whole
from mlops_nb.model import Record, decode, encode
from mlops_nb.processes import Owner, is_alive, me

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops_nb.config import Project

__all__ = ["Holder", "holder_in", "lock_holder", "project_lock"]

_held: dict[str, str] = {}
"""What this process holds: the lock's path and the run that holds it."""
_guard = threading.Lock()


class Holder(Record, frozen=True, kw_only=True):
    """Who holds a project."""

    run: str
    owner: Owner
    since: float
    """Seconds since the epoch."""


def lock_holder(project: Project) -> Holder | None:
    """Return who changes the project's products just now; ``None`` where nobody does."""
    return holder_in(project.products_state)


def holder_in(state: Path) -> Holder | None:
    """Return who changes the products of the project with this state folder."""
    try:
        holder = decode((state / "lock.json").read_bytes(), Holder)
    except (OSError, msgspec.MsgspecError):
        return None
    return None if is_alive(holder.owner) is False else holder


@contextmanager
def project_lock(project: Project, run: str, *, wait: float | None = 0.0) -> Iterator[None]:
    """Hold the project's products for one run; the same run may hold them twice.

    The lock is the system's own, so it ends with the process, however that ends.

    Parameters
    ----------
    run
        The id of the run, or another name to show to who comes second.
    wait
        Seconds to wait for another run to end; ``None`` waits as long as it takes.

    Raises
    ------
    RunError
        Another run holds the project, or the state folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = project.products_state / "lock"
    key = str(path.resolve())
    with _guard:
        again = _held.get(key) == run
    if again:
        yield
        return
    lock = FileLock(key, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if wait is None else wait)
    except Timeout as error:
        holder = lock_holder(project)
        who = "another run is going on"
        if holder is not None:
            since = time.strftime("%H:%M:%S", time.localtime(holder.since))
            who = (
                f"run {holder.run} is going on since {since}, "
                f"in process {holder.owner.pid} on {holder.owner.host}"
            )
        raise RunError(
            who,
            where=str(project.root),
            fix="wait for its end, watch it (mlops-nb watch), or stop it",
        ) from error
    except OSError as error:
        raise _cannot_write(path.parent, error) from error
    try:
        with _guard:
            _held[key] = run
        holder = Holder(run=run, owner=me(), since=time.time())
        try:
            write_whole(path.with_name("lock.json"), encode(holder))
        except OSError as error:
            raise _cannot_write(path.parent, error) from error
        yield
    finally:
        (path.with_name("lock.json")).unlink(missing_ok=True)
        with _guard:
            _held.pop(key, None)
        lock.release()


def _cannot_write(folder: Path, error: OSError) -> RunError:
    return RunError(
        f"the project's state cannot be written: {error}",
        where=str(folder),
        fix="make the folder writable, and check that its disk has room",
    )
