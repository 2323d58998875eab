"""Answers ``/healthz`` and ``/metrics`` over HTTP."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.model import Record, encode

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Health", "HealthServer"]


class Health(Record, frozen=True, kw_only=True):
    """How a daemon is; it answers 503 where `ok` is false."""

    ok: bool
    state: str
    id: str
    last_tick: float
    """Seconds since the epoch of the last good round."""
    running: int
    next_due: float | None
    trouble: str = ""
    """What keeps the daemon from its work."""


class HealthServer:
    """A small HTTP server in a thread.

    Parameters
    ----------
    host, port
        Where it listens; port 0 takes a free one.
    health
        Says how the daemon is.
    metrics
        Returns Prometheus' text.

    Raises
    ------
    ScheduleError
        The port is taken.
    """

    def __init__(
        self, host: str, port: int, health: Callable[[], Health], metrics: Callable[[], bytes]
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path in ("/healthz", "/readyz", "/"):
                    now = health()
                    self._answer(200 if now.ok else 503, "application/json", encode(now))
                elif self.path == "/metrics":
                    kind = "text/plain; version=0.0.4; charset=utf-8"
                    self._answer(200, kind, metrics())
                else:
                    self._answer(404, "text/plain", b"/healthz and /metrics\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep requests out of the log."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ScheduleError(
                f"cannot listen: {error.strerror}",
                where=f"{host}:{port}",
                fix="choose another --port",
            ) from error
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
