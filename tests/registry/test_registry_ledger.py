"""The ledger on SQLite and PostgreSQL: append-only, one chain, all or nothing, and verified."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
import sqlalchemy as sa

from mlops_nb.errors import RegistryError
from mlops_nb.model import ArtifactInfo, EntryKind, Metric, VersionStatus, to_builtins
from mlops_nb.registry import schema
from mlops_nb.registry.ledger import Ledger, entry_hash
from mlops_nb.registry.store import Registry
from mlops_nb.registry.verify import verify


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request, tmp_path):
    """A fresh ledger."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'deep' / 'ledger.db'}"
    else:
        url = request.getfixturevalue("postgresql")()
    made = Ledger(url)
    yield made
    made.close()


def _register(writer, version, **more):
    info = ArtifactInfo(
        name="m",
        digest="d" * 64,
        format="skops",
        estimator="x.Y",
        created=1.25,
        metrics={"auc": Metric(value=0.1 + 0.2)},
    )
    return writer.append(
        EntryKind.REGISTERED,
        model="m",
        version=version,
        digest="d" * 64,
        payload={"info": to_builtins(info), "ünïcode": ["\u2713", None, 1e300]},
        **more,
    )


def _problems(ledger, tmp_path):
    registry = Registry(ledger=ledger, tracking_uri="unused", cache=tmp_path)
    report = verify(registry, artifacts=False, live=False)
    return [f"{problem.kind}: {problem.subject}: {problem.text}" for problem in report.problems]


def test_rows_come_back_as_they_were_and_chain(ledger, tmp_path):
    with ledger.write() as writer:
        first = _register(writer, 1, actor="ann", reason="a 'quoted' \"reason\"\n")
        second = writer.append(
            EntryKind.PROMOTED, model="m", version=1, alias="champion", payload={"guarded": True}
        )
    with ledger.read() as reader:
        assert reader.entries() == (first, second)
        assert reader.entry(2) == second
        assert reader.entry(3) is None
        assert reader.aliases("m") == {"champion": 1}
        version = reader.version("m", 1)
        assert reader.versions() == (version,)
        assert reader.models() == ("m",)
        assert reader.version("m", 2) is None
    assert second.before == first.hash == entry_hash(first)
    assert (version.status, version.aliases) == (VersionStatus.APPROVED, ("champion",))
    assert version.metrics["auc"].value == 0.1 + 0.2
    assert _problems(ledger, tmp_path) == []


def test_rows_are_found_by_what_they_are_about(ledger):
    with ledger.write() as writer:
        _register(writer, 1)
        _register(writer, 2)
        writer.append(EntryKind.PROMOTED, model="m", version=2, alias="champion")
        writer.append(EntryKind.REJECTED, model="m", version=1, reason="no")
    with ledger.read() as reader:
        assert [e.seq for e in reader.entries("m", version=1)] == [1, 4]
        assert [e.seq for e in reader.entries("m", alias="champion")] == [3]
        assert [e.seq for e in reader.entries(kinds=[EntryKind.REGISTERED])] == [1, 2]
        assert reader.entries("other") == ()


def test_what_fails_half_way_leaves_nothing(ledger, tmp_path):
    with pytest.raises(ZeroDivisionError), ledger.write() as writer:
        _register(writer, 1)
        writer.append(EntryKind.PROMOTED, model="m", version=1, alias="champion")
        raise ZeroDivisionError
    with ledger.read() as reader:
        assert reader.entries() == ()
        assert reader.versions() == ()
        assert reader.queued() == ()
        assert reader.head()[0] == 0
    with ledger.write() as writer:
        assert _register(writer, 1).seq == 1
    assert _problems(ledger, tmp_path) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE mlops_ledger SET actor = 'someone else'", "DELETE FROM mlops_ledger"],
)
def test_rows_cannot_be_changed_or_removed(ledger, statement):
    with ledger.write() as writer:
        _register(writer, 1)
    with (
        pytest.raises(sa.exc.SQLAlchemyError, match="append-only"),
        ledger._engine.begin() as connection,
    ):
        connection.execute(sa.text(statement))


