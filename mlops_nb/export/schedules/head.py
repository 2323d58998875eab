"""The lines that files of schedules begin with: what they were made from, and how."""

from __future__ import annotations

from mlops_nb.export.naming import title
from mlops_nb.export.quoting import comment

__all__ = ["command", "head"]


def command(target: str) -> str:
    """Return the command that makes the files of a target."""
    return f"mlops-nb schedule export --to {target}"


def head(target: str, of: str) -> str:
    """Return two lines, the same in every file of a target, by which those left over are known.

    Parameters
    ----------
    target
        One of the targets.
    of
        The project: its name, or its folder where the file holds that anyway.
    """
    text = f"Schedules of {title(of, limit=400)} by mlops-nb. Do not edit: change a schedule, then run:"
    return comment(f"{text}\n{command(target)}")
