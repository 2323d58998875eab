"""Work in the background: one job at a time, failures told, threads joined."""

from __future__ import annotations

import threading

from mlops_nb.errors import ConflictError
from mlops_nb.widgets.work import Failure, Work


class Told:
    """What a panel would have been told."""

    def __init__(self) -> None:
        self.failed: list[tuple[Failure, str]] = []
        self.changed: list[str] = []
        self.work = Work(
            lambda failure, label: self.failed.append((failure, label)), self.changed.append
        )


def test_a_job_runs_elsewhere_and_its_result_is_shown():
    told, seen = Told(), []
    assert told.work.start("count", lambda: threading.get_ident(), seen.append)
    assert told.work.wait(10)
    assert seen != [threading.get_ident()]
    assert told.changed == ["count", ""]
    assert not told.work.busy
    assert told.failed == []


def test_one_job_at_a_time():
    told, go = Told(), threading.Event()
    assert told.work.start("first", lambda: go.wait(10))
    assert told.work.busy
    assert not told.work.start("second", lambda: None)
    assert not told.work.wait(0.01)
    go.set()
    assert told.work.wait(10)
    assert told.work.start("third", lambda: None)
    assert told.work.wait(10)
    assert told.changed == ["first", "", "third", ""]


def test_a_foreseen_error_says_what_where_and_how():
    told = Told()

    def lose() -> None:
        raise ConflictError("ben promoted v3 first", where="trips", fix="look again")

    told.work.start("promoting", lose)
    told.work.wait(10)
    assert told.failed == [
        (Failure(what="ben promoted v3 first", where="trips", how="look again"), "promoting")
    ]


def test_an_unforeseen_error_is_told_with_its_trace_and_showing_may_fail_too():
    told = Told()

    def show(_: object) -> None:
        raise ZeroDivisionError("of figures")

    told.work.start("drawing", lambda: 1, show)
    told.work.wait(10)
    failure, label = told.failed[0]
    assert label == "drawing"
    assert failure.what == "ZeroDivisionError: of figures"
    assert "in show" in failure.trace
    assert told.changed[-1] == ""
