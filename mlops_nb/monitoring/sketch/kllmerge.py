"""Merges KLL sketches, with the guarantee of the paper for any order of merges."""

from __future__ import annotations

from random import Random

import numpy as np

from mlops_nb.monitoring.sketch.kll import Kll, capacity, level_capacity

__all__ = ["merge"]


def merge(a: Kll, b: Kll) -> Kll:
    """Return the sketch of both streams; the same two sketches always give the same one.

    Levels are joined; then, from below, a level that is too full is halved into the next while the
    sketch as a whole is too full (``general_compress`` of DataSketches).
    """
    if not a.n or not b.n:
        return a if not b.n else b
    k = max(a.k, b.k)
    levels = [
        np.concatenate([sketch.levels[i] for sketch in (a, b) if i < len(sketch.levels)])
        for i in range(max(len(a.levels), len(b.levels)))
    ]
    coin = Random((a.n << 64) + b.n)  # noqa: S311
    held = sum(map(len, levels))
    room = capacity(k, len(levels))
    while held > room:
        for i in range(len(levels)):
            levels[i].sort()
            if held <= room or len(levels[i]) < level_capacity(k, len(levels), i):
                continue
            if i + 1 == len(levels):
                levels.append(np.empty(0))
                room = capacity(k, len(levels))
            odd = len(levels[i]) & 1
            halved = levels[i][odd + coin.getrandbits(1) :: 2]
            held -= len(levels[i]) - odd - len(halved)
            levels[i + 1] = np.concatenate((levels[i + 1], halved))
            levels[i] = levels[i][:odd]
    for level in levels:
        level.sort()
    return Kll(
        n=a.n + b.n,
        minimum=min(a.minimum, b.minimum),
        maximum=max(a.maximum, b.maximum),
        levels=tuple(levels),
        k=k,
        min_k=min(a.min_k, b.min_k),
    )
