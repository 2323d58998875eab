"""What server and worker say to each other: frames of JSON over a pair of pipes."""

from __future__ import annotations

import os
import struct
from typing import IO, TYPE_CHECKING, TypeVar

import msgspec

from mlops_nb.model.base import Record
from mlops_nb.server.records import ErrorView

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "Call", "read_frame", "worker_environment", "write_frame"]

_LENGTH = struct.Struct(">Q")
_MOST = 1 << 31
T = TypeVar("T")


class Call(Record, frozen=True, kw_only=True):
    """One request, checked and on its way to a worker."""

    route: str
    """``area.name``."""
    root: str
    """The server's root, absolute."""
    project: str = ""
    """The project's folder, absolute; empty where the request names none."""
    label: str = ""
    """The project's path relative to the root."""
    path: dict[str, str] = {}
    """What stood in the path's places."""
    query: msgspec.Raw = msgspec.Raw(b"{}")
    body: msgspec.Raw = msgspec.Raw(b"{}")
    actor: str = ""
    """Who asks; empty where the server knows nobody by name."""


class Answer(Record, frozen=True, kw_only=True):
    """What became of a request."""

    status: int = 200
    error: ErrorView | None = None
    body: msgspec.Raw = msgspec.Raw(b"null")
    """The answer's JSON, passed on as it is."""


def write_frame(stream: IO[bytes], record: Record) -> None:
    """Send a record."""
    data = msgspec.json.encode(record)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: IO[bytes], kind: type[T]) -> T:
    """Wait for a record.

    Raises
    ------
    EOFError
        The other side is gone, or sends something else.
    """
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    if length > _MOST:
        raise EOFError
    try:
        return msgspec.json.decode(_read(stream, length), type=kind)
    except msgspec.MsgspecError as error:
        raise EOFError from error


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def worker_environment() -> Mapping[str, str]:
    """Return the environment of a worker: the server's, telemetry off."""
    from mlops_nb.config import telemetry_variables

    return {**os.environ, **telemetry_variables()}
