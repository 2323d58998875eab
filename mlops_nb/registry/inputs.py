"""What a gate's answer rests on besides its own settings: once that changes, the answer is void."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.registry.settings import AnyGate, DriftGate, NotebookGate

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.config import Project

__all__ = ["gate_inputs"]


class _Metadata(msgspec.Struct):
    tags: list[str] = []


class _Cell(msgspec.Struct):
    cell_type: str
    source: str | list[str] = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Notebook(msgspec.Struct):
    cells: list[_Cell]


def gate_inputs(project: Project, gate: AnyGate) -> bytes:
    """Return what else decides a gate's answer: its notebook's code, or monitoring's settings.

    Outputs and prose of a notebook do not count, so running or explaining it voids nothing.
    """
    if isinstance(gate, NotebookGate):
        return _code(project.root / gate.notebook)
    if isinstance(gate, DriftGate):
        monitoring: Any = project.tables.get("monitoring", {})
        drift = monitoring.get("drift", {}) if isinstance(monitoring, dict) else {}
        return msgspec.json.encode(drift, order="deterministic") if drift else b""
    return b""


def _code(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError:
        return b"missing"
    try:
        cells = msgspec.json.decode(data, type=_Notebook).cells
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data  # a notebook in plain text
    return msgspec.json.encode(
        [
            ("".join(cell.source), sorted(cell.metadata.tags))
            for cell in cells
            if cell.cell_type == "code"
        ]
    )
