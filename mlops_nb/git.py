"""Asks Git about a folder; never changes anything."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["git"]


def git(folder: Path, *arguments: str, seconds: float = 20.0) -> bytes | None:
    """Return what a Git command prints in a folder.

    Parameters
    ----------
    folder
        Where it is asked.
    arguments
        The command; no shell sees it.
    seconds
        How long it may take.

    Returns
    -------
    bytes or None
        ``None`` where Git is not installed, fails or does not end.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            # Reading must not take the index lock away from the user's own git.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
