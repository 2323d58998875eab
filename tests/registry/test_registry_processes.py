"""Many processes at once, and processes killed between any two steps."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing.forkserver
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
import registry_workers as workers

from mlops_nb.model import EntryKind
from mlops_nb.registry.ledger import Ledger
from mlops_nb.registry.promotion import promote
from mlops_nb.registry.verify import verify
from mlops_nb.registry.versions import history, list_versions, register

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("MLOPS_NB_STRESS_ROUNDS", "0"))


@pytest.fixture(scope="module")
def context():
    """Processes that start with everything imported, and nothing used."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["registry_workers"])
    # Its preload looks along PYTHONPATH only, and says nothing when it finds nothing.
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(Path(__file__).parent), *filter(None, sys.path)]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        multiprocessing.forkserver.ensure_running()
    return made


def _all(context, target, arguments):
    """Run a target in as many processes as there are arguments, all at once."""
    pipes, children = [], []
    for argument in arguments:
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=workers.run_child, args=(target, argument, sender))
        child.start()
        sender.close()
        pipes.append(receiver)
        children.append(child)
    answers = []
    for receiver, child in zip(pipes, children, strict=True):
        try:
            answers.append(receiver.recv())
        except EOFError:
            answers.append(None)
        child.join(60)
        assert child.exitcode is not None
    return answers, [child.exitcode for child in children]


def _aliases(registry, model):
    return {k: int(v) for k, v in registry.client.get_registered_model(model).aliases.items()}


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_of_twenty_promotions_at_once_one_wins(
    context, request, make_registry, mlflow_sqlite, make_artifact, tmp_path, where
):
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    if where == "postgresql":
        ledger = request.getfixturevalue("postgresql")()
    registry = make_registry(mlflow_sqlite, ledger=ledger)
    for _ in range(21):
        register(registry, make_artifact())
    promote(registry, "model", 1)
    cache = str(tmp_path / "cache")
    wanted = [(mlflow_sqlite, ledger, cache, "model", number) for number in range(2, 22)]
    answers, codes = _all(context, workers.promote_once, wanted)
    assert codes == [0] * 20
    won = [text for how, text in answers if how == "won"]
    lost = [text for how, text in answers if how == "lost"]
    assert (len(won), len(lost)) == (1, 19), answers
    assert all(f"it is v{won[0]} now, by actor-{won[0]}" in text for text in lost)
    assert _aliases(registry, "model") == {"champion": int(won[0])}
    assert verify(registry).clean

    if where == "postgresql":
        return
    again = [(*first[:4], number) for first, number in zip(wanted[:6], range(16, 22), strict=True)]
    _all(context, workers.promote_until_won, again)
    moves = [e for e in history(registry, "model") if e.kind is EntryKind.PROMOTED]
    # Linear: each move starts from where the one before it ended.
    assert [e.previous for e in moves[1:]] == [e.version for e in moves[:-1]]
    assert {e.version for e in moves[2:]} >= {16, 17, 18, 19, 20, 21} - {int(won[0])}
    assert _aliases(registry, "model") == {"champion": moves[-1].version}
    assert verify(registry).clean


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_ledger_written_by_many_has_one_chain(context, request, tmp_path, where):
    url = f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    if where == "postgresql":
        url = request.getfixturevalue("postgresql")()
    # Nobody has opened it before: they also make its tables at once.
    answers, codes = _all(context, workers.append_rows, [(url, 10)] * 8)
    assert codes == [0] * 8, answers
    with contextlib.closing(Ledger(url)) as ledger, ledger.read() as reader:
        entries = reader.entries()
        head = reader.head()
    assert [entry.seq for entry in entries] == list(range(1, 81))
    assert all(after.before == first.hash for first, after in itertools.pairwise(entries))
    assert head[:2] == (80, entries[-1].hash)


def test_first_use_by_eight_processes_at_once(context, tmp_path):
    uri = f"sqlite:///{tmp_path / 'fresh' / 'mlflow.db'}"
    answers, codes = _all(context, workers.first_use, [uri] * 8)
    assert codes == [0] * 8
    assert len(set(answers)) == 8
    names = {path.name for path in (tmp_path / "fresh").iterdir()}
    assert names <= {"mlflow.db", "mlflow.db.lock", "mlflow.db-wal", "mlflow.db-shm"}


def test_a_first_use_that_is_killed_leaves_nothing_half_made(context, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    child = context.Process(target=workers.open_store, args=(uri,))
    child.start()
    while not list(tmp_path.glob(".mlflow.db.*")) and child.is_alive():
        child.join(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not (tmp_path / "mlflow.db").exists()
    workers.open_store(uri)
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


class TestKilledBetweenAnyTwoSteps:
    """After ``kill -9`` at any step of a version's life the next command finds all in order."""

    @pytest.fixture
    def prepared(self, tmp_path: Path, make_registry, mlflow_sqlite, make_artifact) -> Path:
        """A registry with a champion, to be copied for each kill."""
        registry = make_registry(mlflow_sqlite, gates=None)
        register(registry, make_artifact())
        promote(registry, "model", 1)
        registry.close()
        return tmp_path

    def _start(self, prepared: Path, number: int):
        place = prepared / f"kill-{number}"
        place.mkdir()
        for name in ("mlflow/mlflow.db", "ledger.db"):
            # Through SQLite, so that what stands in the write-ahead log comes along.
            with (
                sqlite3.connect(prepared / name) as source,
                sqlite3.connect(place / Path(name).name) as target,
            ):
                source.backup(target)
        return f"sqlite:///{place / 'mlflow.db'}", f"sqlite:///{place / 'ledger.db'}"

    def test_verify_is_clean_after_the_next_command(self, context, prepared, make_artifact):
        make_artifact()  # the champion's own
        folder, cache = str(make_artifact()), str(prepared / "cache")

        def live(number: int, at: int):
            uri, ledger = self._start(prepared, number)
            arguments = (uri, ledger, cache, "model", folder, at)
            (answer,), (code,) = _all(context, workers.life_of_a_version, [arguments])
            return uri, ledger, answer, code

        _, _, total, code = live(0, 10**9)
        assert code == 0
        assert total > 100
        every = 1 if ROUNDS else 13
        for number, at in enumerate(range(0, total, every), start=1):
            uri, ledger, _, code = live(number, at)
            assert code == -signal.SIGKILL
            registry = workers.open_it(uri, ledger, cache, workers.GATES)
            report = verify(registry)
            assert report.clean, (at, report.problems)
            with registry.ledger.read() as reader:
                assert not reader.queued()
                assert not reader.pending()
                assert _aliases(registry, "model") == reader.aliases("model")
            shown = list_versions(registry, live=True)
            assert not [version for version in shown if version.outside], at
            # And it can be done again from there.
            if at % (every * 4) == 0:
                arguments = (uri, ledger, cache, "model", folder, 10**9)
                _, (code,) = _all(context, workers.life_of_a_version, [arguments])
                assert code in (0, 1)
                assert verify(registry).clean, at
            registry.close()
            shutil.rmtree(prepared / f"kill-{number}")
