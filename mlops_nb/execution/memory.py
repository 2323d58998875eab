"""How much memory tasks may count on."""

from __future__ import annotations

from pathlib import Path

__all__ = ["available_mb"]


def available_mb() -> float:
    """Return the MiB that are free for tasks: the machine's, or less where a control group says so."""
    import psutil

    free = float(psutil.virtual_memory().available)
    limit = _number("memory.max")
    used = _number("memory.current")
    if limit is not None and used is not None:
        free = min(free, max(0.0, limit - used))
    return free / 1024**2


def _number(name: str) -> float | None:
    """Return one value of this process's control group (version 2); ``None`` without a limit."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().rpartition("::")[2]
        return float(Path(f"/sys/fs/cgroup{group}", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
