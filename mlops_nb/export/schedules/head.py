"""The lines that files of schedules begin with: what they were made from, and how."""

from __future__ import annotations

import re

from mlops_nb.export.naming import title
from mlops_nb.export.quoting import comment

__all__ = ["command", "head", "head_xml", "mark"]

_XML = frozenset({"windows-task"})


def command(target: str) -> str:
    """Return the command that makes the files of a target."""
    return f"mlops-nb schedule export --to {target}"


def mark(target: str) -> str:
    """Return what the head of a target's files ends with."""
    return _plain(command(target)) if target in _XML else command(target)


def head(target: str, of: str) -> str:
    """Return two lines, the same in every file of a target, by which those left over are known.

    Parameters
    ----------
    target
        One of the targets.
    of
        The project: its name, or its folder where the file holds that anyway.
    """
    return comment(f"{_made(of)}\n{command(target)}")


def head_xml(target: str, of: str) -> str:
    """Return the same as comments of XML, in which no two hyphens may follow one another."""
    return "".join(f"<!-- {_plain(line)} -->\n" for line in (_made(of), mark(target)))


def _made(of: str) -> str:
    return f"Schedules of {title(of, limit=400)} by mlops-nb. Do not edit: change a schedule, then run:"


def _plain(text: str) -> str:
    return re.sub("-(?=-)", "- ", text)
