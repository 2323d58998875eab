"""Takes a kernel's messages into the notebook: streams merged, and no cell without bounds.

nbclient appends one output for each message, and a notebook of a hundred thousand flushed lines
then takes minutes to save. Here the pieces of one stream become one output. What a cell puts out
beyond a limit goes to a file beside the notebook, whole, and the cell says so.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from papermill.clientwrap import PapermillNotebookClient

from mlops_nb.execution.control import MESSAGE, TRACEBACK, shortened
from mlops_nb.execution.saving import outputs_folder

if TYPE_CHECKING:
    from mlops_nb.execution.papermill_engine import Manager

__all__ = ["BoundedClient"]

_TAIL = 16 * 1024  # characters of a cut stream's end that are kept too: an error stands there
_EACH = 120  # characters that an output takes in the file beside its content
_SUFFIXES = {
    "text/plain": "txt",
    "text/html": "html",
    "text/latex": "tex",
    "text/markdown": "md",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpg",
    "application/pdf": "pdf",
    "application/json": "json",
    "application/javascript": "js",
}
_BINARY = ("image/png", "image/jpeg", "application/pdf")
_RICH = ("display_data", "execute_result", "update_display_data")
_NEW = ("display_data", "execute_result", "error")


class _Overflow:
    """The file that takes all text of one cell, once that is too much for the notebook."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.tail = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")

    def write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "surrogatepass"))
        self.size += len(text)
        self.tail = text[-_TAIL:] if len(text) >= _TAIL else (self.tail + text)[-_TAIL:]

    def close(self) -> None:
        self._file.close()


