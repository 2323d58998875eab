from __future__ import annotations

import json

import nbformat
import pytest

from mlops_nb.errors import NotebookError
from mlops_nb.notebooks.cells import cells_of, find_tagged, from_node
from mlops_nb.notebooks.imports import imports_in, imports_of_cells, top_imports
from mlops_nb.notebooks.read import read_cells, read_notebook
from mlops_nb.notebooks.syntax import parse_cell

CODE = """import os, sys
import pandas as pd
from sklearn.linear_model import LogisticRegression
%matplotlib inline
try:
    import lightgbm
except ImportError:
    lightgbm = None
if True:
    import numpy.random as npr
def late():
    import polars
from . import near
import importlib
torch = importlib.import_module("torch.nn")
files = !ls
"""


def save(path, *cells, **metadata):
    v4 = nbformat.v4
    nb = v4.new_notebook(
        cells=[v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in cells],
        metadata=metadata,
    )
    nbformat.write(nb, path)
    return path


def test_formats_give_the_same_cells(tmp_path):
    texts = {
        "a.py": '# %% tags=["parameters"]\nx = 1\n\n# %% [markdown]\n# # Hi\n\n# %%\nprint(x)\n',
        "b.py": '# + tags=["parameters"]\nx = 1\n# -\n\n# # Hi\n\nprint(x)\n',
        "c.md": '```python tags=["parameters"]\nx = 1\n```\n\n# Hi\n\n```python\nprint(x)\n```\n',
        "d.Rmd": '```{python tags=c("parameters")}\nx = 1\n```\n\n# Hi\n\n```{python}\nprint(x)\n```\n',
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        cells = read_cells(path)
        assert [(cell.kind, cell.source) for cell in cells.cells] == [
            ("code", "x = 1"),
            ("markdown", "# Hi"),
            ("code", "print(x)"),
        ], name
        assert find_tagged(cells).index == 0
        node = read_notebook(path)
        nbformat.validate(node)
        assert from_node(node, name) == cells


def test_the_fast_reader_and_nbformat_agree(tmp_path):
    path = save(
        tmp_path / "a.ipynb",
        ("x = 1", ["parameters"]),
        ("y = 2", ["injected-parameters"]),
        (CODE, []),
        kernelspec={"name": "python3", "language": "Python", "display_name": "P"},
        **{"mlops-nb": {"retries": 1}},
    )
    fast = read_cells(path)
    assert fast == from_node(read_notebook(path), str(path))
    assert [cell.index for cell in fast.cells] == [0, 2]
    assert (fast.language, fast.kernel, fast.settings) == ("python", "python3", {"retries": 1})


def test_older_and_odd_notebooks(tmp_path):
    old = {
        "worksheets": [
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "input": "x = 1",
                        "outputs": [],
                        "language": "python",
                        "collapsed": False,
                        "metadata": {},
                    }
                ],
                "metadata": {},
            }
        ],
        "metadata": {"name": ""},
        "nbformat": 3,
        "nbformat_minor": 0,
    }
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old))
    assert [cell.source for cell in read_cells(path).cells] == ["x = 1"]
    bare = {
        "cells": [{"cell_type": "code", "source": ["a\n", "b"]}],
        "metadata": {"kernelspec": None},
    }
    assert (
        cells_of(json.dumps({**bare, "nbformat": 4}).encode(), "x.ipynb").cells[0].source == "a\nb"
    )


def test_reading_twice_gives_the_same(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("# %%\n1\n\n# %%\n2\n")
    assert nbformat.writes(read_notebook(path)) == nbformat.writes(read_notebook(path))


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (b"", "the file is empty"),
        (b"{}", ""),
        (b"[1]", "restore it"),
        (b'{"cells": 3, "nbformat": 4}', "restore it"),
        (b'{"cells": [{"source": "x"}], "nbformat": 4}', "restore it"),
        (b'{"cells": [', "restore it"),
        (b"\xff\xfe", "restore it"),
        (b"<<<<<<< HEAD\n=======\n>>>>>>> x", "it holds Git conflict markers"),
    ],
)
def test_what_is_no_notebook(tmp_path, content, fix):
    path = tmp_path / "bad.ipynb"
    path.write_bytes(content)
    for read in (read_notebook, read_cells):
        with pytest.raises(NotebookError) as caught:
            read(path)
        assert caught.value.where == str(path)
        assert caught.value.fix.startswith(fix)


def test_missing_folders_and_unknown_suffixes(tmp_path):
    (tmp_path / "train.py").write_text("1")
    (tmp_path / "folder.ipynb").mkdir()
    with pytest.raises(NotebookError, match="does not exist") as caught:
        read_notebook(tmp_path / "trian.ipynb")
    assert caught.value.fix == 'did you mean "train.py"?'
    with pytest.raises(NotebookError, match="folder"):
        read_notebook(tmp_path / "folder.ipynb")
    with pytest.raises(NotebookError, match="the notebook does not exist"):
        read_cells(tmp_path / "no" / "a.ipynb")
    (tmp_path / "a.txt").write_text("1")
    with pytest.raises(NotebookError, match=r'"\.txt" are not notebooks'):
        read_notebook(tmp_path / "a.txt")
    (tmp_path / "broken.md").write_text("---\njupyter: [\n---\n\n```python\n1\n```\n")
    with pytest.raises(NotebookError, match="jupytext"):
        read_notebook(tmp_path / "broken.md")


def test_imports_at_the_top_and_everywhere(tmp_path):
    path = save(
        tmp_path / "a.ipynb",
        (CODE, []),
        ("%%bash\nimport nothing", []),
        ("%%time\nimport scipy", []),
        ("await thing()\nimport altair", []),
    )
    assert top_imports(path) == (
        "altair",
        "importlib",
        "lightgbm",
        "numpy",
        "os",
        "pandas",
        "scipy",
        "sklearn",
        "sys",
        "torch",
    )
    everywhere = {item.module for item in imports_of_cells(read_cells(path)) if not item.level}
    assert {"polars", "numpy.random", "torch.nn"} <= everywhere
    assert imports_in("from ..a.b import c, d")[0].level == 2
    assert imports_in("def broken(") == ()
    other = save(
        tmp_path / "r.ipynb",
        ("library(x)", []),
        kernelspec={"name": "ir", "language": "R", "display_name": "R"},
    )
    assert top_imports(other) == ()


def test_cells_that_are_not_python():
    assert parse_cell("%%bash\nls") is None
    assert parse_cell("x = ") is None
    tree = parse_cell("%%time\nx = 1\ny = 2")
    assert [node.lineno for node in tree.body] == [2, 3]
    assert parse_cell("df?") is not None