def _without_guard(ledger, *statements):
    """Do what only the owner of the database can: take the triggers away first."""
    with ledger._engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            guards = [f"DROP TRIGGER mlops_ledger_{what}" for what in ("UPDATE", "DELETE")]
        else:
            guards = ["DROP TRIGGER mlops_ledger_guard ON mlops_ledger"]
        for statement in (*guards, *statements):
            connection.execute(sa.text(statement))
        connection.commit()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE mlops_ledger SET actor = 'eve' WHERE seq = 2", "chain: row 2: was changed"),
        ("UPDATE mlops_ledger SET payload = '{' WHERE seq = 2", "row 2 was changed"),
        ("UPDATE mlops_ledger SET payload = '{}' WHERE seq = 1", "row 1: does not say what its"),
        ("UPDATE mlops_ledger SET payload = '{\"info\": 1}' WHERE seq = 2", "row 2: does not say"),
        ("DELETE FROM mlops_ledger WHERE seq = 2", "chain: row 3: rows 2 to 2 are missing"),
        ("DELETE FROM mlops_ledger WHERE seq = 4", "chain: head: the ledger ends at row 3"),
        ("UPDATE mlops_ledger_head SET seq = 9", "chain: head: the ledger ends at row 4"),
        ("UPDATE mlops_aliases SET version = 1", "state: m@champion: is v1, by the ledger"),
        ("DELETE FROM mlops_aliases", "state: m@champion: is v0, by the ledger's rows it is v2"),
        (
            "UPDATE mlops_versions SET record = (SELECT record FROM mlops_versions WHERE version=2)"
            " WHERE version = 1",
            "state: m v1: its state does not follow",
        ),
    ],
)
def test_tampering_is_found(ledger, tmp_path, statement, found):
    with ledger.write() as writer:
        _register(writer, 1)
        _register(writer, 2)
        writer.append(EntryKind.APPROVED, model="m", version=1, actor="ann")
        writer.append(EntryKind.PROMOTED, model="m", version=2, alias="champion", actor="ann")
    assert _problems(ledger, tmp_path) == []
    _without_guard(ledger, statement)
    assert any(found in problem for problem in _problems(ledger, tmp_path))


def test_a_row_that_was_changed_with_its_hash_breaks_the_link(ledger, tmp_path):
    import msgspec

    with ledger.write() as writer:
        first = _register(writer, 1)
        _register(writer, 2)
    forged = msgspec.structs.replace(first, actor="eve")
    _without_guard(
        ledger,
        f"UPDATE mlops_ledger SET actor = 'eve', hash = '{entry_hash(forged)}' WHERE seq = 1",
    )
    assert any("row 2: does not follow" in problem for problem in _problems(ledger, tmp_path))


def test_a_writer_waits_for_the_one_before(ledger):
    import threading

    order = []

    def second():
        with ledger.write() as writer:
            order.append("second")
            _register(writer, 2)

    with ledger.write() as writer:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
        _register(writer, 1)
    thread.join(30)
    assert order == ["first", "second"]
    with ledger.read() as reader:
        assert [entry.version for entry in reader.entries()] == [1, 2]


def test_a_reader_sees_one_moment(ledger):
    with ledger.write() as writer:
        _register(writer, 1)
    with ledger.read() as reader:
        assert len(reader.entries()) == 1
        with ledger.write() as writer:
            _register(writer, 2)
        assert len(reader.entries()) == 1
        assert len(reader.versions()) == 1


def test_a_ledger_of_a_later_version_is_left_alone(ledger):
    with ledger._engine.connect() as connection:
        connection.execute(schema.head.update().values(schema=99))
        connection.commit()
    with pytest.raises(RegistryError, match=r"a later mlops-nb wrote this ledger \(version 99\)"):
        Ledger(ledger.url)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("nonsense", "is not a SQLAlchemy URL"),
        ("mysql://x/y", "cannot live in mysql"),
        ("sqlite://", "needs a file"),
        ("postgresql://me:secret@127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_a_url_of_no_use_is_said_without_its_password(url, text):
    with pytest.raises(RegistryError) as caught:
        Ledger(url)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "x.db").write_text("no database, just text that is long enough to be read" * 20)
    with pytest.raises(RegistryError, match="not a database"):
        Ledger(f"sqlite:///{tmp_path / 'x.db'}")
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="cannot be opened"):
        Ledger(f"sqlite:///{tmp_path / 'file' / 'x.db'}")


def test_stock_sqlite_can_read_it(tmp_path):
    path = tmp_path / "ledger.db"
    with contextlib.closing(Ledger(f"sqlite:///{path}")) as ledger, ledger.write() as writer:
        _register(writer, 1, actor="ann")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        rows = connection.execute("SELECT seq, kind, actor FROM mlops_ledger").fetchall()
    assert rows == [(1, "registered", "ann")]
