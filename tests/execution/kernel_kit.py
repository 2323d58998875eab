"""What the tests of kernels share: notebooks from texts, runs, and outputs made comparable."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from mlops_nb.execution.engine import run_notebook
from mlops_nb.execution.jobs import NotebookJob, NotebookOutcome

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from mlops_nb.execution.jobs import CellProgress
    from mlops_nb.execution.kernels import Zygote
    from mlops_nb.execution.resident import Resident

ALLOWED = ["raises-exception"]
ANY_ORDER = "any-order"
"""Tag of a cell whose words are compared without their order."""


def write_notebook(
    path: Path, *cells: str | tuple[str, list[str]], parameters: str | None = None
) -> Path:
    """Write a notebook; a cell is its source, or the source with tags."""
    made = []
    if parameters is not None:
        made.append(_cell(parameters, ["parameters"]))
    for cell in cells:
        made.append(_cell(cell, []) if isinstance(cell, str) else _cell(*cell))
    for index, cell in enumerate(made):
        cell["id"] = f"c{index}"
    nb = nbformat.v4.new_notebook(cells=made)
    nb.metadata.kernelspec = {"name": "python3", "display_name": "P", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(nb))
    return path


def _cell(source: str, tags: list[str]) -> Any:
    if source.startswith("# %% md\n"):
        return nbformat.v4.new_markdown_cell(source.removeprefix("# %% md\n"))
    return nbformat.v4.new_code_cell(source, metadata={"tags": tags} if tags else {})


class Ran:
    """An outcome with the notebook that was written."""

    def __init__(self, outcome: NotebookOutcome, path: Path) -> None:
        self.outcome = outcome
        self.path = path
        self.nb = nbformat.read(path, as_version=4)
        nbformat.validate(self.nb)
        self.status = outcome.status.name
        self.error = outcome.error

    @property
    def code(self) -> list[Any]:
        return [cell for cell in self.nb.cells if cell.cell_type == "code"]

    @property
    def states(self) -> list[str]:
        return [cell.metadata.papermill.status for cell in self.code]

    def text(self, index: int) -> str:
        """Everything a code cell printed, and its result."""
        parts = []
        for output in self.code[index].outputs:
            if output.output_type == "stream":
                parts.append(output.text)
            elif output.output_type == "execute_result":
                parts.append(output.data["text/plain"])
        return "".join(parts)


def run(
    folder: Path,
    *cells: str | tuple[str, list[str]],
    parameters: str | None = None,
    values: dict[str, Any] | None = None,
    zygote: Zygote | Resident | None = None,
    cancel: threading.Event | None = None,
    on_cell: Any = None,
    name: str = "nb",
    **job: Any,
) -> Ran:
    """Write a notebook, run it, and return what came out."""
    source = write_notebook(folder / f"{name}.ipynb", *cells, parameters=parameters)
    output = folder / "out" / f"{name}.ipynb"
    seen: list[CellProgress] = []
    outcome = run_notebook(
        NotebookJob(
            task=name,
            notebook=str(source),
            output=str(output),
            parameters=values or {},
            **{"cwd": str(folder), "grace": 1.0, **job},
        ),
        zygote=zygote,
        cancel=cancel,
        on_cell=on_cell or seen.append,
    )
    return Ran(outcome, output)


_CHANGING = (
    (r"0x[0-9a-f]{6,}", "0xADDRESS"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", "ID"),
    (r"ipykernel_\d+/\d+", "ipykernel_N"),
    (r"\(pid=\d+\)", "(pid=N)"),  # what Python 3.12 says of a fork among threads
    (r"CPU times: [^\n]*\nWall time: [^\n]*\n", "TIMES\n"),
    (r"[\d.]+(e\+\d+)? ?(ns|μs|us|ms|s)\b", "TIME"),
    (r"[\d.?]+(it/s|s/it)", "RATE"),
    (r"\bT_[0-9a-f]{5}", "T_STYLE"),
    (r"<dc:date>[^<]*|clip-path=\"[^\"]*\"|id=\"p[0-9a-f]+\"|xlink:href=\"#m[0-9a-f]+\"", "SVG"),
    (r"id=\"m[0-9a-f]+\"", "SVG"),
)


def comparable(ran: Ran, *hidden: str) -> dict[str, Any]:
    """Return everything a reader of the notebook sees, without what differs from run to run.

    Pieces of one stream are joined (they arrive as time cuts them), the streams of a cell are
    brought into one order, and ids, addresses and times lose their values.
    """
    cells = []
    for cell in ran.code:
        streams: dict[str, str] = {}
        others = []
        for output in cell.outputs:
            if output.output_type == "stream":
                streams[output.name] = streams.get(output.name, "") + output.text
            else:
                others.append(_plain(output, hidden))
        if ANY_ORDER in cell.metadata.get("tags", []):
            streams = {name: " ".join(sorted(text.split())) for name, text in streams.items()}
        cells.append(
            {
                "source": cell.source,
                "count": cell.execution_count,
                "state": cell.metadata.papermill.status,
                "streams": {name: _plain(text, hidden) for name, text in streams.items()},
                "outputs": others,
            }
        )
    widgets = ran.nb.metadata.get("widgets", {}).get(
        "application/vnd.jupyter.widget-state+json", {"state": {}}
    )
    states = sorted(
        json.dumps(_plain(w, hidden), sort_keys=True) for w in widgets["state"].values()
    )
    return {
        "cells": cells,
        "widgets": states,
        "language": dict(ran.nb.metadata.get("language_info", {})),
        "status": ran.status,
    }


def _plain(value: Any, hidden: Iterable[str]) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, hidden) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, hidden) for item in value]
    if not isinstance(value, str):
        return value
    for text in hidden:
        value = value.replace(text, "HERE")
    for pattern, name in _CHANGING:
        value = re.sub(pattern, name, value)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def descriptors(pid: int | str = "self") -> int:
    """Number of files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_kb(pid: int | str = "self") -> int:
    """Resident set of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found.group(1))
