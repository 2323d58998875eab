"""What a panel leaves in a notebook, and that nothing escapes into HTML."""

from __future__ import annotations

import nbformat
import pytest
from markupsafe import Markup
from nbclient import NotebookClient
from nbconvert import HTMLExporter

import mlops_nb.widgets
from mlops_nb.errors import RegistryError
from mlops_nb.widgets.base import VIEW, Panel
from mlops_nb.widgets.surface import Surface, style
from mlops_nb.widgets.words import amount, duration, since


class Small(Panel):
    """A panel for these tests."""

    def __init__(self) -> None:
        self.text = "nothing yet"
        super().__init__("small <panel>", Surface())

    def body(self) -> Markup:
        return Markup("<p>{}</p>").format(self.text)


def test_the_public_names():
    assert mlops_nb.widgets.__all__ == [
        "ComparePanel", "DriftView", "ModelBoard", "ParameterForm", "PromotionPanel", "RunView",
        "ScheduleForm",
    ]  # fmt: skip


def test_the_bundle_holds_the_view_and_a_picture():
    panel = Small()
    panel.text = "<script>alert(1)</script>"
    bundle = panel._repr_mimebundle_()
    assert bundle[VIEW]["model_id"] == panel.model_id
    html = bundle["text/html"]
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert 'aria-label="small &lt;panel&gt;"' in html
    assert "https://" not in html
    panel.close()


def test_an_error_is_shown_in_three_parts_and_stays_in_the_picture():
    panel = Small()

    def lose() -> None:
        raise RegistryError("<b>broken</b>", where="ledger.db", fix="run verify")

    panel.start("looking", lose)
    panel.wait(10)
    for html in (panel._notice.html, str(panel.picture())):
        for text in ("&lt;b&gt;broken&lt;/b&gt;", "ledger.db", "run verify", "how to mend it"):
            assert text in html
    panel.start("looking again", lambda: None)
    panel.wait(10)
    assert panel.failure is None
    assert panel._notice.html == ""
    panel.close()


def test_the_style_sheet_is_there_once():
    one, two = Small(), Small()
    assert one.children[0] is two.children[0] is style()
    assert "--jp-ui-font-color1" in style()._css
    assert not any(hasattr(child, "_css") and child._css for child in one.children[1:])
    one.close()
    two.close()


@pytest.fixture(scope="module")
def executed():
    """A notebook with a panel, executed by a runner: nobody is there to look."""
    source = """
from tests.widgets.test_widgets_base import Small
import time
panel = Small()
def work():
    time.sleep(0.2)
    return "done in the background"
panel.start("working", work, lambda text: setattr(panel, "text", text))
panel"""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(nb, timeout=120).execute()
    return nb


def test_a_runner_gets_the_finished_picture_alone(executed):
    (output,) = executed.cells[0].outputs
    assert VIEW not in output["data"]
    assert "done in the background" in output["data"]["text/html"]


def test_nbconvert_shows_it_without_a_kernel(executed):
    page, _ = HTMLExporter().from_notebook_node(executed)
    assert "done in the background" in page


def test_words():
    assert [duration(x) for x in (None, 0.44, 12.3, 65, 7801)] == [
        "", "0.4 s", "12 s", "1 min 05 s", "2 h 10 min",
    ]  # fmt: skip
    assert [since(0, x) for x in (5, 600, 7200, 90_000, 5 * 86_400)] == [
        "just now", "10 min ago", "2 h ago", "1 day ago", "5 days ago",
    ]  # fmt: skip
    assert [amount(x) for x in (1200, 3.4e6, 2e9)] == ["1 kB", "3.4 MB", "2.0 GB"]
