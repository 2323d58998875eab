"""What each task was last run with and what it made: ``.mlops/state.db``."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import RunError
from mlops_nb.model import Fingerprint, Record, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nb.config import Project

__all__ = ["StateStore", "TaskState"]


class TaskState(Record, frozen=True, kw_only=True):
    """A task's last good result."""

    fingerprint: Fingerprint
    products: dict[str, str] = {}
    """Digest of each file product by its path as `Product.path` has it."""
    run_id: str = ""


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""Such a file is set aside: without it tasks run again, which is always right."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS state (task TEXT PRIMARY KEY, value BLOB NOT NULL)"


class StateStore:
    """The last good result of each task; safe to use from several threads and processes.

    Parameters
    ----------
    project
        Whose ``.mlops/state.db`` it is; made when something is first put.
    keep
        Hold one connection until `close`, for the many looks of a run: opening one costs more
        than what is asked of it.
    """

    def __init__(self, project: Project, *, keep: bool = False) -> None:
        self._path = project.products_state / "state.db"
        self._keep = keep
        self._lock = threading.Lock()
        self._kept: sqlite3.Connection | None = None
        self._inode = 0

    def close(self) -> None:
        """Let go of the connection, where one is held; another use opens it again."""
        with self._lock:
            self._drop()

    def get(self, task: str) -> TaskState | None:
        """Return a task's state; ``None`` where it never ran to a good end."""
        return self._select("SELECT task, value FROM state WHERE task = ?", (task,)).get(task)

    def all(self) -> dict[str, TaskState]:
        """Return the state of every task that has one."""
        return self._select("SELECT task, value FROM state", ())

    def _select(self, statement: str, values: tuple[str, ...]) -> dict[str, TaskState]:
        if not self._path.is_file():
            return {}
        try:
            with self._open("mode=ro") as connection:
                rows = connection.execute(statement, values).fetchall()
        except sqlite3.Error:
            # Unreadable or damaged: as if nothing had run. Running again is always right.
            return {}
        found: dict[str, TaskState] = {}
        for task, value in rows:
            with contextlib.suppress(msgspec.MsgspecError):
                found[task] = decode(value, TaskState)
        return found

    def put(
        self,
        task: str,
        fingerprint: Fingerprint,
        products: Mapping[str, str],
        run_id: str = "",
    ) -> None:
        """Note a task's good result, in one transaction.

        Parameters
        ----------
        task
            Its name.
        fingerprint
            What it was run with.
        products
            Digest of each file product by `Product.path`.
        run_id
            The run that made it.

        Raises
        ------
        RunError
            The state cannot be written.
        """
        state = TaskState(fingerprint=fingerprint, products=dict(products), run_id=run_id)
        self._write(
            "INSERT INTO state (task, value) VALUES (?, ?) "
            "ON CONFLICT (task) DO UPDATE SET value = excluded.value",
            (task, encode(state)),
        )

    def forget(self, task: str) -> None:
        """Drop a task's state, so that it runs the next time.

        Raises
        ------
        RunError
            The state cannot be written.
        """
        if self._path.is_file():
            self._write("DELETE FROM state WHERE task = ?", (task,))

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._execute(statement, values)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                    raise
                self.close()
                self._path.replace(self._path.with_suffix(".db.damaged"))
                self._execute(statement, values)
        except (OSError, sqlite3.Error) as error:
            raise RunError(
                f"cannot be written: {error}",
                where=str(self._path),
                fix="check the folder's permissions and free space",
            ) from error

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        with self._open("mode=rwc") as connection, connection:
            connection.execute(_SCHEMA)
            connection.execute(statement, values)

    @contextlib.contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        if self._keep:
            with self._lock:
                yield self._held()
            return
        connection = self._connect(mode)
        try:
            yield connection
        finally:
            connection.close()

    def _held(self) -> sqlite3.Connection:
        """Return the connection that is held; opened anew where the file has been replaced."""
        try:
            inode = os.stat(self._path).st_ino  # noqa: PTH116 - for each look of a run
        except OSError:
            inode = 0
        if self._kept is None or inode != self._inode:
            self._drop()
            self._kept = self._connect("mode=rwc")
            self._kept.execute(_SCHEMA)
            self._inode = self._path.stat().st_ino
        return self._kept

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _connect(self, mode: str) -> sqlite3.Connection:
        from urllib.parse import quote

        uri = f"file:{quote(str(self._path))}?{mode}"
        # Held connections are used by one thread after the other, under the lock.
        connection = sqlite3.connect(uri, uri=True, timeout=30, check_same_thread=False)
        # Transactions hold when a process is killed; waiting for the disk as well would only help
        # after a loss of power, where a task whose note is lost or damaged runs again: no harm.
        connection.execute("PRAGMA synchronous = OFF")
        return connection
