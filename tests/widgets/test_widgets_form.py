"""A form from a parameters cell: fields by type, checked values, a run with progress."""

from __future__ import annotations

import json

import ipywidgets
import pytest

from mlops_nb.errors import ParameterError
from mlops_nb.widgets import ParameterForm
from tests.faces_kit import write_notebook

PARAMETERS = """rows = 10  # rows to <make>
share: float = 0.5
fast = True
name = "a <b>"
columns: list[str] = ["a", "b"]
limit: int | None = None
upstream = None
product = None"""


@pytest.fixture
def form(bare_project):
    write_notebook(
        bare_project / "work.ipynb",
        PARAMETERS,
        "import json, pathlib",
        "if rows > 100: raise ValueError('too many <rows>')",
        "pathlib.Path('made.json').write_text(json.dumps([rows, share, fast, name, columns, limit]))",
    )
    made = ParameterForm("work.ipynb", project=str(bare_project))
    made.wait(60)
    yield made
    made.close()


def test_form_has_a_field_for_each_parameter(form):
    assert list(form.fields) == ["rows", "share", "fast", "name", "columns", "limit"]
    kinds = [type(field) for field in form.fields.values()]
    assert (
        kinds == [ipywidgets.IntText, ipywidgets.Text, ipywidgets.Checkbox] + [ipywidgets.Text] * 3
    )
    assert [field.value for field in form.fields.values()] == [
        10, "0.5", True, "a <b>", '["a","b"]', "none",
    ]  # fmt: skip
    labels = "".join(child.html for child in form._form.children if hasattr(child, "html"))
    assert "rows to &lt;make&gt;" in labels
    assert form.values() == {}
    assert not form._start.disabled


def test_form_reads_values_by_type_and_says_which_is_wrong(form):
    form.fields["share"].value = "1"
    form.fields["columns"].value = '["c"]'
    form.fields["limit"].value = "7"
    assert form.values() == {"share": 1.0, "columns": ["c"], "limit": 7}
    form.fields["share"].value = "much"
    with pytest.raises(ParameterError, match="share"):
        form.values()
    form._start.click()
    assert form.failure is not None
    assert not form.busy
    form._reset.click()
    assert form.values() == {}


def test_form_runs_the_notebook_and_leaves_it_as_it_is(form, bare_project):
    before = (bare_project / "work.ipynb").read_bytes()
    form.fields["rows"].value = 20
    form.fields["name"].value = "<i>"
    form._start.click()
    assert form._start.disabled
    assert form.wait(120)
    assert form.result is not None
    assert form.result.status.value == "succeeded"
    assert json.loads((bare_project / "made.json").read_text()) == [
        20, 0.5, True, "<i>", ["a", "b"], None,
    ]  # fmt: skip
    assert (bare_project / "work.ipynb").read_bytes() == before
    assert "succeeded" in form._outcome.html
    assert "&lt;i&gt;" in str(form.picture())
    assert "<i>" not in str(form.picture())
    assert not form._start.disabled

    form.fields["rows"].value = 200
    form._start.click()
    form.wait(120)
    assert form.result is not None
    assert form.result.error is not None
    assert form.result.error.cell == 2
    assert "too many &lt;rows&gt;" in form._outcome.html


def test_form_stops_a_run(bare_project):
    path = bare_project / "long.ipynb"
    write_notebook(path, "seconds = 1", "import time", "while True: time.sleep(0.05)")
    form = ParameterForm(path, project=str(bare_project))
    form.wait(60)
    form._start.click()
    assert not form._stop.disabled
    form._stop.click()
    assert form.wait(120)
    assert form.result is not None
    assert form.result.status.value == "cancelled"
    form.close()


def test_form_of_what_is_no_notebook(bare_project):
    write_notebook(bare_project / "work.ipynb", "a = 1")
    form = ParameterForm("wrok.ipynb", project=str(bare_project))
    form.wait(60)
    assert form.failure is not None
    assert form.failure.how == 'did you mean "work.ipynb"?'
    assert form._start.disabled
    form.close()
