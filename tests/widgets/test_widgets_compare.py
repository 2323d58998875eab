"""Two versions side by side: figures, slices, curves and what differs."""

from __future__ import annotations

import matplotlib as mpl
import pytest

from mlops_nb.widgets import ComparePanel


@pytest.fixture
def panel(project):
    made = ComparePanel("champion", 2, project=str(project))
    made.wait(60)
    yield made
    made.close()


def test_compare_shows_figures_slices_and_curves(panel):
    html = panel._content.html
    for text in ("roc_auc", "brier", "side = left", "better by", "same 1,000 rows", "What differs"):
        assert text in html
    for text in ("ROC", "Precision and recall", "Calibration", "Scores", 'role="img"'):
        assert text in html
    assert "var(--mnb-right)" in html
    assert "#d55e00" not in html
    assert panel.name == "trips: v2 against v1"
    assert (panel._left.value, panel._right.value) == (1, 2)


def test_compare_leaves_the_users_plot_settings_alone(panel):
    assert mpl.rcParams["svg.fonttype"] == mpl.rcParamsDefault["svg.fonttype"]
    bundle = panel._still()
    assert bundle["image/png"].startswith("iVBOR")
    assert "<svg" in bundle["text/html"]


def test_compare_another_pair_by_choosing(panel):
    panel._right.value = 3
    panel.wait(60)
    assert panel.comparison is not None
    assert panel.comparison.right.version == 3
    assert "worse" in panel._content.html
    assert not panel._right.disabled


def test_compare_says_what_is_wrong(project):
    made = ComparePanel("champion", 9, project=str(project))
    made.wait(60)
    assert made.failure is not None
    assert "9" in made.failure.what
    assert made.failure.what in str(made.picture())
    made.close()
