"""Runs a module in a process that cannot outlive its owner.

``python -m mlops_nb.execution.launch FD MODULE ARGUMENTS...``: `FD` is the reading end of a pipe
that the owner holds open. A small process in the same process group waits for its end of file and
then kills the whole group, so neither the module nor what it started is left behind, whatever
killed the owner. It is no child of the module's process, which may wait for all of its children.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys

__all__ = ["guard", "main"]


def main() -> None:
    """Start the watching process, then become the module."""
    lifeline, module = int(sys.argv[1]), sys.argv[2]
    guard(lifeline)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def guard(lifeline: int) -> None:
    """Start the watching process for this process group, where the system can fork."""
    if not hasattr(os, "fork"):
        return
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            _watch(lifeline)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(lifeline)


def _watch(lifeline: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Whoever reads the module's output must see it end with the module.
    os.closerange(0, lifeline)
    os.closerange(lifeline + 1, 256)
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
