"""Decides which bundles a job is given, so that what all tasks above it have made arrives.

As a rule that is the bundle of each job above it: nothing is stored twice. A cluster's store bounds
how many a job can name, so from a depth on some jobs pass on what they were given in a second
bundle, and the jobs below name that one instead. It happens once in `MOST` jobs of a chain and not
in each: what is stored grows with the jobs and not with their square.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST", "hand_on"]

MOST = 24
"""Bundles that a job is given before it passes them on."""


def hand_on(above: Sequence[set[int]], most: int = MOST) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each job what it is given.

    Parameters
    ----------
    above
        The numbers of all jobs above each job; a job stands after those above it.
    most
        A job that is given more bundles than this passes them on.

    Returns
    -------
    own
        The jobs whose own bundles it is given.
    passed
        The jobs that pass on to it what they were given: what all jobs above them have made.
    """
    own: list[list[int]] = []
    passed: list[list[int]] = []
    passes: list[bool] = []
    for ancestors in above:
        names: list[int] = []
        whole: list[int] = []
        covered: set[int] = set()
        # The nearest first: they are the ones that pass on most.
        for other in sorted(ancestors, reverse=True):
            if other not in covered:
                names.append(other)
            # What is there already for the most part is named piece by piece.
            if passes[other] and 2 * len(above[other] - covered) > len(above[other]):
                whole.append(other)
                covered |= above[other]
        own.append(sorted(names))
        passed.append(sorted(whole))
        passes.append(len(names) + len(whole) > most)
    return own, passed
