"""Large outputs and frequent ones: bounded, merged, and saved seldom."""

from __future__ import annotations

import copy
import json
import time
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.saving import Saver, notebook_json
from tests.execution.kernel_kit import resident_kb, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.execution.kernel_kit import Ran


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as made:
        yield made


def beside(ran: Ran) -> Path:
    return ran.path.with_name(ran.path.name + ".outputs")


def test_pieces_of_a_stream_become_one_output(tmp_path: Path, zygote: Zygote) -> None:
    code = (
        "import sys\nfor i in range(2000): print('line', i, flush=True)\n"
        "print('error', file=sys.stderr, flush=True)\nprint('last')"
    )
    for mode in (True, False):
        ran = run(tmp_path / str(mode), code, zygote=zygote, cold=mode)
        streams = [(o.name, o.text) for o in ran.code[0].outputs]
        assert [name for name, _ in streams] == ["stdout", "stderr", "stdout"]
        assert streams[0][1] == "".join(f"line {i}\n" for i in range(2000))
        assert streams[2][1] == "last\n"
        assert not beside(ran).exists()


@pytest.mark.parametrize("cold", [True, False])
def test_text_beyond_the_limit_goes_to_a_file(tmp_path: Path, zygote: Zygote, cold: bool) -> None:
    code = (
        "import sys\nfor i in range(60_000): print('line', i)\n"
        "sys.stdout.flush(); print('warned', file=sys.stderr)\n1 / 0"
    )
    ran = run(
        tmp_path,
        code,
        parameters="a = 0",
        values={"a": 1},
        zygote=zygote,
        cold=cold,
        max_output_mb=0.1,
    )
    full = "".join(f"line {i}\n" for i in range(60_000)) + "warned\n"
    assert (beside(ran) / "cell-1.txt").read_text() == full
    head, note, error = ran.code[2].outputs
    assert full.startswith(head.text)
    assert 0 <= int(0.1 * 2**20) - len(head.text) < 200
    assert "cut after 0.1 MiB" in note.text
    assert "nb.ipynb.outputs/cell-1.txt" in note.text
    assert note.text.endswith("line 59999\nwarned\n")
    assert error.ename == "ZeroDivisionError"
    assert ran.path.stat().st_size < 400_000
    again = run(tmp_path, "1", zygote=zygote)
    assert not beside(again).exists()  # what an earlier execution had put there


def test_large_representations_go_to_files_of_their_kind(tmp_path: Path, zygote: Zygote) -> None:
    code = (
        "from IPython.display import HTML, display\n"
        "display(HTML('<p>' + 'x' * 300_000)); handle = display('small', display_id=True)\n"
        "display({'image/png': 'iVBORw0KGgo' + 'A' * 400_001, 'text/plain': 'a picture'}, raw=True)\n"
        "handle.update(HTML('y' * 300_000))"
    )
    ran = run(tmp_path, code, zygote=zygote, max_output_mb=0.1)
    assert sorted(p.name for p in beside(ran).iterdir()) == [
        "cell-0-1.png",
        "cell-0-2.html",
        "cell-0.html",
    ]
    assert (beside(ran) / "cell-0.html").read_text() == "<p>" + "x" * 300_000
    assert (beside(ran) / "cell-0-1.png").read_bytes().startswith(b"\x89PNG\r\n")
    first, second, third = ran.code[0].outputs
    assert "0.3 MiB, beyond the limit of 0.1 MiB" in first.data["text/plain"]
    assert "cell-0-2.html" in second.data["text/plain"]
    assert third.data["text/plain"].startswith("a picture\n[image/png")


def test_clearing_an_output_begins_anew(tmp_path: Path, zygote: Zygote) -> None:
    code = (
        "from IPython.display import clear_output\nfor i in range(100):\n"
        "    clear_output(wait=True); print('z' * 5000, i)"
    )
    ran = run(tmp_path, code, zygote=zygote, max_output_mb=0.05)
    assert ran.text(0) == "z" * 5000 + " 99\n"


def test_what_is_shown_in_place_of_something_is_not_counted_twice(
    tmp_path: Path, zygote: Zygote
) -> None:
    ran = run(
        tmp_path,
        "from IPython.display import HTML, clear_output, display\nfor i in range(40):\n"
        "    clear_output(wait=True); display(HTML('x' * 5000 + f'frame {i}'))",
        "shown = display(HTML(''), display_id=True)\nfor i in range(40):\n"
        "    shown.update(HTML('x' * 5000 + f'update {i}'))",
        "import ipywidgets\nbox = ipywidgets.Output(); display(box)\nfor i in range(40):\n"
        "    with box: clear_output(wait=True); display(HTML('x' * 5000 + f'inside {i}'))",
        zygote=zygote,
        max_output_mb=0.1,
    )
    assert [o.data["text/html"][5000:] for o in ran.code[0].outputs] == ["frame 39"]
    assert [o.data["text/html"][5000:] for o in ran.code[1].outputs] == ["update 39"]
    widgets = ran.nb.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    inside = [w["state"]["outputs"] for w in widgets.values() if "outputs" in w["state"]]
    assert [o["data"]["text/html"][5000:] for o in inside[0]] == ["inside 39"]
    assert not beside(ran).exists()


