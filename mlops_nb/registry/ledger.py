"""The ledger: who did what to which model and why, in rows that nobody can change unseen.

Each row carries the hash of the row before it. One transaction appends a row and moves the state
that follows from it (versions, aliases), so that a crash leaves either all of it or nothing.
SQLite by default, PostgreSQL by URL.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from mlops_nb.errors import RegistryError
from mlops_nb.model import EntryKind, Json, LedgerEntry, ModelVersion, VersionStatus, decode, encode
from mlops_nb.registry import schema
from mlops_nb.registry.engine import locked, open_engine
from mlops_nb.registry.state import advance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Ledger", "Writer", "entry_hash"]


def entry_hash(entry: LedgerEntry) -> str:
    """Return the hash of a row: SHA-256 over its JSON, the hash of the row before it included."""
    return hashlib.sha256(encode(msgspec.structs.replace(entry, hash=""))).hexdigest()


class Ledger:
    """A ledger in a database; made there when it is first opened.

    Parameters
    ----------
    url
        ``sqlite:////absolute/path/ledger.db`` or ``postgresql://user@host/database``.

    Raises
    ------
    RegistryError
        The database cannot be reached, or holds a ledger of a later version.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_engine(url)

    def close(self) -> None:
        """Give back the database connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Reader]:
        """Read in one transaction, so that all answers belong together."""
        with _translated(self.url), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield Reader(connection)

    @contextlib.contextmanager
    def write(self) -> Iterator[Writer]:
        """Append rows in one transaction, alone: every other writer waits its turn."""
        with _translated(self.url), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            tail = connection.execute(
                sa.select(schema.head).where(schema.head.c.id == 1).with_for_update()
            ).one()
            writer = Writer(connection, tail.seq, tail.hash)
            yield writer
            connection.commit()

    @contextlib.contextmanager
    def mirror_lock(self) -> Iterator[None]:
        """Hold off every other process that would tell MLflow something; freed by a crash."""
        with _translated(self.url), locked(self._engine):
            yield


class Reader:
    """The questions that can be put to a ledger."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def version(self, model: str, version: int) -> ModelVersion | None:
        """Return one version with its aliases, also a deleted one."""
        table = schema.versions
        record = self._connection.execute(
            sa.select(table.c.record).where(table.c.model == model, table.c.version == version)
        ).scalar()
        if record is None:
            return None
        held = tuple(alias for alias, at in self.aliases(model).items() if at == version)
        return msgspec.structs.replace(decode(bytes(record), ModelVersion), aliases=held)

    def versions(self, model: str = "", *, deleted: bool = False) -> tuple[ModelVersion, ...]:
        """Return the versions of one model or of all, newest first within a model."""
        table = schema.versions
        query = sa.select(table.c.record).order_by(table.c.model, table.c.version.desc())
        if model:
            query = query.where(table.c.model == model)
        if not deleted:
            query = query.where(table.c.status != VersionStatus.DELETED.value)
        held: dict[tuple[str, int], list[str]] = {}
        names = schema.aliases
        for row in self._connection.execute(sa.select(names).order_by(names.c.alias)):
            held.setdefault((row.model, row.version), []).append(row.alias)
        decoder = msgspec.json.Decoder(ModelVersion)
        found = (
            decoder.decode(bytes(record)) for record in self._connection.execute(query).scalars()
        )
        return tuple(
            msgspec.structs.replace(item, aliases=tuple(held[(item.model, item.version)]))
            if (item.model, item.version) in held
            else item
            for item in found
        )

    def models(self) -> tuple[str, ...]:
        """Return the names of the models that have or had a version."""
        table = schema.versions
        return tuple(
            self._connection.execute(
                sa.select(table.c.model).distinct().order_by(table.c.model)
            ).scalars()
        )

    def alias(self, model: str, alias: str) -> int:
        """Return the version that holds an alias, or 0."""
        return self.aliases(model).get(alias, 0)

    def aliases(self, model: str) -> dict[str, int]:
        """Return a model's aliases, sorted."""
        table = schema.aliases
        rows = self._connection.execute(
            sa.select(table.c.alias, table.c.version)
            .where(table.c.model == model)
            .order_by(table.c.alias)
        )
        return {row.alias: row.version for row in rows}

    def entries(
        self,
        model: str = "",
        *,
        version: int = 0,
        alias: str = "",
        kinds: Iterable[EntryKind] = (),
    ) -> tuple[LedgerEntry, ...]:
        """Return rows in the order they were written; all of them where nothing is asked for."""
        table = schema.ledger
        query = sa.select(table).order_by(table.c.seq)
        if model:
            query = query.where(table.c.model == model)
        if version:
            query = query.where(table.c.version == version)
        if alias:
            query = query.where(table.c.alias == alias)
        wanted = [kind.value for kind in kinds]
        if wanted:
            query = query.where(table.c.kind.in_(wanted))
        return tuple(_entry(row) for row in self._connection.execute(query))

    def entry(self, seq: int) -> LedgerEntry | None:
        """Return one row by its number."""
        row = self._connection.execute(
            sa.select(schema.ledger).where(schema.ledger.c.seq == seq)
        ).one_or_none()
        return None if row is None else _entry(row)

    def head(self) -> tuple[int, str, str]:
        """Return number and hash of the last row as the head knows them, and the ledger's id."""
        row = self._connection.execute(sa.select(schema.head)).one()
        return row.seq, row.hash, row.ledger_id

    def queued(self) -> tuple[tuple[int, str, int, str], ...]:
        """Return what MLflow has yet to be told: id, model, version, alias."""
        rows = self._connection.execute(sa.select(schema.outbox).order_by(schema.outbox.c.id))
        return tuple((row.id, row.model, row.version, row.alias) for row in rows)

    def pending(self) -> tuple[tuple[str, float, bytes], ...]:
        """Return registrations under way: token, time, record."""
        rows = self._connection.execute(sa.select(schema.pending).order_by(schema.pending.c.time))
        return tuple((row.token, row.time, bytes(row.record)) for row in rows)


