"""What a process hands down to those it starts, besides its environment."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["inherited"]


def inherited() -> dict[str, Any]:
    """Return the umask, the resource limits and the cores of this process."""
    import resource

    kinds = {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    limits = [[kind, *resource.getrlimit(kind)] for kind in sorted(kinds)]
    return {"umask": _umask(), "limits": limits, "cores": sorted(os.sched_getaffinity(0))}


def _umask() -> int:
    # os.umask can only be read by setting it, which other threads would see.
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123 - in a hurry
        return next(int(line[6:], 8) for line in status if line.startswith("Umask:"))
