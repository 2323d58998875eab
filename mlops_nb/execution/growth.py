"""What a cache's folder holds at most, told without looking through it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mlops_nb.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Growth"]

_LINES = 100
"""Additions after which somebody looks: others may have put something there."""


class Growth:
    """A file beside a cache: the bytes that were counted, and what each run has added since.

    Lines are appended whole, so runs at once lose none. What was dropped counts still; what is
    missing is what others put there and what was added while somebody counted: the next count,
    after a hundred additions at the latest, finds it.

    Parameters
    ----------
    folder
        The cache's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "size"

    def add(self, size: int) -> None:
        """Note that bytes were added."""
        with suppress(OSError), self._path.open("ab", buffering=0) as file:  # unknown, then
            file.write(b"+%d\n" % size)

    def most(self) -> int | None:
        """Return how many bytes there are at most; ``None`` where somebody has to look."""
        try:
            counted, *added = self._path.read_bytes().splitlines()
            if not counted.startswith(b"=") or len(added) > _LINES:
                return None
            return int(counted[1:]) + sum(int(line) for line in added)
        except (OSError, ValueError):
            return None

    def counted(self, size: int) -> None:
        """Note how many bytes there are."""
        with suppress(OSError):
            write_whole(self._path, b"=%d\n" % size)
