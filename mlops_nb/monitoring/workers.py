"""Profiles files in several processes."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

import msgspec

from mlops_nb.errors import MonitoringError
from mlops_nb.model import Record, decode, encode
from mlops_nb.monitoring.collect.run import Plan
from mlops_nb.monitoring.collect.sources import Piece

__all__ = ["Job", "main", "run_jobs"]


class Job(Record, frozen=True, kw_only=True):
    """What one process has to do."""

    pieces: tuple[Piece, ...]
    plan: Plan


class _Line(Record, frozen=True, kw_only=True):
    """What a process says: its progress, then a profile of so many bytes, or an error."""

    rows: float = 0.0
    size: int | None = None
    error: tuple[str, str, str] | None = None


def run_jobs(jobs: list[Job], report: Callable[[float], None]) -> list[bytes]:
    """Run each job in a process of its own; return the encoded profiles in the jobs' order.

    The processes are plain interpreters that import nothing of the caller's program, so that a
    notebook or a script without a main guard may ask for them.

    Parameters
    ----------
    jobs
        What to do.
    report
        Called with the rows done so far, in this thread.

    Raises
    ------
    MonitoringError
        A job failed, or a process died.
    """
    command = [sys.executable, "-m", "mlops_nb.monitoring.workers"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in jobs
    ]
    news: queue.SimpleQueue[tuple[int, float | bytes | MonitoringError]] = queue.SimpleQueue()
    rows = [0.0] * len(jobs)
    results: dict[int, bytes] = {}
    try:
        for i, process in enumerate(processes):
            threading.Thread(target=_follow, args=(i, process, jobs[i], news), daemon=True).start()
        while len(results) < len(jobs):
            i, what = news.get()
            if isinstance(what, MonitoringError):
                raise what
            if isinstance(what, bytes):
                results[i] = what
            else:
                rows[i] = what
                report(sum(rows))
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
    return [results[i] for i in range(len(jobs))]


def _follow(
    i: int,
    process: subprocess.Popen[bytes],
    job: Job,
    news: queue.SimpleQueue[tuple[int, float | bytes | MonitoringError]],
) -> None:
    """Hand a process its job and pass on what it says; its end is always told."""
    result: bytes | MonitoringError = b""
    with process, suppress(BrokenPipeError, msgspec.DecodeError):
        if process.stdin is not None and process.stdout is not None:
            process.stdin.write(encode(job) + b"\n")
            process.stdin.close()
            for raw in process.stdout:
                line = decode(raw, _Line)
                if line.error is not None:
                    message, where, fix = line.error
                    result = MonitoringError(message, where=where, fix=fix)
                elif line.size is not None:
                    result = process.stdout.read(line.size)
                else:
                    news.put((i, line.rows))
    if isinstance(result, bytes) and (not result or process.returncode):
        result = MonitoringError(
            f"a profiling process ended with code {process.returncode}",
            where=job.pieces[0].path,
            fix="profile with processes=1 to see why; it may have run out of memory",
        )
    news.put((i, result))


def main(source: BinaryIO, target: BinaryIO) -> None:
    """Do one job that is read from a stream, and write what comes of it to another."""
    from mlops_nb.monitoring.profile import profile_pieces

    def say(line: _Line) -> None:
        target.write(encode(line) + b"\n")
        target.flush()

    job = decode(source.readline(), Job)
    try:
        data = profile_pieces(
            job.pieces, job.plan, report=lambda rows: say(_Line(rows=rows))
        ).to_bytes()
    except MonitoringError as error:
        say(_Line(error=(error.message, error.where, error.fix)))
        return
    say(_Line(size=len(data)))
    target.write(data)
    target.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
