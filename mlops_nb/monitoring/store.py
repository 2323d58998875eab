"""Keeps monitored windows, what people did about alerts, and messages to send: ``monitor.db``.

SQLite, every change in one transaction. Alerts are not remembered but replayed from the windows
(see `mlops_nb.monitoring.alerts`); the table of announced changes keeps them from being told twice.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops_nb.errors import MonitoringError
from mlops_nb.model import PerformancePoint, Record, WindowResult, encode
from mlops_nb.monitoring.alerts import Action
from mlops_nb.monitoring.messages import Messages
from mlops_nb.monitoring.sightings import Sighting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = ["Store", "StoredWindow"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (
    model TEXT NOT NULL, window TEXT NOT NULL, version TEXT NOT NULL,
    result TEXT NOT NULL, sighting TEXT NOT NULL, expected TEXT NOT NULL,
    profile TEXT NOT NULL, recorded REAL NOT NULL, PRIMARY KEY (model, window)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS points (
    model TEXT NOT NULL, window TEXT NOT NULL, metric TEXT NOT NULL, kind TEXT NOT NULL,
    version TEXT NOT NULL, point TEXT NOT NULL, PRIMARY KEY (model, window, metric, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS actions (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, action TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS announced (
    model TEXT NOT NULL, key TEXT NOT NULL, time REAL NOT NULL, PRIMARY KEY (model, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, notifier TEXT NOT NULL, subject TEXT NOT NULL,
    text TEXT NOT NULL, payload TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL, delivered REAL, error TEXT NOT NULL DEFAULT '', UNIQUE (key, notifier)
);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due) WHERE delivered IS NULL;
CREATE TABLE IF NOT EXISTS retrainings (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, time REAL NOT NULL, reason TEXT NOT NULL,
    alerts TEXT NOT NULL, done REAL
);
"""
_VERSION = 1
_BUSY_SECONDS = 30.0


class StoredWindow(Record, frozen=True, kw_only=True):
    """One row of the windows table."""

    result: WindowResult
    sighting: Sighting
    expected: dict[str, float] = {}
    """The reference's metrics, so that labels can be judged when they arrive."""
    profile: str = ""
    """The profile's path relative to the state folder."""


