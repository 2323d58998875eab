"""What a daemon says: JSON lines for machines, plain lines for people."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from mlops_nb.model import Json

__all__ = ["Log"]

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Log:
    """A daemon's log; call it with an event and its fields.

    Parameters
    ----------
    form
        ``json`` for one object a line, ``text`` for people.
    stream
        Where to; standard error by default.
    level
        What is less than this is left out: ``info``, ``warning`` or ``error``.
    """

    def __init__(
        self,
        form: Literal["json", "text"] = "json",
        stream: TextIO | None = None,
        level: str = "info",
    ) -> None:
        self._logger = logging.Logger("mlops_nb.scheduler", _LEVELS[level])
        handler = logging.StreamHandler(stream or sys.stderr)
        handler.setFormatter(_json() if form == "json" else _Plain("%(asctime)s %(message)s"))
        self._logger.addHandler(handler)

    def __call__(self, event: str, *, level: str = "info", **fields: Json) -> None:
        """Write one line."""
        self._logger.log(_LEVELS[level], event, extra={"fields": fields, **_clear(fields)})


def _clear(fields: dict[str, Json]) -> dict[str, Json]:
    """Return fields under names that a log record does not use itself."""
    taken = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}
    return {f"{name}_" if name in taken else name: value for name, value in fields.items()}


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    made: logging.Formatter = JsonFormatter(
        "%(message)s %(levelname)s",
        rename_fields={"message": "event", "levelname": "level"},
        static_fields={"logger": "mlops_nb.scheduler"},
        timestamp="time",
        reserved_attrs=[*vars(logging.makeLogRecord({})), "fields"],
    )
    return made


class _Plain(logging.Formatter):
    """Appends the fields that say something."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        fields = vars(record).get("fields", {})
        told = " ".join(
            f"{name}={value}" for name, value in fields.items() if value not in ("", None)
        )
        return f"{super().format(record)}  {told}".rstrip()
