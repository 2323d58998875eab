"""The kit itself: a notebook runs in JupyterLab, and a page's faults are noticed."""

from __future__ import annotations

import json

import pytest

from tests.browser.lab_kit import open_page, start_lab, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def test_browser_kit_runs_a_notebook_and_notices_faults(browser, tmp_path):
    write_notebook(tmp_path / "sum.ipynb", "print(6 * 7)")
    with start_lab(tmp_path) as lab, open_page(browser, lab) as page:
        page.open("sum.ipynb")
        page.run_all()
        assert page.find(".jp-OutputArea-output").first.inner_text().strip() == "42"
        page.save()
        page.theme("JupyterLab Dark")
        page.check()

        page.page.evaluate("() => { console.error('broken'); }")
        page.page.evaluate("() => fetch('http://example.invalid/x').catch(() => null)")
        assert "broken" in page.errors
        assert page.foreign == ["http://example.invalid/x"]
    saved = json.loads((tmp_path / "sum.ipynb").read_text())
    assert saved["cells"][0]["outputs"][0]["text"] == ["42\n"]
