"""Huge pages change how memory is kept, and nothing that is in it."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_nb.execution.warm import huge

PROGRAM = """
import hashlib, os
from mlops_nb.execution.warm.huge import collapse
held = [bytes([n % 251]) * 100_000 for n in range(400)]
before = hashlib.sha256(b"".join(held)).digest()
done = collapse()
rollup = open("/proc/self/smaps_rollup").read().split("AnonHugePages:")[1].split()[0]
if os.fork() == 0:
    held[7] = b"changed"
    os._exit(hashlib.sha256(b"".join(held)).digest() == before)
assert os.wait()[1] == 0
assert hashlib.sha256(b"".join(held)).digest() == before
print(done, int(rollup) * 1024)
"""


def can() -> bool:
    """Whether this machine's kernel makes huge pages when it is asked to."""
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    version = tuple(int(part) for part in platform.release().split(".")[:2] if part.isdigit())
    return version >= (6, 1) and enabled.exists() and "[never]" not in enabled.read_text()


def test_what_is_in_memory_stays_for_this_process_and_those_it_forks() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    done, huge_pages = (int(word) for word in ran.stdout.split())
    assert done % (2 << 20) == 0
    assert huge_pages >= done
    if can():
        assert done > 0


@pytest.mark.parametrize(
    ("line", "region"),
    [
        ("7f0000000000-7f0000400000 rw-p 00000000 00:00 0 ", (0x7F0000000000, 0x7F0000400000)),
        ("5581a0000000-5581a0800000 rw-p 00000000 00:00 0    [heap]", (0x5581A0000000, 0x5581A0800000)),
        ("7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0    [stack]", (0, 0)),
        ("7f0000000000-7f0000400000 r--p 00000000 00:00 0 ", (0, 0)),
        ("7f0000000000-7f0000400000 rw-s 00000000 00:00 0 ", (0, 0)),
        ("7f0000000000-7f0000400000 rw-p 00001000 fe:00 1234   /usr/lib/a b.so", (0, 0)),
    ],
)  # fmt: skip
def test_only_memory_of_the_process_alone_is_touched(line: str, region: tuple[int, int]) -> None:
    assert huge._region(line) == region
