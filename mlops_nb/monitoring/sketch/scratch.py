"""Arrays for what is computed on the way, kept from block to block.

An array of a block's size is given back to the system when it is freed and faulted in again, page
by page, when the next one is made: on a virtual machine that took four fifths of the time of
profiling a column of times.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["scratch"]

_STEP = 1 << 14
T = TypeVar("T", bound=np.generic)


class _Kept(threading.local):
    def __init__(self) -> None:
        self.arrays: dict[tuple[str, type], NDArray[Any]] = {}


_kept = _Kept()


def scratch(use: str, kind: type[T], n: int) -> NDArray[T]:
    """Return an array of `n` undefined values, this thread's own for one use.

    It holds until the same use asks again: what outlives a block has to be copied.
    """
    key = (use, kind)
    whole = _kept.arrays.get(key)
    if whole is None or len(whole) < n:
        # Written once here, lest the first use pays for the pages.
        whole = _kept.arrays[key] = np.ones(-(-n // _STEP) * _STEP, kind)
    return whole[:n]
