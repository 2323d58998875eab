"""Keeps a notebook's state before the cell that fails, and goes on from such a state.

What has to happen inside the kernel is sent to it as silent requests (see
`mlops_nb.execution.inkernel.checkpoint`). Whoever drives the kernel asks this module for the code
to send and tells it what the kernel answered, so that it serves every kind of kernel.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.execution.control import is_runnable
from mlops_nb.execution.jobs import Kept
from mlops_nb.execution.saving import outputs_folder
from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlops_nb.execution.control import Control
    from mlops_nb.execution.jobs import Earlier

__all__ = ["Keeping", "silent_answer", "silent_request", "source_digests", "why_not"]

_KEEPER = '__import__("IPython").get_ipython()._mlops_nb_keeper'
_DEAD = 90.0  # seconds that the copy of a dead kernel may take to write
_LOOK = 0.02  # seconds between two looks at it
_DYNAMIC = ("globals", "locals", "vars", "eval", "exec", "Out", "_oh")
"""Ways to reach a name without naming it."""


def source_digests(cells: Sequence[Any]) -> tuple[str, ...]:
    """Return the digests of the sources of the cells that are run, in order."""
    return tuple(
        hashlib.sha256(cell["source"].encode("utf-8", "surrogatepass")).hexdigest()
        for cell in cells
        if is_runnable(cell)
    )


def why_not(cells: Sequence[Any], earlier: Earlier, shown: Callable[[int], int | None]) -> str:
    """Return why a notebook cannot go on from an earlier state; empty where it can.

    Parameters
    ----------
    cells
        The notebook's cells as they will be executed.
    earlier
        The state.
    shown
        A cell's index as the notebook's author sees it.
    """
    runnable = [(index, cell) for index, cell in enumerate(cells) if is_runnable(cell)]
    digests = source_digests(cells)
    for place, digest in enumerate(earlier.before):
        if place >= len(digests):
            return "cells before the failed one were removed"
        if digests[place] != digest:
            number = shown(runnable[place][0])
            return "the parameters changed" if number is None else f"cell {number + 1} was edited"
    rest = [(shown(index), cell["source"]) for index, cell in runnable[len(earlier.before) :]]
    for name, what in earlier.missing.items():
        user = earlier.uses.get(name)
        if user:
            return f'"{name}" could not be kept ({what}), and {user}() uses it'
        history = {f"Out[{name[1:]}]", "Out", "_"} if re.fullmatch(r"_\d+", name) else set()
        for number, source in rest:
            words = set(re.findall(r"\w+", source))
            if words & {name, *history, *_DYNAMIC} and number is not None:
                return f'"{name}" could not be kept ({what}), and cell {number + 1} may use it'
    return ""


def silent_request(expression: str) -> dict[str, Any]:
    """Return the content of a request that evaluates an expression and leaves no trace."""
    return {
        "code": "",
        "silent": True,
        "store_history": False,
        "user_expressions": {"answer": expression},
        "allow_stdin": False,
        "stop_on_error": False,
    }


def silent_answer(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text of the error in a reply to `silent_request`, and that of the value."""
    answer = content.get("user_expressions", {}).get("answer", content)
    if answer.get("status") == "ok":
        return "", answer.get("data", {}).get("text/plain", "")
    name, text = answer.get("ename", "error"), answer.get("evalue", "")
    return (text if name == "Refused" else f"{name}: {text}") or name, ""


