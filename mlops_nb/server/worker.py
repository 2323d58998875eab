"""A worker process: answers requests one after another until its server is gone.

``python -m mlops_nb.server.worker`` reads `Call` frames from its standard input and writes `Answer`
frames to what was its standard output; what libraries print goes to standard error.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import msgspec

from mlops_nb.errors import MlopsNbError
from mlops_nb.model.base import encode
from mlops_nb.server.answers import Refusal, refusal_of
from mlops_nb.server.records import ErrorView
from mlops_nb.server.routes import ROUTES, Route
from mlops_nb.server.wire import Answer, Call, read_frame, write_frame

__all__ = ["Asked", "answer", "main"]

_BY_NAME = {f"{route.area}.{route.name}": route for route in ROUTES}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A call with its query and body as records: what an operation is handed."""

    root: str
    project: str
    label: str
    path: dict[str, str]
    query: Any
    body: Any
    actor: str


def answer(call: Call) -> Answer:
    """Do what a call asks for; every error becomes an answer."""
    route = _BY_NAME[call.route]
    try:
        return Answer(status=route.status, body=msgspec.Raw(encode(_do(route, call))))
    except Refusal as refusal:
        return Answer(status=refusal.status, error=refusal.error)
    except MlopsNbError as error:
        told = refusal_of(error)
        return Answer(status=told.status, error=told.error)
    except OSError as error:
        view = ErrorView(
            kind="OSError",
            message=f"a file cannot be read or written: {error.strerror or error}",
            where=str(error.filename or call.route)[:500],
            fix="check that it is there, may be written, and that its disk has room",
        )
        return Answer(status=422, error=view)
    except Exception as error:  # noqa: BLE001 - the border: a worker outlives what it is asked for
        import traceback

        traceback.print_exc()
        failed = ErrorView(
            kind=type(error).__name__,
            message=f"the request failed: {error}",
            where=call.route,
            fix="see the Jupyter server's log",
        )
        return Answer(status=503, error=failed)


def _do(route: Route, call: Call) -> Any:
    module = import_module(f"mlops_nb.server.operations.{route.area}")
    asked = Asked(
        root=call.root,
        project=call.project,
        label=call.label,
        path=call.path,
        query=None if route.query is None else msgspec.json.decode(call.query, type=route.query),
        body=None if route.body is None else msgspec.json.decode(call.body, type=route.body),
        actor=call.actor,
    )
    return getattr(module, route.name)(asked)


def main() -> None:
    """Answer until the pipe ends."""
    # Frames keep the pipe for themselves: a print of any library would break them.
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    calls = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    while True:
        try:
            call = read_frame(calls, Call)
        except EOFError:
            return
        done = answer(call)
        try:
            write_frame(frames, done)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
