"""The guard: what it ends, when, and that it wakes at once."""

from __future__ import annotations

import threading
import time

import pytest

from mlops_nb.execution.guard import Guard
from mlops_nb.execution.jobs import Cancellation
from mlops_nb.model import TaskStatus


class Kernel:
    """Notes when it is interrupted and killed."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()
        self.killed = threading.Event()


def attach(guard: Guard) -> Kernel:
    kernel = Kernel()
    guard.attach(kernel.interrupted.set, kernel.killed.set)
    return kernel


@pytest.mark.parametrize("kind", [Cancellation, threading.Event])
def test_cancelling_interrupts_then_kills(kind: type[threading.Event]) -> None:
    cancel = kind()
    with Guard(cancel=cancel, grace=0.1) as guard:
        kernel = attach(guard)
        assert not kernel.interrupted.wait(0.1)
        cancel.set()
        assert kernel.interrupted.wait(20)
        assert kernel.killed.wait(20)
        assert guard.reason is TaskStatus.CANCELLED


def test_a_kernel_that_comes_back_in_the_grace_is_not_killed() -> None:
    cancel = Cancellation()
    with Guard(cancel=cancel, grace=1.0) as guard:
        kernel = attach(guard)
        cancel.set()
        assert kernel.interrupted.wait(20)
        guard.detach()
    time.sleep(1.2)
    assert not kernel.killed.is_set()


def test_each_cell_has_its_own_time() -> None:
    with Guard(cell_timeout=0.8, grace=0.05) as guard:
        kernel = attach(guard)
        for _ in range(4):
            guard.cell_starts()
            time.sleep(0.25)
            guard.cell_ends()
        assert not guard.fired()
        guard.cell_starts()
        assert kernel.killed.wait(20)
        assert guard.reason is TaskStatus.TIMED_OUT
        assert guard.limit == "the cell took longer than 0.8 s"


def test_the_deadline_counts_from_the_start() -> None:
    with Guard(timeout=0.2, grace=0.05) as guard:
        time.sleep(0.25)
        kernel = attach(guard)
        assert kernel.interrupted.wait(20)
        assert "notebook took longer than 0.2 s" in guard.limit


def test_without_limits_there_is_no_thread_and_nothing_lingers() -> None:
    before = threading.active_count()
    with Guard() as guard:
        attach(guard)
        assert threading.active_count() == before
    cancel = Cancellation()
    with Guard(timeout=60, cancel=cancel) as guard:
        attach(guard)
    assert threading.active_count() == before
    cancel.set()  # nobody watches any more
    assert guard.reason is None