class Keeping:
    """The state of one execution: what was kept before, and what is kept now.

    Parameters
    ----------
    control
        Names the job.
    nb
        The notebook as it is executed.
    """

    def __init__(self, control: Control, nb: Any) -> None:
        self._control = control
        self._job = control.job
        self._nb = nb
        self._why = ""
        self._ready = False
        self._copy: int | None = None
        """Process id of the sleeping copy."""
        self._at: int | None = None
        """The cell that it was made before."""
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._early = True
        self._skip = 0
        self._widgets: dict[str, Any] = {}
        language = nb.metadata.get("kernelspec", {}).get("language") or control.job.language
        if language.lower() != "python":
            self._why = f"states of notebooks in {language} cannot be kept"

    def opening(self) -> str:
        """Return what to run before the first cell; empty for nothing."""
        job = self._job
        if self._why or not (job.keep or job.earlier):
            return ""
        folder = resources.files("mlops_nb.execution.inkernel")
        checkpoint, settings = (
            folder.joinpath(name).read_text(encoding="utf-8")
            for name in ("checkpoint.py", "settings.py")
        )
        if job.keep:
            shutil.rmtree(job.keep, ignore_errors=True)
            Path(job.keep).mkdir(parents=True, mode=0o700)
        steps = [
            f"space = {{'__name__': '_mlops_nb_checkpoint'}}; exec({checkpoint!r}, space)",
            "settings = __import__('types').ModuleType('_mlops_nb_settings')",
            f"exec({settings!r}, vars(settings))",
            "shell = __import__('IPython').get_ipython()",
            f"limit = {job.keep_mb * 2**20!r}",
            f"keeper = space['Keeper'](shell, {job.keep!r}, limit, settings)",
            "shell._mlops_nb_keeper = keeper",
        ]
        if job.earlier is not None:
            steps.append(f"keeper.restore({job.earlier.namespace!r}, {job.earlier.digest!r})")
        # In a dictionary of its own: the notebook's namespace stays as it is.
        return f"exec({chr(10).join(steps)!r}, {{}})"

    def opened(self, error: str) -> bool:
        """Take the kernel's answer; return whether the notebook may be run in it."""
        job = self._job
        self._ready = not error
        if error:
            self._why = error
        if job.earlier is None:
            return True
        if error or self._why:
            self._control.not_resumed = error or self._why
            return False
        self._skip = len(job.earlier.before)
        self._show_earlier()
        return True

    def skips(self, index: int) -> bool:
        """Whether a cell's work was done earlier."""
        if not self._skip:
            return False
        self._skip -= 1
        self._control.skipped(index)
        return True

    def before(self, index: int) -> str:
        """Return what to run before a cell; empty for nothing."""
        self._copy, self._at = None, index
        # Before the first cell of the author there is nothing worth keeping.
        self._early = not self._control.done
        if not self._job.keep or not self._ready or self._early:
            return ""
        self._stamps = _stamps(self._job.stage)
        return f"{_KEEPER}.take()"

    def took(self, error: str, value: str) -> None:
        """Take the kernel's answer: the process id of the copy."""
        if error or not value.isdigit():
            self._why = error or "the kernel could not be forked"
        else:
            self._copy = int(value)

    def failed(self) -> str:
        """Return what to run when a cell failed and the kernel lives; empty for nothing."""
        return f"{_KEEPER}.dump()" if self._copy is not None else ""

    def ended(self) -> str:
        """Return what to run when all cells ended well; empty for nothing."""
        return f"{_KEEPER}.drop()" if self._copy is not None else ""

    def died(self) -> None:
        """Wait for the copy of a kernel that died: it sees that, and writes by itself."""
        if self._copy is None:
            return
        answer = Path(self._job.keep, "answer.json")
        end = time.monotonic() + _DEAD
        while not answer.exists() and time.monotonic() < end and not self._control.guard.cancelled:
            if not _runs(self._copy):
                break
            time.sleep(_LOOK)

    def result(self) -> Kept | None:
        """Return what was kept; ``None`` where nothing was to be."""
        job, control = self._job, self._control
        if not job.keep or control.status is None:
            return None
        cell = None if control.failed is None else control.author_index(control.failed)
        if control.status is TaskStatus.CANCELLED:
            return Kept(cell=cell, why="cancelled")
        if self._copy is None or cell is None:
            why = self._why or (
                "it failed before its second cell" if self._early else "the kernel was gone"
            )
            return Kept(cell=cell, why=why)
        try:
            answer = json.loads(Path(job.keep, "answer.json").read_bytes())
        except (OSError, ValueError):
            return Kept(cell=cell, why="the state could not be written in time, or its copy died")
        if answer["error"]:
            return Kept(cell=cell, why=answer["error"])
        now = _stamps(job.stage)
        for path, stamp in self._stamps.items():
            if now.get(path) != stamp:
                shown = path.partition("/")[2]
                return Kept(
                    cell=cell,
                    why=f"the cell had begun to change {shown}, which an earlier one wrote",
                )
        place = sum(is_runnable(cell) for cell in self._nb.cells[: self._at])
        return Kept(
            cell=cell,
            before=source_digests(self._nb.cells)[:place],
            missing=answer["missing"],
            uses=answer["uses"],
            files=tuple(sorted(self._stamps)),
        )

    def _show_earlier(self) -> None:
        """Put the outputs of the cells that are not run again into the notebook."""
        from mlops_nb.execution.mending import remove_banners
        from mlops_nb.notebooks.read import read_notebook

        earlier = self._job.earlier
        assert earlier is not None  # noqa: S101 - asked by the caller
        there = read_notebook(earlier.notebook)
        remove_banners(there)
        done = [cell for cell in there.cells if is_runnable(cell)][: self._skip]
        here = [cell for cell in self._nb.cells if is_runnable(cell)]
        for cell, old in zip(here, done, strict=False):
            cell["outputs"] = old["outputs"]
            cell["execution_count"] = old["execution_count"]
            for name in ("papermill", "execution"):
                if name in old["metadata"]:
                    cell["metadata"][name] = old["metadata"][name]
        self._widgets = there.metadata.get("widgets", {})
        large = outputs_folder(Path(earlier.notebook))
        if large.is_dir():
            shutil.copytree(large, outputs_folder(Path(self._job.output)), dirs_exist_ok=True)
        self._nb.metadata["papermill"]["resumed"] = {"run": earlier.run, "cell": earlier.cell}

    def closing(self) -> None:
        """Add the earlier cells' widgets to those of this execution."""
        for kind, theirs in self._widgets.items():
            ours = self._nb.metadata.setdefault("widgets", {}).setdefault(kind, theirs)
            for model, state in theirs.get("state", {}).items():
                ours["state"].setdefault(model, state)


def _stamps(folder: str) -> dict[str, tuple[int, ...]]:
    """Return what changes when a file below a folder is written, by relative path."""
    found: dict[str, tuple[int, ...]] = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here, name)
            stat = path.lstat()
            shown = path.relative_to(folder).as_posix()
            found[shown] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"