class BoundedClient(PapermillNotebookClient):  # type: ignore[misc]
    """Papermill's client with merged streams and a limit on each cell's output.

    Parameters
    ----------
    manager
        Papermill's; its control names the limit.
    """

    def __init__(self, manager: Manager, **options: Any) -> None:
        super().__init__(manager, **options)
        self.control = manager.control
        self.clear_before_next_output = False
        self._limit = int(self.control.job.max_output_mb * 2**20)
        self._kept = 0
        self._stream: Any = None
        self._pieces: list[str] = []
        self._overflow: _Overflow | None = None
        self._cut: Any = None
        self._files = 0
        self._displays: dict[str, int] = {}
        self._in_widgets: dict[int, int] = {}
        self._paths: dict[tuple[str, str], Path] = {}

    def begin_cell(self) -> None:
        """Start counting anew."""
        self._kept = self._files = 0
        self._stream, self._pieces = None, []
        self._overflow = self._cut = None
        self._displays, self._in_widgets, self._paths = {}, {}, {}

    def end_cell(self) -> None:
        """Put everything that waits into the cell."""
        self.settle()
        if self._overflow is None:
            return
        self._overflow.close()
        tail, self._cut["text"] = self._overflow.tail, self._note(self._overflow)
        if tail:
            self._cut["text"] += "[...]" + tail
        self._overflow = None

    def settle(self) -> None:
        """Make the last stream's output whole."""
        if self._pieces:
            self._stream["text"] += "".join(self._pieces)
            self._pieces = []

    def save_if_due(self) -> None:
        """Write the notebook while a cell runs, now and then."""
        if self.nb_man.saver.is_due():
            self.settle()
            self.nb_man.autosave_cell()

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Take one message; see `nbclient.NotebookClient.process_message`."""
        kind = msg["msg_type"]
        hooks = self.output_hook_stack[msg["parent_header"].get("msg_id")]
        if kind in _NEW and self.clear_before_next_output and not hooks:
            self._clear(cell, cell_index)
        output = None
        if kind in _RICH and not self._takes(msg["content"], kind, hooks, cell, cell_index):
            pass  # it is in the cell's file
        elif kind != "stream" or hooks:
            if kind == "error":
                self._bound_error(msg["content"], cell_index)
            if kind == "clear_output" or kind in _NEW:
                self.settle()
                self._stream = None
            output = super(PapermillNotebookClient, self).process_message(msg, cell, cell_index)
        else:
            content = msg["content"]
            self.take_text(content["name"], content["text"], cell, cell_index)
            output = _output("stream", name=content["name"], text=content["text"])
        if kind == "update_display_data":
            self.nb_man.saver.forget()  # it may stand in any cell
        self.save_if_due()
        if output is not None and (self.log_output or self.stderr_file or self.stdout_file):
            self.log_output_message(output)
        return output

    def clear_output(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        """Clear a cell, or the widget that takes its outputs; the count begins anew."""
        super().clear_output(outs, msg, cell_index)
        if hooks := self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            self._kept -= self._in_widgets.pop(id(hooks[-1]), 0)
        elif not outs:
            self._restart()

    def _clear(self, cell: Any, index: int) -> None:
        """Do what ``clear_output(wait=True)`` had put off until there is something new."""
        cell["outputs"][:] = []
        self.clear_display_id_mapping(index)
        self.clear_before_next_output = False
        self._restart()

    def _restart(self) -> None:
        if self._overflow is not None:
            self._overflow.close()
        self.begin_cell()

    def take_text(self, name: str, text: str, cell: Any, index: int) -> None:
        """Add text to the stream that the cell's last output is, or to a new one."""
        if self.clear_before_next_output:
            self._clear(cell, index)
        if self._overflow is not None:
            self._overflow.write(text)
            return
        fresh = self._stream is None or self._stream["name"] != name
        self._kept += _EACH * fresh
        room = max(self._limit - self._kept, 0)
        kept = text[:room]
        if fresh:
            self.settle()
            self._stream = _output("stream", name=name, text="")
            cell["outputs"].append(self._stream)
        self._pieces.append(kept)
        self._kept += len(kept)
        if len(text) > room:
            self._spill(cell, index, text[room:])

    def _spill(self, cell: Any, index: int, text: str) -> None:
        """Begin the file: the text that the cell holds already, then the rest."""
        self.settle()
        self._overflow = _Overflow(self._file(index, "txt"))
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                self._overflow.write(output["text"])
        self._cut = _output("stream", name="stderr", text="")
        cell["outputs"].append(self._cut)
        self._overflow.write(text)

    def _note(self, overflow: _Overflow) -> str:
        return (
            f"\n[The output was cut after {self._limit / 2**20:.3g} MiB; "
            f"all {overflow.size / 2**20:.1f} MiB are in {self._shown(overflow.path)}]\n"
        )

    def _takes(self, content: dict[str, Any], kind: str, hooks: Any, cell: Any, index: int) -> bool:
        """Bound what an object shows; return whether the notebook still has room for it.

        A display that is updated takes the place of what it showed before, in all its copies.
        """
        name = (content.get("transient") or {}).get("display_id")
        fresh = kind != "update_display_data"
        copies = int(fresh)
        if name:
            self._kept -= self._displays.pop(name, 0)
            copies += sum(len(found) for found in self._display_id_map.get(name, {}).values())
        if fresh and not hooks:
            size = sum(len(_text(value)) for value in content["data"].values())
            needed = _EACH + min(size, 2 * _EACH)  # where it is long, a note takes its place
            if self._overflow is not None or self._kept + needed > self._limit:
                self._hide(content["data"], cell, index)
                return False
        before = self._kept
        self._kept += _EACH * fresh
        if copies:
            self._bound(content["data"], index, name, copies)
        if name:
            self._displays[name] = self._kept - before
        elif hooks:
            widget = id(hooks[-1])
            self._in_widgets[widget] = self._in_widgets.get(widget, 0) + self._kept - before
        return True

    def _hide(self, data: dict[str, Any], cell: Any, index: int) -> None:
        """Put an object into the cell's file; pictures and what is long into files of their own."""
        text = ""
        for kind in sorted(data, key=lambda kind: (kind != "text/plain", kind)):
            shown = _text(data[kind])
            if kind in _BINARY or (len(shown) > _TAIL and kind != "text/plain"):
                shown = f"[{kind}: {self._shown(self._put(index, kind, shown))}]"
            text += f"{shown}\n"
        if self._overflow is None:
            self._spill(cell, index, text)
        else:
            self._overflow.write(text)

    def _bound(self, data: dict[str, Any], index: int, name: str | None, copies: int) -> None:
        """Replace each large representation of an object by a file, and say so in its text."""
        notes = []
        for kind in sorted(data):
            text = _text(data[kind])
            if self._kept + len(text) * copies <= self._limit:
                self._kept += len(text) * copies
                continue
            path = self._put(index, kind, text, name)
            notes.append(
                f"[{kind}: {len(text) / 2**20:.1f} MiB, beyond the limit of "
                f"{self._limit / 2**20:.3g} MiB, are in {self._shown(path)}]"
            )
            self._kept += len(notes[-1]) * copies
            del data[kind]
        if notes:
            data["text/plain"] = "\n".join([str(data.get("text/plain", "")), *notes]).strip()

    def _bound_error(self, content: dict[str, Any], index: int) -> None:
        """Shorten an exception that says too much; a file has all of it."""
        message, trace = content["evalue"], "\n".join(content["traceback"])
        limit = TRACEBACK - 2 * _EACH  # there is a note yet to come
        if len(message) > MESSAGE or len(trace) > limit:
            path = self._put(index, "text/plain", max(trace, message, key=len))
            note = f"[{len(trace) / 2**20:.1f} MiB are in {self._shown(path)}]"
            content["evalue"] = shortened(message, MESSAGE)
            content["traceback"] = [*shortened(trace, limit).split("\n"), note]

    def _put(self, index: int, kind: str, text: str, name: str | None = None) -> Path:
        """Write a representation to a file; a display that is updated keeps its file."""
        path = self._paths.get((name, kind)) if name else None
        if path is None:
            path = self._file(index, _SUFFIXES.get(kind, "txt"))
        if name:
            self._paths[name, kind] = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(kind, text))
        return path

    def _file(self, index: int, suffix: str) -> Path:
        shown = self.control.author_index(index)
        name = "cell-injected" if shown is None else f"cell-{shown}"
        number = f"-{self._files}" if self._files else ""
        self._files += 1
        return outputs_folder(Path(self.control.job.output)) / f"{name}{number}.{suffix}"

    def _shown(self, path: Path) -> str:
        return f"{path.parent.name}/{path.name}"


def _output(kind: str, **fields: Any) -> Any:
    # nbformat's own maker checks each output against the schema: milliseconds, for a line of text.
    from nbformat import NotebookNode

    return NotebookNode(output_type=kind, **fields)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _content(kind: str, text: str) -> bytes:
    if kind in _BINARY:
        try:
            return base64.b64decode(text, validate=False)
        except binascii.Error:
            pass
    return text.encode("utf-8", "surrogatepass")
