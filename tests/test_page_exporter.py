"""What nbconvert does for a page is done here too, wherever it makes a difference."""

from __future__ import annotations

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mlops_nb.pages import notebook_page

pytestmark = pytest.mark.filterwarnings("ignore:No lexer found")  # nbconvert's own

PICTURE = "iVBORw0KGgo="


def page(tmp_path, *cells, language="python"):
    nb = new_notebook(cells=list(cells))
    nb.metadata.language_info = {"name": language, "pygments_lexer": language}
    path = tmp_path / "n.ipynb"
    nbformat.write(nb, path)
    return notebook_page(path).body


def shown(**data):
    kinds = {kind.replace("_", "/"): text for kind, text in data.items()}
    return new_code_cell("1", outputs=[new_output("display_data", kinds)])


@pytest.mark.parametrize("language", ["python", "ipython3", "r", '"><script>', "nothing known"])
def test_code_is_shown_as_text(tmp_path, language):
    source = "x = '</pre><script>alert(1)</script><img src=x onerror=y>' # &amp;"
    body = page(tmp_path, new_code_cell(source), language=language)
    assert "<script" not in body
    assert "<img" not in body
    assert "&lt;script&gt;alert" in body
    assert "&amp;amp;" in body


def test_a_cell_cannot_name_a_language_that_breaks_out(tmp_path):
    cell = new_code_cell("1", metadata={"magics_language": '"><script>alert(1)</script>'})
    assert "<script" not in page(tmp_path, cell, language="ipython3")


@pytest.mark.parametrize(
    "cell",
    [
        new_markdown_cell("<div><b>open"),
        new_markdown_cell("</div></div></div>text"),
        shown(text_html="<table><tr><td>open"),
        shown(text_html="</div></div></div></div>text"),
        shown(text_markdown="<section><i>open"),
    ],
)
def test_markup_of_the_author_s_own_stays_in_its_cell(tmp_path, cell):
    body = page(tmp_path, cell, new_code_cell("last"))
    for tag in ("div", "table", "b", "i", "section"):
        assert body.count(f"<{tag}>") + body.count(f"<{tag} ") == body.count(f"</{tag}>")
    assert body.strip().endswith("</div>")


def test_pictures_are_described(tmp_path):
    for cell in (
        shown(image_png=PICTURE),
        shown(text_html=f'<img src="data:image/png;base64,{PICTURE}">'),
        new_markdown_cell(f'<img src="data:image/png;base64,{PICTURE}">'),
    ):
        assert 'alt="No description' in page(tmp_path, cell)
    named = f'<img alt="carriers" src="data:image/png;base64,{PICTURE}">'
    assert "No description" not in page(tmp_path, shown(text_html=named))


def test_the_text_is_nbconvert_s(tmp_path):
    from bs4 import BeautifulSoup

    cells = [
        new_markdown_cell("# Delays\n\nby *carrier*, $x < y$"),
        new_code_cell("%%time\nfor a in b: print(a)", outputs=[new_output("stream", text="1\n2")]),
        new_code_cell("?", outputs=[new_output("error", ename="E", evalue="<v>", traceback=["t"])]),
        shown(text_html="<table><tr><td>1</td></tr></table>", text_plain="1"),
        shown(text_latex="$x$"),
    ]
    body = page(tmp_path, *cells)
    nb = nbformat.read(tmp_path / "n.ipynb", as_version=4)
    theirs, _ = HTMLExporter(template_name="basic").from_notebook_node(nb)
    texts = [
        " ".join(BeautifulSoup(one, "html.parser").get_text().split()) for one in (body, theirs)
    ]
    assert texts[0] == texts[1]
