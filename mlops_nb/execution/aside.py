"""Keeps what a failed attempt left for people, which the next one at the task would overwrite."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mlops_nb.files import file_name, write_whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["set_aside"]


def set_aside(run_dir: Path, task: str, number: int) -> None:
    """Rename an attempt's executed notebook, its large outputs and its logs after the attempt.

    ``notebooks/fit.ipynb`` becomes ``notebooks/fit.attempt-1.ipynb``, and so on. A file that cannot
    be renamed is left to the next attempt: no reason to fail that.

    Parameters
    ----------
    run_dir
        The run's folder.
    task
        The task's name.
    number
        The attempt that has ended.
    """
    name = file_name(task)
    places = (
        ("notebooks", ".ipynb"),
        ("notebooks", ".ipynb.outputs"),
        ("logs", ".log"),
        ("logs", ".on_finish.log"),
        ("logs", ".on_failure.log"),
    )
    kept = f"{name}.attempt-{number}"
    for folder, ending in places:
        old, new = (run_dir / folder / f"{stem}{ending}" for stem in (name, kept))
        if old.exists():
            with suppress(OSError):
                old.rename(new)
    large = run_dir / "notebooks" / f"{kept}.ipynb.outputs"
    if large.is_dir():
        # The cells name the files that took what was too large for them.
        notebook = run_dir / "notebooks" / f"{kept}.ipynb"
        with suppress(OSError):
            text = notebook.read_bytes()
            shown = f"{name}.ipynb.outputs/".encode()
            write_whole(notebook, text.replace(shown, f"{large.name}/".encode()))
