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
from typing import IO, TYPE_CHECKING, Any

from papermill.clientwrap import PapermillNotebookClient

if TYPE_CHECKING:
    from mlops_nb.execution.papermill_engine import Manager

__all__ = ["BoundedClient", "outputs_folder"]

_TAIL = 16 * 1024  # characters of a cut stream's end that are kept too: an error stands there
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


class _Overflow:
    """The file that takes all text of one cell, once that is too much for the notebook."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.tail = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("w", encoding="utf-8", errors="surrogatepass", newline="")

    def write(self, text: str) -> None:
        self._file.write(text)
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

    def begin_cell(self) -> None:
        """Start counting anew."""
        self._kept = self._files = 0
        self._stream, self._pieces = None, []
        self._overflow = self._cut = None

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
        if kind in _RICH:
            self._bound(msg["content"]["data"], cell_index)
        if kind != "stream" or self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            if kind in ("clear_output", "display_data", "execute_result", "error"):
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
        """Clear a cell; its count begins anew."""
        super().clear_output(outs, msg, cell_index)
        if not outs:
            self._restart()

    def _restart(self) -> None:
        if self._overflow is not None:
            self._overflow.close()
        self.begin_cell()

    def take_text(self, name: str, text: str, cell: Any, index: int) -> None:
        """Add text to the stream that the cell's last output is, or to a new one."""
        if self.clear_before_next_output:
            cell["outputs"][:] = []
            self.clear_display_id_mapping(index)
            self.clear_before_next_output = False
            self._restart()
        if self._overflow is not None:
            self._overflow.write(text)
            return
        room = max(self._limit - self._kept, 0)
        kept = text[:room]
        if self._stream is None or self._stream["name"] != name:
            self.settle()
            self._stream = _output("stream", name=name, text="")
            cell["outputs"].append(self._stream)
        self._pieces.append(kept)
        self._kept += len(kept)
        if len(text) > room:
            self._spill(cell, index, text[room:])

    def _spill(self, cell: Any, index: int, text: str) -> None:
        """Begin the file: what the cell holds already, then the rest."""
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

    def _bound(self, data: dict[str, Any], index: int) -> None:
        """Replace each large representation of an object by a file, and say so in its text."""
        notes = []
        for kind in sorted(data):
            value = data[kind]
            text = value if isinstance(value, str) else json.dumps(value)
            if self._kept + len(text) <= self._limit:
                self._kept += len(text)
                continue
            path = self._file(index, _SUFFIXES.get(kind, "txt"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_content(kind, text))
            notes.append(
                f"[{kind}: {len(text) / 2**20:.1f} MiB, beyond the limit of "
                f"{self._limit / 2**20:.3g} MiB, are in {self._shown(path)}]"
            )
            del data[kind]
        if notes:
            data["text/plain"] = "\n".join([str(data.get("text/plain", "")), *notes]).strip()

    def _file(self, index: int, suffix: str) -> Path:
        shown = self.control.author_index(index)
        name = "cell-injected" if shown is None else f"cell-{shown}"
        number = f"-{self._files}" if self._files else ""
        self._files += 1
        return outputs_folder(Path(self.control.job.output)) / f"{name}{number}.{suffix}"

    def _shown(self, path: Path) -> str:
        return f"{path.parent.name}/{path.name}"


def outputs_folder(notebook: Path) -> Path:
    """Return the folder beside an executed notebook that holds what is too large for it."""
    return notebook.with_name(notebook.name + ".outputs")


def _output(kind: str, **fields: Any) -> Any:
    # nbformat's own maker checks each output against the schema: milliseconds, for a line of text.
    from nbformat import NotebookNode

    return NotebookNode(output_type=kind, **fields)


def _content(kind: str, text: str) -> bytes:
    if kind in _BINARY:
        try:
            return base64.b64decode(text, validate=False)
        except binascii.Error:
            pass
    return text.encode("utf-8", "surrogatepass")
