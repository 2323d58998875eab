"""What a resident server does besides running notebooks: its templates are compiled already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.files import write_whole
from mlops_nb.model import Run, encode
from mlops_nb.pages import notebook_page, prepare_pages
from mlops_nb.runs.report import prepare_reports, write_reports

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SERVICES", "prepare"]


def prepare() -> None:
    """Get ready, before the server forks a process for a run."""
    prepare_pages()
    prepare_reports()


def _page(value: dict[str, Any]) -> None:
    write_whole(Path(value["target"]), encode(notebook_page(Path(value["notebook"]))))


def _report(value: dict[str, Any]) -> None:
    run = msgspec.convert(value["run"], Run)
    write_reports(run, Path(value["folder"]), tasks=value["tasks"])


SERVICES: dict[str, Callable[[dict[str, Any]], None]] = {"page": _page, "report": _report}
"""By the name that `mlops_nb.execution.resident.Resident.call` takes."""
