"""Ends a process group that this process did not start itself when this process is killed.

ipykernel looks after its parent and goes with it, but not what a notebook has started. A small shell
waits at a pipe whose other end only this process holds; where that ends without a word, it kills
the group. Processes of our own have `mlops_nb.execution.launch`.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

__all__ = ["Lifeline"]

_WATCH = 'read -r word || kill -s KILL -- "-$1"'


class Lifeline:
    """A process group's tie to this process; nothing where the system has no groups or no shell.

    Parameters
    ----------
    group
        The group's number.
    """

    def __init__(self, group: int) -> None:
        self._watch: subprocess.Popen[bytes] | None = None
        if not hasattr(os, "killpg"):
            return
        with suppress(OSError):
            self._watch = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "sh", str(group)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # what ends this process shall not end it
            )

    def cut(self) -> None:
        """Let the group go, whatever happens from now on."""
        watch, self._watch = self._watch, None
        if watch is not None:
            with suppress(OSError):
                watch.communicate(b"\n")