class Store(Messages):
    """The database of one project's monitoring.

    Parameters
    ----------
    path
        ``monitor.db``; made when first written to.

    Raises
    ------
    MonitoringError
        The file cannot be opened, is no database, or was written by a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ready = False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Open the database for one change: all of it is written, or nothing."""
        connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                # A full disk ends the transaction by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise MonitoringError(f"cannot be written: {error}", where=str(self.path)) from error
        finally:
            connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Open the database for reading, all at one moment; ``None`` where there is none yet."""
        if not self.path.exists():
            yield None
            return
        connection = self._open()
        try:
            # Else what another process writes between two queries would be in the second alone.
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise MonitoringError(f"cannot be read: {error}", where=str(self.path)) from error
        finally:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                if not self._ready:
                    self._prepare(connection)
                    self._ready = True
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise MonitoringError(
                f"cannot be opened: {error}",
                where=str(self.path),
                fix="move the file away to start afresh; profiles and references are kept elsewhere",
            ) from error
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > _VERSION:
            raise MonitoringError(
                f"was written by a later version of mlops-nb (format {found})",
                where=str(self.path),
                fix="upgrade mlops-nb",
            )
        if found < _VERSION:
            from filelock import FileLock, Timeout

            lock = FileLock(f"{self.path}.create.lock", timeout=_BUSY_SECONDS)
            try:
                # SQLite refuses at once, whatever the timeout, when two switch to WAL together.
                with lock:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(
                        f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={_VERSION};COMMIT"
                    )
            except Timeout as error:
                raise MonitoringError(
                    "another process holds it for too long", where=lock.lock_file
                ) from error

    def forget(self, db: sqlite3.Connection, model: str) -> None:
        """Drop everything about a model but what was told of it."""
        for table in ("windows", "points", "actions", "announced", "retrainings"):
            db.execute(f"DELETE FROM {table} WHERE model = ?", (model,))  # noqa: S608 - our own names

    # Windows and points

    def put_window(self, db: sqlite3.Connection, row: StoredWindow) -> None:
        """Write a window over what was known of it.

        Raises
        ------
        MonitoringError
            A figure is no number: it would be written as null, and nothing of it read again.
        """
        result = row.result
        text = self._sound(result, WindowResult, f"{result.model}, window {result.window}")
        db.execute(
            "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                result.model,
                result.window,
                result.version,
                text,
                encode(row.sighting).decode(),
                encode(row.expected).decode(),
                row.profile,
                result.recorded,
            ),
        )

    def window(self, db: sqlite3.Connection, model: str, window: str) -> StoredWindow | None:
        """Return one window; ``None`` where it was never recorded."""
        row = db.execute(
            "SELECT result, sighting, expected, profile FROM windows"
            " WHERE model = ? AND window = ?",
            (model, window),
        ).fetchone()
        return None if row is None else self._stored(row)

    def windows(
        self, db: sqlite3.Connection, model: str, *, before: str = "", last: int = 0
    ) -> tuple[StoredWindow, ...]:
        """Return a model's windows in their order.

        Parameters
        ----------
        db
            An open connection.
        model
            The monitored model.
        before
            Only windows before this one; all by default.
        last
            Only so many of the latest ones; all by default.
        """
        rows = db.execute(
            "SELECT result, sighting, expected, profile FROM windows"
            " WHERE model = ? AND (? = '' OR window < ?) ORDER BY window DESC LIMIT ?",
            (model, before, before, last or -1),
        ).fetchall()
        return tuple(self._stored(row) for row in reversed(rows))

    def sightings(self, db: sqlite3.Connection, model: str) -> tuple[Sighting, ...]:
        """Return what every window of a model showed, in the windows' order."""
        rows = db.execute(
            "SELECT sighting FROM windows WHERE model = ? ORDER BY window", (model,)
        ).fetchall()
        return tuple(self._read(text, Sighting) for (text,) in rows)

    def count(self, db: sqlite3.Connection, model: str) -> int:
        """Return how many windows of a model were recorded."""
        row = db.execute("SELECT count(*) FROM windows WHERE model = ?", (model,)).fetchone()
        return int(row[0])

    def models(self, db: sqlite3.Connection) -> tuple[str, ...]:
        """Return the names of the monitored models."""
        rows = db.execute("SELECT DISTINCT model FROM windows ORDER BY model").fetchall()
        return tuple(name for (name,) in rows)

    def put_points(
        self,
        db: sqlite3.Connection,
        model: str,
        version: str,
        points: Iterable[PerformancePoint],
    ) -> None:
        """Write performance over what was known of the same window and metric.

        Raises
        ------
        MonitoringError
            A value is no number.
        """
        rows = []
        for point in points:
            text = self._sound(
                point, PerformancePoint, f"{model}, window {point.window}, {point.metric}"
            )
            rows.append((model, point.window, point.metric, point.kind, version, text))
        db.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?)", rows)

    def drop_points(self, db: sqlite3.Connection, model: str, window: str, *, version: str) -> None:
        """Drop what is known of a window's performance of other versions than this one."""
        db.execute(
            "DELETE FROM points WHERE model = ? AND window = ? AND version <> ?",
            (model, window, version),
        )

    def points(
        self, db: sqlite3.Connection, model: str, *, window: str = "", version: str = ""
    ) -> tuple[PerformancePoint, ...]:
        """Return a model's performance, in the windows' order; of one window or version if asked."""
        rows = db.execute(
            "SELECT point FROM points WHERE model = ? AND (? = '' OR window = ?)"
            " AND (? = '' OR version = ?) ORDER BY window, metric, kind",
            (model, window, window, version, version),
        ).fetchall()
        return tuple(self._read(text, PerformancePoint) for (text,) in rows)

    # People

    def put_action(self, db: sqlite3.Connection, model: str, action: Action) -> None:
        """Add what a person did."""
        db.execute(
            "INSERT INTO actions (model, action) VALUES (?, ?)", (model, encode(action).decode())
        )

    def actions(self, db: sqlite3.Connection, model: str) -> tuple[Action, ...]:
        """Return what people did, in the order in which they did it."""
        rows = db.execute("SELECT action FROM actions WHERE model = ? ORDER BY id", (model,))
        return tuple(self._read(text, Action) for (text,) in rows.fetchall())

    # Retrainings

    def answered(self, db: sqlite3.Connection, model: str) -> frozenset[str]:
        """Return the ids of the alerts that a finished retraining was the answer to."""
        rows = db.execute(
            "SELECT alerts FROM retrainings WHERE model = ? AND done IS NOT NULL", (model,)
        ).fetchall()
        return frozenset(name for (text,) in rows for name in self._read(text, list[str]))

    def start_retraining(
        self,
        db: sqlite3.Connection,
        model: str,
        alerts: Sequence[str],
        reason: str,
        *,
        now: float,
        cool_down: float,
    ) -> int:
        """Note a retraining and return its number; 0 within `cool_down` seconds of the last one."""
        row = db.execute("SELECT max(time) FROM retrainings WHERE model = ?", (model,)).fetchone()
        if row[0] is not None and now - row[0] < cool_down:
            return 0
        cursor = db.execute(
            "INSERT INTO retrainings (model, time, reason, alerts) VALUES (?, ?, ?, ?)",
            (model, now, reason, encode(list(alerts)).decode()),
        )
        return int(cursor.lastrowid or 0)

    def finish_retraining(self, db: sqlite3.Connection, number: int) -> None:
        """Note that a retraining ran to its end; the alerts it answers ask for no other."""
        db.execute("UPDATE retrainings SET done = ? WHERE id = ?", (time.time(), number))

    def _stored(self, row: tuple[str, str, str, str]) -> StoredWindow:
        return StoredWindow(
            result=self._read(row[0], WindowResult),
            sighting=self._read(row[1], Sighting),
            expected=self._read(row[2], dict[str, float]),
            profile=row[3],
        )