def test_neither_many_small_objects_nor_a_long_error_pass_the_limit(
    tmp_path: Path, zygote: Zygote
) -> None:
    ran = run(
        tmp_path,
        "from IPython.display import HTML, display\nfor i in range(3000): display(i)\n"
        "display({'image/png': 'iVBORw0KGgo' + 'A' * 1001, 'text/plain': 'a picture'}, raw=True)\n"
        "display(HTML('<b>last</b>'))",
        "raise ValueError('begin' + 'e' * 3_000_000 + 'end')",
        zygote=zygote,
        max_output_mb=0.1,
    )
    assert len(json.dumps(ran.code[0].outputs)) < 0.2 * 2**20
    note = ran.code[0].outputs[-1].text
    assert "cut after 0.1 MiB; all" in note
    assert "\n2999\na picture\n[image/png: nb.ipynb.outputs/cell-0-1.png]\n" in note
    assert note.endswith("<b>last</b>\n")
    assert (beside(ran) / "cell-0-1.png").read_bytes().startswith(b"\x89PNG")
    error = ran.code[1].outputs[0]
    assert len(json.dumps(error)) < 100_000
    assert "nb.ipynb.outputs/cell-1.txt" in error.traceback[-1]
    assert (beside(ran) / "cell-1.txt").stat().st_size > 3_000_000
    assert ran.error is not None
    assert ran.error.message.startswith("begin")
    assert ran.error.message.endswith("end")
    assert len(ran.error.message) < 10_000
    assert len(ran.error.traceback) < 70_000


def test_many_megabytes_neither_fill_memory_nor_take_for_ever(
    tmp_path: Path, zygote: Zygote
) -> None:
    before = resident_kb()
    started = time.process_time()
    ran = run(tmp_path, "print('x' * (50 * 2**20))", *["1"] * 30, zygote=zygote, max_output_mb=1.0)
    lines = run(
        tmp_path, "for i in range(100_000): print('line', i, flush=True)", zygote=zygote, name="l"
    )
    assert time.process_time() - started < 25  # quadratic saves took 29 and 92 s
    assert (beside(ran) / "cell-0.txt").stat().st_size == 50 * 2**20 + 1
    assert lines.text(0).count("\n") == 100_000
    assert resident_kb() - before < 100 * 1024


def test_progress_is_saved_while_a_cell_runs_and_only_now_and_then(
    tmp_path: Path, zygote: Zygote
) -> None:
    code = (
        "import os, time\nfrom pathlib import Path\nout = Path('out/nb.ipynb')\nseen = set()\n"
        "end = time.time() + 2.5\nwhile time.time() < end:\n"
        "    print('tick', flush=True); time.sleep(0.02); seen.add(out.stat().st_ino)\n"
        "    assert out.read_text().endswith('}\\n')\nprint(len(seen))"
    )
    ran = run(tmp_path, code, zygote=zygote)
    assert ran.status == "SUCCEEDED"
    assert ran.text(0).splitlines()[-1] in ("2", "3", "4")


def test_the_file_is_what_nbformat_writes(tmp_path: Path, zygote: Zygote) -> None:
    ran = run(
        tmp_path,
        "# %% md\n# Tïtle\n\ntext",
        "from IPython.display import HTML, JSON, SVG, Javascript, display\n"
        "display(HTML('<b>\\n</b>'), JSON({'b': [1, {}], 'a': None}), Javascript('1;\\n2'))\n"
        "display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\">\\n</svg>'))\nprint('ü\\n\\u2028x')",
        "",
        zygote=zygote,
    )
    text = ran.path.read_text()
    assert text == nbformat.writes(ran.nb) + "\n"
    assert notebook_json(ran.nb) == text
    ran.nb.cells[0]["attachments"] = {"a.png": {"image/png": "AAAA", "text/plain": "x\ny"}}
    assert json.loads(notebook_json(ran.nb)) == json.loads(nbformat.writes(ran.nb))


def test_only_cells_that_changed_are_made_again(tmp_path: Path) -> None:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(str(i)) for i in range(3)])
    saver = Saver(tmp_path / "nb.ipynb")
    saver.save(nb)
    assert not saver.is_due()
    nb.cells[0].source, nb.cells[1].source = "one", "two"
    saver.touch(1)
    saver.save(nb)
    sources = [c.source for c in nbformat.read(tmp_path / "nb.ipynb", as_version=4).cells]
    assert sources == ["0", "two", "2"]
    saver.forget()
    saver.save(nb)
    assert nbformat.read(tmp_path / "nb.ipynb", as_version=4).cells[0].source == "one"


@pytest.mark.parametrize(
    "text", ['a\nb\u2028c\x00\x7f"\\/', "half \ud83d of one", "", "\n\n", "é" * 5000]
)
@pytest.mark.parametrize("value", [1.5, -0.0, 1e300, 10**25, float("nan"), float("-inf"), None])
def test_a_saved_notebook_is_the_text_that_json_itself_would_write(text: str, value: Any) -> None:
    cell = nbformat.v4.new_code_cell(text, id="a", metadata={"n": value, "e": [], "f": {}})
    cell["outputs"] = [
        nbformat.v4.new_output("stream", text=text),
        nbformat.v4.new_output("display_data", data={"application/json": {"v": [value]}}),
    ]
    nb = nbformat.v4.new_notebook(cells=[cell])
    split = nbformat.v4.rwbase.split_lines(copy.deepcopy(nb))
    wanted = json.dumps(split, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert notebook_json(nb) == wanted
