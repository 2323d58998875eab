"""The tables of messages: what was told of which alert, and what waits to be sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from mlops_nb.errors import MonitoringError
from mlops_nb.model import Message, decode, encode

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Messages"]

R = TypeVar("R")

_MESSAGE = "id, key, notifier, subject, text, payload, attempts, due, delivered, error"


class Messages:
    """The part of the store that notifiers work on; see `mlops_nb.monitoring.store.Store`."""

    path: Path

    def announce(self, db: sqlite3.Connection, model: str, keys: Iterable[str]) -> None:
        """Note that a change is told, by its keys."""
        moment = time.time()
        db.executemany(
            "INSERT OR IGNORE INTO announced VALUES (?, ?, ?)",
            [(model, key, moment) for key in keys],
        )

    def announced(self, db: sqlite3.Connection, model: str) -> frozenset[str]:
        """Return the keys of all that was told of a model."""
        rows = db.execute("SELECT key FROM announced WHERE model = ?", (model,))
        return frozenset(key for (key,) in rows.fetchall())

    def put_message(self, db: sqlite3.Connection, message: Message) -> None:
        """Queue a message; nothing happens where the same one is queued already."""
        db.execute(
            "INSERT OR IGNORE INTO outbox (key, notifier, subject, text, payload, due)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                message.key,
                message.notifier,
                message.subject,
                message.text,
                encode(message.payload).decode(),
                message.due,
            ),
        )

    def messages(self, db: sqlite3.Connection, *, model: str = "") -> tuple[Message, ...]:
        """Return every message there ever was, of one model if asked, in their order."""
        # Keys begin with the model and a slash; "0" is the character after it.
        where = " WHERE key >= ? AND key < ?" if model else ""
        rows = db.execute(
            f"SELECT {_MESSAGE} FROM outbox{where} ORDER BY id",  # noqa: S608 - our own names
            (f"{model}/", f"{model}0") if model else (),
        )
        return tuple(self._message(row) for row in rows.fetchall())

    def due(
        self,
        db: sqlite3.Connection,
        notifiers: Sequence[str],
        max_attempts: int,
        *,
        now: float,
        limit: int,
    ) -> tuple[Message, ...]:
        """Return messages that one of these notifiers is to send by now, the oldest first."""
        rows = db.execute(
            f"SELECT {_MESSAGE} FROM outbox WHERE delivered IS NULL AND due <= ?"  # noqa: S608
            " AND attempts < ? AND notifier IN (SELECT value FROM json_each(?))"
            " ORDER BY id LIMIT ?",
            (now, max_attempts, encode(list(notifiers)).decode(), limit),
        )
        return tuple(self._message(row) for row in rows.fetchall())

    def undelivered(
        self, db: sqlite3.Connection, notifiers: Sequence[str], max_attempts: int
    ) -> tuple[int, int]:
        """Count the messages that these notifiers have yet to send, and those that were given up."""
        row = db.execute(
            "SELECT coalesce(sum(attempts < ?1 AND notifier IN (SELECT value FROM json_each(?2))), 0),"
            " coalesce(sum(attempts >= ?1), 0) FROM outbox WHERE delivered IS NULL",
            (max_attempts, encode(list(notifiers)).decode()),
        ).fetchone()
        return int(row[0]), int(row[1])

    def _message(self, row: tuple[Any, ...]) -> Message:
        return Message(
            id=row[0],
            key=row[1],
            notifier=row[2],
            subject=row[3],
            text=row[4],
            payload=self._read(row[5], dict[str, str]),
            attempts=row[6],
            due=row[7],
            delivered=row[8],
            error=row[9],
        )

    def update_message(self, db: sqlite3.Connection, message: Message) -> None:
        """Write how a delivery went."""
        db.execute(
            "UPDATE outbox SET attempts = ?, due = ?, delivered = ?, error = ? WHERE id = ?",
            (message.attempts, message.due, message.delivered, message.error, message.id),
        )

    def _sound(self, record: R, kind: type[R], where: str) -> str:
        text = encode(record).decode()
        try:
            decode(text, kind)
        except msgspec.DecodeError as error:
            raise MonitoringError(
                f"a figure is infinite or not a number, and would not be read again: {error}",
                where=where,
                fix="leave the column or the metric out",
            ) from error
        return text

    def _read(self, text: str, kind: type[R]) -> R:
        try:
            return decode(text, kind)
        except msgspec.DecodeError as error:
            raise MonitoringError(
                f"holds a broken row: {error}",
                where=str(self.path),
                fix='record the windows again with "mlops-nb monitor backfill"',
            ) from error
