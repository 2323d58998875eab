"""Arrays that are kept: one for each use, type and thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mlops_nb.monitoring.collect.base import BLOCK
from mlops_nb.monitoring.sketch.scratch import scratch


def test_an_array_is_kept_for_its_use() -> None:
    first = scratch("a test", np.float64, 10)
    assert first.shape == (10,) and first.dtype == np.float64
    assert np.shares_memory(first, scratch("a test", np.float64, 5))
    assert not np.shares_memory(first, scratch("another", np.float64, 10))
    assert not np.shares_memory(first, scratch("a test", np.int64, 10))


def test_more_than_a_block_fits() -> None:
    assert len(scratch("a test", np.bool_, BLOCK + 5)) == BLOCK + 5
    assert len(scratch("a test", np.bool_, 3)) == 3


def test_threads_do_not_share() -> None:
    mine = scratch("a test", np.float64, 10)
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(scratch, "a test", np.float64, 10).result()
    assert not np.shares_memory(mine, theirs)
