"""Judging, promoting and rolling back by the panel's own buttons; without a browser."""

from __future__ import annotations

import pytest

from mlops_nb.api import models
from mlops_nb.widgets import PromotionPanel


@pytest.fixture
def opened(project):
    """A function that opens a panel and waits for it."""
    made: list[PromotionPanel] = []

    def open_panel(version: int | str, actor: str = "ann") -> PromotionPanel:
        panel = PromotionPanel(version, project=str(project), actor=actor)
        panel.wait(60)
        made.append(panel)
        return panel

    yield open_panel
    for panel in made:
        panel.close()


def champion(project) -> int:
    found = models.list_versions(str(project))
    return next(version.version for version in found if "champion" in version.aliases)


def shown(panel: PromotionPanel) -> bool:
    return panel._confirmation.layout.display != "none"


def test_promotion_shows_gates_with_evidence_and_the_history(opened):
    panel = opened(2)
    assert [(state.gate, state.ok) for state in panel.gates] == [
        ("good-enough", True),
        ("seen", True),
    ]
    assert "evidence" in panel._facts.html
    assert "gates of" in panel._timeline.html
    assert "the first" in panel._timeline.html
    assert panel._role.options == (("nobody special", ""), ("reviewer", "reviewer"))


def test_promotion_waits_for_confirmation_then_rolls_back(opened, project):
    panel = opened(2)
    panel._promote.click()
    assert shown(panel)
    assert panel.asked == "Give champion to trips v2? v1 holds it now."
    panel._no.click()
    assert not shown(panel)
    assert champion(project) == 1

    panel._comment.value = "better on <b>every</b> slice"
    panel._promote.click()
    panel._yes.click()
    panel.wait(60)
    assert champion(project) == 2
    assert panel._comment.value == ""
    assert "trips@2 is champion now" in panel._notice.html
    assert "better on &lt;b&gt;every&lt;/b&gt; slice" in panel._timeline.html

    panel._rollback.click()
    panel._yes.click()
    panel.wait(60)
    assert champion(project) == 1
    assert "champion is rolled back: v1" in panel._notice.html
    assert panel.history[-1].actor == "ann"
    panel.confirm()  # nothing waits any more
    assert champion(project) == 1


def test_promotion_refused_by_gates_then_forced_in_red(opened, project):
    panel = opened("latest")
    assert panel.version is not None
    assert panel.version.version == 3
    panel._promote.click()
    assert "It will be refused: good-enough, seen did not pass" in panel.asked
    panel._yes.click()
    panel.wait(60)
    assert panel.failure is not None
    assert panel.failure.how
    assert champion(project) == 1

    panel._force.value = True
    panel._promote.click()
    assert "goes against good-enough, seen and shows for ever" in panel.asked
    panel._yes.click()
    panel.wait(60)
    assert panel.failure is not None  # no reason was given
    panel._force.value, panel._comment.value = True, "hotfix"
    panel._promote.click()
    panel._yes.click()
    panel.wait(60)
    assert panel.failure is None
    assert champion(project) == 3
    assert "mnb-forced-row" in panel._timeline.html
    assert not panel._force.value


def test_promotion_asks_gates_approves_and_rejects(opened):
    panel = opened(3)
    panel._check.click()
    panel.wait(60)
    assert {state.gate: state.ok for state in panel.gates} == {"good-enough": True, "seen": False}
    panel._approve.click()
    panel.wait(60)
    panel._check.click()
    panel.wait(60)
    assert all(state.ok for state in panel.gates)
    panel._reject.click()
    panel.wait(60)
    assert panel.failure is not None
    assert "comment" in panel.failure.what
    panel._comment.value = "wrong at Newark"
    panel._reject.click()
    panel.wait(60)
    assert panel.version is not None
    assert panel.version.status.value == "rejected"
    assert "wrong at Newark" in panel._timeline.html


def test_promotion_only_by_who_has_the_role(opened):
    panel = opened(3, actor="ben")
    panel._approve.click()
    panel.wait(60)
    assert panel.failure is not None
    assert panel.failure.how == "ask ann"


def test_promotion_of_what_was_seen_only(opened, project):
    panel = opened(2)
    models.promote(str(project), 3, force=True, reason="hotfix", actor="ben")
    panel._promote.click()
    panel._yes.click()
    panel.wait(60)
    assert panel.failure is not None
    assert "ben" in panel.failure.what
    assert champion(project) == 3
    panel._refresh.click()
    panel.wait(60)
    panel._promote.click()
    panel._yes.click()
    panel.wait(60)
    assert panel.failure is not None or champion(project) == 2


def test_promotion_another_version_or_alias_is_read_anew(opened):
    panel = opened(2)
    panel._version.value = 1
    panel.wait(60)
    assert panel.version is not None
    assert panel.version.version == 1
    panel._alias.value = "challenger"
    panel.wait(60)
    assert panel.gates == ()
    assert "No gate guards this alias" in panel._facts.html


def test_promotion_without_a_version_says_how_to_get_one(tmp_path):
    from tests.faces_kit import make_project

    panel = PromotionPanel(project=str(make_project(tmp_path / "empty")))
    panel.wait(60)
    assert panel.failure is not None
    assert "register_model" in panel.failure.how
    panel._promote.click()
    panel._rollback.click()
    assert panel.asked == ""
    panel.close()