class Writer(Reader):
    """A transaction that holds the ledger's end."""

    def __init__(self, connection: sa.Connection, seq: int, tail: str) -> None:
        super().__init__(connection)
        self._seq = seq
        self._tail = tail

    def append(
        self,
        kind: EntryKind,
        *,
        model: str,
        version: int = 0,
        alias: str = "",
        previous: int = 0,
        actor: str = "",
        reason: str = "",
        forced: bool = False,
        digest: str = "",
        git_commit: str = "",
        run_id: str = "",
        payload: Mapping[str, Json] | None = None,
    ) -> LedgerEntry:
        """Append one row and move the state that follows from it."""
        entry = LedgerEntry(
            seq=self._seq + 1,
            time=time.time(),
            kind=kind,
            model=model,
            version=version,
            alias=alias,
            previous=previous,
            actor=actor,
            reason=reason,
            forced=forced,
            digest=digest,
            git_commit=git_commit,
            run_id=run_id,
            # Through JSON and back, so that the row hashes alike when it is read again.
            payload=decode(encode(dict(payload or {})), dict[str, Any]),
            before=self._tail,
        )
        entry = msgspec.structs.replace(entry, hash=entry_hash(entry))
        row = {name: getattr(entry, name) for name in entry.__struct_fields__}
        row |= {"kind": kind.value, "payload": encode(entry.payload).decode()}
        self._connection.execute(schema.ledger.insert().values(row))
        self._connection.execute(schema.head.update().values(seq=entry.seq, hash=entry.hash))
        self._seq, self._tail = entry.seq, entry.hash
        self._follow(entry)
        return entry

    def _follow(self, entry: LedgerEntry) -> None:
        touched = {entry.version, entry.previous} - {0}
        before = {number: self.version(entry.model, number) for number in touched}
        change = advance(entry, {n: v for n, v in before.items() if v is not None})
        for version in change.versions:
            self._put(version)
            self.queue(version.model, version=version.version)
        names = schema.aliases
        for alias, number in change.aliases.items():
            here = (names.c.model == entry.model) & (names.c.alias == alias)
            self._connection.execute(names.delete().where(here))
            if number:
                self._connection.execute(
                    names.insert().values(
                        model=entry.model, alias=alias, version=number, seq=entry.seq
                    )
                )
            self.queue(entry.model, alias=alias)

    def _put(self, version: ModelVersion) -> None:
        table = schema.versions
        here = (table.c.model == version.model) & (table.c.version == version.version)
        plain = msgspec.structs.replace(version, aliases=())
        self._connection.execute(table.delete().where(here))
        self._connection.execute(
            table.insert().values(
                model=version.model,
                version=version.version,
                status=version.status.value,
                record=encode(plain),
            )
        )

    def queue(self, model: str, *, version: int = 0, alias: str = "") -> None:
        """Note that MLflow has yet to be told of an alias or a version."""
        self._connection.execute(
            schema.outbox.insert().values(model=model, version=version, alias=alias)
        )

    def told(self, ids: Iterable[int]) -> None:
        """Note that MLflow was told."""
        self._connection.execute(schema.outbox.delete().where(schema.outbox.c.id.in_(list(ids))))

    def begin_registration(self, model: str, record: bytes) -> str:
        """Note a registration under way and return its token."""
        token = secrets.token_hex(16)
        self._connection.execute(
            schema.pending.insert().values(
                token=token, time=time.time(), model=model, record=record
            )
        )
        return token

    def end_registration(self, token: str) -> None:
        """Forget a registration that is done or was given up."""
        self._connection.execute(schema.pending.delete().where(schema.pending.c.token == token))


def _entry(row: Any) -> LedgerEntry:
    fields = dict(row._mapping)
    try:
        fields["payload"] = decode(fields["payload"], dict[str, Any])
        fields["kind"] = EntryKind(fields["kind"])
    except (msgspec.DecodeError, ValueError) as error:
        raise RegistryError(
            f"row {fields['seq']} was changed: {error}", where="ledger", fix=_VERIFY
        ) from error
    return LedgerEntry(**fields)


_VERIFY = 'see "mlops-nb models verify"'


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        original = getattr(error, "orig", None) or error
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise RegistryError(f"the ledger answers: {original}", where=shown) from error
