"""Keeps one tracker open for one run in a process of its own: ``python -m mlops_nb.tracking.session``.

Importing a tracker's client takes seconds; here that happens beside the run instead of before it.
The protocol is one line of JSON each way: the run's facts in, ``{"environment": ...}`` out; the
ended run in, ``{"done": true}`` out. An error is ``{"error": [message, where, fix]}``. When the
input ends before the run did, its owner has died, and the tracker's run is closed as lost.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb import plugins
from mlops_nb.errors import MlopsNbError
from mlops_nb.model import Record, Run, RunFacts, RunStatus, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_nb.protocols import Tracker

__all__ = ["Reply", "main"]


class Reply(Record, frozen=True, kw_only=True):
    """What the session answers."""

    environment: dict[str, str] = {}
    done: bool = False
    error: tuple[str, str, str] | None = None
    """Message, place and fix."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one run on standard input and output."""
    parser = argparse.ArgumentParser(prog="python -m mlops_nb.tracking.session")
    parser.add_argument("tracker", help="the tracker's name, such as mlflow")
    parser.add_argument("--uri", required=True)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="the run's folder")
    given = parser.parse_args(arguments)
    # Replies get a stream of their own: a client library that prints must not break the protocol.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def reply(answer: Reply) -> None:
        replies.write(encode(answer) + b"\n")

    try:
        tracker: Tracker = plugins.find("tracker", given.tracker)(given.uri, given.experiment)
        _serve(tracker, given.folder, reply)
    except MlopsNbError as error:
        reply(Reply(error=(error.message, error.where, error.fix)))
        return int(error.exit_code)
    return 0


def _serve(tracker: Tracker, folder: Path, reply: Callable[[Reply], None]) -> None:
    line = sys.stdin.buffer.readline()
    if not line:
        return
    facts = decode(line, RunFacts)
    environment = dict(tracker.start(facts))
    reply(Reply(environment=environment))
    line = sys.stdin.buffer.readline()
    if line:
        tracker.finish(decode(line, Run), folder)
        reply(Reply(done=True))
        return
    known = msgspec.structs.replace(facts, mlflow_run_id=environment.get("MLFLOW_RUN_ID", ""))
    tracker.finish(Run(facts=known, status=RunStatus.LOST, ended=time.time()), folder)


if __name__ == "__main__":
    raise SystemExit(main())
