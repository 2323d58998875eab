from __future__ import annotations

from pathlib import Path

import pytest

from mlops_nb.api import schedules as api
from mlops_nb.widgets import ScheduleForm


@pytest.fixture
def form(bare_project: Path) -> ScheduleForm:
    made = ScheduleForm(project=str(bare_project))
    assert made.wait(60)
    return made


def test_it_says_when_while_it_is_filled_in(form: ScheduleForm) -> None:
    assert "Nothing is scheduled yet" in form._list.html
    form.fields["when"].value = "every day at 18:30"
    form.fields["zone"].value = "Europe/Berlin"
    assert "At 18:30 every day (Europe/Berlin)" in form._preview.html
    assert form._preview.html.count(" 18:30") == 6
    form.fields["when"].value = "every <b>so often</b>"
    assert "is no schedule" in form._preview.html
    assert "<b>so" not in form._preview.html


def test_it_adds_pauses_and_runs(form: ScheduleForm, bare_project: Path) -> None:
    form.fields["name"].value = "nightly"
    form.fields["parameters"].value = "day={{ scheduled_at | date }}\n"
    form.fields["retries"].value = 2
    form.add()
    assert form.wait(60)
    assert form.failure is None
    (state,) = api.list_schedules(bare_project)
    assert state.schedule.retries == 2
    assert state.schedule.parameters == {"day": "{{ scheduled_at | date }}"}
    assert 'data-do="pause" data-value="nightly"' in form._list.html
    form._list.press("pause", "nightly")
    assert form.wait(60)
    assert form.schedules[0].paused
    form._list.press("run", "nightly")
    assert form.wait(60)
    assert form.schedules[0].waiting == 1
    # The picture in the saved notebook has nothing to press.
    assert "nightly" in form.body()
    assert "data-do" not in form.body()


def test_what_is_wrong_is_said_and_nothing_is_added(form: ScheduleForm, bare_project: Path) -> None:
    form.add()
    assert form.failure is not None
    assert "no name" in form.failure.what
    form.fields["name"].value = "x"
    form.fields["zone"].value = "Europe/Berlim"
    form.add()
    assert form.wait(60)
    assert form.failure is not None
    assert "Europe/Berlin" in form.failure.how
    assert api.list_schedules(bare_project) == ()
