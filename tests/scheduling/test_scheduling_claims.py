"""Claims, fences, policies: on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa

from mlops_nb.errors import ScheduleError
from mlops_nb.model import NoticeKind, OccurrenceState, Overlap, Schedule
from mlops_nb.processes import me
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.claims import claim, held_claim
from mlops_nb.scheduling.course import (
    begin,
    cancel,
    finish,
    note_frozen,
    open_ones,
    renew,
    take_back,
    tell_late,
)
from mlops_nb.scheduling.ownership import belong_to
from mlops_nb.scheduling.store import ScheduleStore

T0 = 1_800_000_000.0  # a full minute
STATES = OccurrenceState
_ids = itertools.count()


def new_run() -> str:
    return f"run-{next(_ids)}"


def add(store: ScheduleStore, name: str = "s", when: str = "every minute", **fields) -> None:
    with store.write() as writer:
        writer.put(Schedule(name=name, when=when, **fields), now=T0)


def tick(store: ScheduleStore, now: float, limit: int = 0):
    with store.write() as writer:
        writer.catch_up(now)
        writer.leave_out(now)
        tell_late(writer, now=now)
        return claim(writer, me(), now=now, lease=60, new_run=new_run, limit=limit)


def end(store: ScheduleStore, one, state=STATES.SUCCEEDED, *, now: float, why: str = "") -> bool:
    with store.write() as writer:
        return finish(writer, one.id, one.run, state, now=now, why=why)


def states(store: ScheduleStore, name: str = "s") -> list[str]:
    with store.read() as reader:
        return [one.state.value for one in reversed(reader.history(name))]


def notices(store: ScheduleStore) -> list[NoticeKind]:
    with store.read() as reader:
        return [notice.kind for notice in reader.untold()]


def test_one_occurrence_one_claim_one_begin_one_end(any_store) -> None:
    add(any_store)
    assert tick(any_store, T0 + 59.9) == ()
    (first,) = tick(any_store, T0 + 60)
    assert (first.at, first.attempt, first.fence) == (T0 + 60, 1, 1)
    assert tick(any_store, T0 + 61) == ()
    with any_store.write() as writer:
        right = (first.id, first.run, first.fence)
        assert not begin(writer, first.id, first.run, 2, me(), now=T0 + 61, lease=60)
        assert not begin(writer, first.id, "other", 1, me(), now=T0 + 61, lease=60)
        assert begin(writer, *right, me(), now=T0 + 61, lease=60)
        assert not begin(writer, *right, me(), now=T0 + 61, lease=60)
        assert renew(writer, first.id, first.run, now=T0 + 62, lease=60) == ""
    assert end(any_store, first, now=T0 + 63)
    assert not end(any_store, first, now=T0 + 64)
    with any_store.write() as writer:
        assert renew(writer, first.id, first.run, now=T0 + 65, lease=60) is None
    assert states(any_store) == ["succeeded"]


def test_eight_claimants_at_once_take_each_occurrence_once(any_store) -> None:
    for number in range(20):
        add(any_store, f"s{number}")
    stores = [ScheduleStore(any_store.url) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        taken = [one for some in pool.map(lambda s: tick(s, T0 + 60), stores) for one in some]
    for one in stores:
        one.close()
    assert len(taken) == 20
    assert len({one.id for one in taken}) == 20


def test_a_claim_taken_back_cannot_begin_or_end(any_store) -> None:
    """A daemon that was stopped for a while finds its claim gone, and so does the run it had started."""
    add(any_store)
    (old,) = tick(any_store, T0 + 60)
    with any_store.write() as writer:
        (opened,) = open_ones(writer)
        assert take_back(writer, opened, now=T0 + 100)
        assert not take_back(writer, opened, now=T0 + 100)
    with any_store.write() as writer:
        (new,) = claim(writer, me(), now=T0 + 101, lease=60, new_run=new_run)
    assert new.id == old.id
    assert new.fence > old.fence
    assert new.attempt == 1
    with any_store.write() as writer:
        assert not begin(writer, old.id, old.run, old.fence, me(), now=T0 + 132, lease=60)
        assert held_claim(writer, old.id, old.run, old.fence) is None
        assert begin(writer, new.id, new.run, new.fence, me(), now=T0 + 132, lease=60)
    assert not end(any_store, old, now=T0 + 133)
    assert end(any_store, new, now=T0 + 133)
    with any_store.read() as reader:
        assert len(reader.history("s")[0].attempts) == 1


def test_a_run_that_has_begun_is_not_taken_back(any_store) -> None:
    add(any_store)
    (one,) = tick(any_store, T0 + 60)
    with any_store.write() as writer:
        begin(writer, one.id, one.run, one.fence, me(), now=T0 + 60, lease=60)
        (opened,) = open_ones(writer)
        assert not take_back(writer, opened, now=T0 + 1000)


# Missed


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("skip", ["missed"] * 5),
        ("once", ["missed"] * 4 + ["running"]),
        (2, ["missed"] * 3 + ["running", "waiting"]),
        ("all", ["running"] + ["waiting"] * 4),
    ],
)
def test_what_nobody_could_start_in_time(store, missed, expected) -> None:
    add(store, when="every hour at :00", missed=missed, overlap=Overlap.QUEUE)
    tick(store, T0 + 5 * 3600 + 1800)
    assert states(store) == expected
    assert (NoticeKind.MISSED in notices(store)) is ("missed" in expected)


def test_what_is_on_time_is_never_missed(store) -> None:
    add(store, missed="skip", grace=90)
    assert len(tick(store, T0 + 120)) == 1  # T0 + 60 is 60 s late, which its grace allows
    assert states(store) == ["running", "skipped"]


def test_a_long_absence_is_caught_up_in_pieces_before_anything_starts(store) -> None:
    add(store, when="every second", missed="once")
    taken = [tick(store, T0 + 2500) for _ in range(3)]
    assert [len(one) for one in taken] == [0, 0, 1]
    # Sixty seconds are in time: the first of them starts, the others wait their turn.
    assert taken[2][0].at == T0 + 2440
    with store.read() as reader:
        assert len(reader.history("s", limit=5000, states=[STATES.MISSED])) == 2499 - 60
        assert len(reader.history("s", limit=5000)) == 2500


def test_a_clock_set_back_doubles_nothing(store) -> None:
    add(store, missed="all", overlap=Overlap.QUEUE)
    tick(store, T0 + 300)
    before = states(store)
    tick(store, T0 + 60)
    tick(store, T0 - 90_000)
    tick(store, T0 + 300)
    assert states(store) == before


# Overlap


def test_overlap_skip_tells_once_for_a_run_longer_than_its_interval(store) -> None:
    add(store)
    (one,) = tick(store, T0 + 60)
    tick(store, T0 + 120)
    tick(store, T0 + 180)
    assert states(store) == ["running", "skipped", "skipped"]
    assert notices(store) == [NoticeKind.SKIPPED]
    with store.read() as reader:
        assert one.run in reader.history("s")[0].why
    end(store, one, now=T0 + 200)
    assert len(tick(store, T0 + 240)) == 1


def test_overlap_queue_waits_in_order(store) -> None:
    add(store, overlap=Overlap.QUEUE, missed="all")
    (one,) = tick(store, T0 + 60)
    assert tick(store, T0 + 180) == ()
    end(store, one, now=T0 + 200)
    (two,) = tick(store, T0 + 200)
    assert two.at == T0 + 120
    end(store, two, now=T0 + 201)
    assert tick(store, T0 + 201)[0].at == T0 + 180


def test_overlap_cancel_stops_the_old_one_first(store) -> None:
    add(store, overlap=Overlap.CANCEL, retries=3)
    (one,) = tick(store, T0 + 60)
    with store.write() as writer:
        begin(writer, one.id, one.run, one.fence, me(), now=T0 + 60, lease=60)
    assert tick(store, T0 + 120) == ()
    with store.write() as writer:
        assert "is due" in (renew(writer, one.id, one.run, now=T0 + 121, lease=60) or "")
    assert tick(store, T0 + 121) == ()
    end(store, one, STATES.CANCELLED, now=T0 + 122)
    (two,) = tick(store, T0 + 122)
    assert two.at == T0 + 120
    assert states(store) == ["cancelled", "running"]


def test_overlap_allow_up_to_a_number(store) -> None:
    add(store, overlap=Overlap.ALLOW, max_running=2)
    taken = [one for minute in (1, 2, 3) for one in tick(store, T0 + 60 * minute)]
    assert [one.at - T0 for one in taken] == [60, 120]
    end(store, taken[0], now=T0 + 185)
    assert len(tick(store, T0 + 185)) == 1


def test_the_limit_over_all_schedules(store) -> None:
    for number in range(5):
        add(store, f"s{number}")
    first = tick(store, T0 + 60, limit=3)
    assert len(first) == 3
    assert tick(store, T0 + 61, limit=3) == ()
    end(store, first[0], now=T0 + 62)
    assert len(tick(store, T0 + 62, limit=3)) == 1


# Retries


def test_retries_back_off_and_keep_parameters_and_sources(store) -> None:
    add(
        store, retries=2, backoff=10, overlap=Overlap.SKIP, when="every hour at :00",
        parameters={"day": "{{ scheduled_at | iso }}"},
    )  # fmt: skip
    hour = T0 - T0 % 3600 + 3600
    (one,) = tick(store, hour)
    with store.write() as writer:
        note_frozen(writer, one.id, one.run, "commit:abc")
        # A change between two attempts concerns the next occurrence.
        changed = msgspec.structs.replace(writer.schedule("s"), parameters={"day": "x"}, retries=0)
        writer.put(changed, now=hour)
    end(store, one, STATES.FAILED, now=hour + 1, why="first")
    assert tick(store, hour + 10) == ()
    (two,) = tick(store, hour + 11)
    assert two.order.parameters == one.order.parameters != {"day": "x"}
    assert two.frozen == "commit:abc"
    assert (two.attempt, two.run != one.run) == (2, True)
    end(store, two, STATES.LOST, now=hour + 12, why="second")
    assert tick(store, hour + 31) == ()
    (three,) = tick(store, hour + 32)
    end(store, three, STATES.FAILED, now=hour + 33, why="third")
    assert states(store) == ["failed"]
    assert notices(store) == [NoticeKind.FAILURE]
    with store.read() as reader:
        done = reader.history("s")[0]
    assert [one.error for one in done.attempts] == ["first", "second", "third"]
    assert len({one.run for one in done.attempts}) == 3


def test_recovery_is_told_once(store) -> None:
    add(store)
    for minute, state in enumerate((STATES.FAILED, STATES.SUCCEEDED, STATES.SUCCEEDED), 1):
        (one,) = tick(store, T0 + 60 * minute)
        end(store, one, state, now=T0 + 60 * minute + 1)
    assert sorted(kind.value for kind in notices(store)) == ["failure", "recovery"]


def test_sla(store) -> None:
    add(store, sla=30, when="every hour at :00")
    hour = T0 - T0 % 3600 + 3600
    (one,) = tick(store, hour)
    tick(store, hour + 29)
    assert notices(store) == []
    tick(store, hour + 30)
    tick(store, hour + 31)
    assert notices(store) == [NoticeKind.SLA]
    end(store, one, now=hour + 40)
    (two,) = tick(store, hour + 3600)
    end(store, two, now=hour + 3610)
    tick(store, hour + 3700)
    assert notices(store) == [NoticeKind.SLA]


# What people do


def test_pause_holds_and_resume_makes_up_for_nothing(store) -> None:
    add(store)
    with store.write() as writer:
        writer.pause("s", by="ann", now=T0 + 70)
    assert tick(store, T0 + 75) == ()  # T0 + 60 was due before the pause, and is held by it
    assert tick(store, T0 + 600) == ()
    with store.write() as writer:
        writer.resume("s", now=T0 + 610)
        assert writer.states()[0].next_at == T0 + 660
    (one,) = tick(store, T0 + 610)
    assert one.at == T0 + 60  # "once": what was due before the pause is run
    assert states(store) == ["running"]


def test_run_now_runs_beside_a_pause_and_behind_what_runs(store) -> None:
    add(store)
    (one,) = tick(store, T0 + 60)
    with store.write() as writer:
        writer.pause("s", by="ann", now=T0 + 61)
        at = writer.run_now("s", now=T0 + 62)
        assert writer.run_now("s", now=T0 + 62) != at
    assert tick(store, T0 + 63) == ()
    end(store, one, now=T0 + 64)
    (manual,) = tick(store, T0 + 64)
    assert manual.at == at


def test_edit_keeps_what_was_due(store) -> None:
    add(store)
    with store.write() as writer:
        writer.put(Schedule(name="s", when="every hour at :00"), now=T0 + 90)
    with store.read() as reader:
        assert [one.at for one in reader.history("s")] == [T0 + 60]


def test_remove_cancels_what_waits_and_lets_run_what_runs(store) -> None:
    add(store, overlap=Overlap.QUEUE)
    (one,) = tick(store, T0 + 60)
    tick(store, T0 + 120)
    with store.write() as writer:
        writer.remove("s", now=T0 + 121)
    assert states(store) == ["running", "cancelled"]
    assert end(store, one, now=T0 + 122)
    assert tick(store, T0 + 600) == ()
    with store.read() as reader, pytest.raises(ScheduleError, match="no schedule is called"):
        reader.schedule("s")


def test_cancel_is_no_failure_and_no_retry(store) -> None:
    add(store, retries=5)
    (one,) = tick(store, T0 + 60)
    with store.write() as writer:
        cancel(writer, one.id, "ann said so", now=T0 + 61)
    end(store, one, STATES.FAILED, now=T0 + 62)
    assert states(store) == ["failed"]


def test_a_template_that_fails_at_its_time_is_a_recorded_failure(store) -> None:
    add(store, parameters={"x": "{{ nobody }}"})
    assert tick(store, T0 + 60) == ()
    assert states(store) == ["failed"]
    assert notices(store) == [NoticeKind.FAILURE]


def test_a_removed_schedules_run_leaves_nothing_due(store) -> None:
    add(store, sla=30, retries=2, overlap=Overlap.ALLOW, max_running=2)
    (one,) = tick(store, T0 + 60)
    (two,) = tick(store, T0 + 120)
    with store.write() as writer:
        begin(writer, one.id, one.run, one.fence, me(), now=T0 + 120, lease=60)
        writer.remove("s", now=T0 + 121)
        assert writer.next_due(T0 + 3600) is None
        (_, unbegun) = open_ones(writer)
    # A store of an earlier version kept such a time.
    with store.write() as writer:
        writer.connection.execute(sa.text("UPDATE mlops_occurrences SET sla = 1"))
    assert end(store, one, STATES.FAILED, now=T0 + 122, why="no flights")
    with store.write() as writer:
        assert take_back(writer, unbegun, now=T0 + 123)
    tick(store, T0 + 124)
    assert states(store) == ["failed", "cancelled"]
    assert notices(store).count(NoticeKind.FAILURE) == 1
    with store.read() as reader:
        assert two.run != reader.history("s")[0].run
    with store.write() as writer:
        assert writer.next_due(T0 + 3600) is None


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.CANCEL])
def test_policies_for_overlaps_hold_while_the_limit_is_reached(store, overlap) -> None:
    add(store, overlap=overlap)
    (one,) = tick(store, T0 + 60, limit=1)
    assert tick(store, T0 + 120, limit=1) == ()
    with store.read() as reader:
        (opened,) = open_ones(reader)
    assert states(store)[1] == ("skipped" if overlap is Overlap.SKIP else "waiting")
    assert bool(opened.cancel) is (overlap is Overlap.CANCEL)
    end(store, one, now=T0 + 121)


def test_whatever_a_template_raises_is_a_recorded_failure(store) -> None:
    noon = 1_800_014_400.0  # of 2027-01-15
    add(store, parameters={"n": "{{ 30 // (scheduled_at.day - 15) }}"}, when="every day at 12")
    assert tick(store, noon) == ()
    assert states(store) == ["failed"]


def test_a_clock_that_was_ahead_silences_nothing(store) -> None:
    add(store, when="every hour at :00", overlap=Overlap.QUEUE, retries=1, backoff=10)
    hour = T0 - T0 % 3600 + 3600
    (one,) = tick(store, hour)
    end(store, one, now=hour + 1)
    (far,) = tick(store, hour + 30 * 86_400)
    end(store, far, STATES.FAILED, now=hour + 30 * 86_400)
    with store.write() as writer:
        manual = writer.run_now("s", now=hour + 30 * 86_400 + 60)
    (again,) = tick(store, hour + 60)
    assert (again.at, again.attempt) == (far.at, 2)
    end(store, again, now=hour + 61)
    assert [one.at for one in tick(store, hour + 62)] == [manual]
    with store.read() as reader:
        assert reader.states()[0].next_at == hour + 3600
        (asked,) = open_ones(reader)
        assert len(reader.history("s", limit=1000)) == 3
    with store.write() as writer:
        finish(writer, asked.id, asked.run, STATES.SUCCEEDED, now=hour + 63)
    assert [one.at for one in tick(store, hour + 3600)] == [hour + 3600]


def test_a_clock_that_is_not_set_yet_changes_nothing(store) -> None:
    add(store)
    tick(store, T0 + 60)
    add(store, "new")
    tick(store, 0.0)
    with store.read() as reader:
        assert [one.next_at for one in reader.states()] == [T0 + 60, T0 + 120]


def test_a_store_is_one_projects(any_store) -> None:
    with pytest.raises(ScheduleError, match="has no name") as caught:
        belong_to(any_store, "", "flights")
    assert 'name = "flights"' in caught.value.fix
    add(any_store)
    with any_store.write() as writer:  # as an earlier version left it
        schema.project.drop(writer.connection)
        schema.kept.drop(writer.connection)
    other = ScheduleStore(any_store.url)
    try:
        belong_to(other, "flights")
        belong_to(other, "flights")
        with pytest.raises(ScheduleError, match='project "flights"\'s, not "taxis"'):
            belong_to(any_store, "taxis")
        with pytest.raises(ScheduleError, match="has no name"):
            belong_to(any_store, "")
        assert states(other) == []
        with other.read() as reader:
            assert reader.names() == ("s",)
    finally:
        other.close()
