"""The one handler: who asks, what for, with what; then a worker answers."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
from jupyter_server.base.handlers import APIHandler
from tornado import web

from mlops_nb.server.answers import Refusal, bad_request, not_found
from mlops_nb.server.records import ErrorBody, ErrorView

if TYPE_CHECKING:
    from mlops_nb.server.extension import MlopsNbExtension
    from mlops_nb.server.panel import Panel
    from mlops_nb.server.routes import Route
    from mlops_nb.server.wire import Call

__all__ = ["ApiHandler"]

_MOST_BODY = 4 << 20
_SANDBOX = "sandbox allow-scripts allow-popups"
"""What a report may do: its scripts run, in an origin of their own, away from the server's."""


class ApiHandler(APIHandler):
    """Every endpoint of ``/mlops-nb/v1``."""

    auth_resource = "mlops-nb"
    _sandboxed = False

    def initialize(self, extension: MlopsNbExtension) -> None:
        """Take what the extension shares."""
        self._extension = extension

    @property
    def panel(self) -> Panel:
        """What all handlers share."""
        return self._extension.panel

    @property
    def content_security_policy(self) -> str:
        """Jupyter's own for JSON; a sandbox for files, which may hold anybody's scripts."""
        if self._sandboxed:
            return _SANDBOX
        return str(super().content_security_policy)

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer a GET."""
        await self._answer()

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Answer a POST."""
        await self._answer()

    @web.authenticated
    @authorized
    async def delete(self) -> None:
        """Answer a DELETE."""
        await self._answer()

    async def _answer(self) -> None:
        try:
            route, path = self._route()
            call = await self._call(route, path)
            if route.lane == "here" and route.name == "file":
                await self._send_file(call)
            elif route.lane == "here":
                self._send(route.status, msgspec.json.encode(await self.panel.here(route, call)))
            elif route.lane == "job":
                job = self.panel.jobs.start(route.name, call)
                self._send(route.status, msgspec.json.encode(job))
            else:
                answer = await self.panel.ask(route, call)
                if answer.error is not None:
                    raise Refusal(answer.status, answer.error)
                self._send(answer.status, bytes(answer.body))
        except Refusal as refusal:
            self._send(refusal.status, msgspec.json.encode(ErrorBody(error=refusal.error)))

    def _route(self) -> tuple[Route, dict[str, str]]:
        """Find the route; every path is matched before it is decoded, so that %2F stays inside."""
        from mlops_nb.server.routes import PREFIX, ROUTES

        path = self.request.path.removeprefix(self.base_url.rstrip("/") + PREFIX)
        others = []
        for route in ROUTES:
            match = _pattern(route.path).fullmatch(path)
            if match is None:
                continue
            if route.method == self.request.method:
                return route, {name: _decoded(text) for name, text in match.groupdict().items()}
            others.append(route.method)
        if others:
            self.set_header("Allow", ", ".join(sorted({*others, "OPTIONS"})))
            raise bad_request(f"{self.request.method} is not for {path}", status=405)
        raise not_found(f"there is no endpoint {path}", fix="see mlops_nb/server/openapi.yaml")

    async def _call(self, route: Route, path: dict[str, str]) -> Call:
        from mlops_nb.server.places import project_folder
        from mlops_nb.server.requests import ProjectQuery
        from mlops_nb.server.wire import Call

        query = None if route.query is None else self._query(route.query)
        body = None if route.body is None else self._body(route.body)
        project = label = ""
        if isinstance(query, ProjectQuery):
            folder = await asyncio.to_thread(project_folder, self.panel.root, query.project)
            project = str(folder)
            label = "" if folder == self.panel.root else (
                folder.relative_to(self.panel.root).as_posix()
            )  # fmt: skip
        return Call(
            route=f"{route.area}.{route.name}",
            root=str(self.panel.root),
            project=project,
            label=label,
            path=path,
            query=msgspec.Raw(msgspec.json.encode(query)),
            body=msgspec.Raw(msgspec.json.encode(body)),
            actor=self._actor(),
        )

    def _query(self, kind: Any) -> Any:
        try:
            given = {name: self.get_query_argument(name) for name in self.request.query_arguments}
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise bad_request(str(error), where="the query") from error

    def _body(self, kind: Any) -> Any:
        data = self.request.body or b""
        if len(data) > _MOST_BODY:
            raise bad_request(f"the body is larger than {_MOST_BODY >> 20} MiB", status=413)
        if not data.strip():
            data = b"{}"
        else:
            sent = self.request.headers.get("Content-Type", "application/json")
            if sent.partition(";")[0].strip().lower() != "application/json":
                raise bad_request(
                    f"the body is {sent}", fix="send it as application/json", status=415
                )
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.MsgspecError as error:
            raise bad_request(str(error), where="the body") from error

    def _actor(self) -> str:
        """Return who asks, where the server knows people by name and not by a shared token."""
        provider = type(self.identity_provider)
        user = self.current_user
        if provider in (IdentityProvider, PasswordIdentityProvider) or user is None:
            return ""
        return str(user.username)

    def _send(self, status: int, data: bytes) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        if status == 204:
            self.finish()
        else:
            self.finish(data)

    async def _send_file(self, call: Call) -> None:
        """Send a file as it is, away from the server's origin."""
        from mimetypes import guess_type

        from mlops_nb.server.places import servable

        path = servable(Path(call.project), call.path["path"])
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise not_found(f"cannot be read: {error.strerror}", where=call.path["path"]) from error
        kind = {".ipynb": "application/json", ".log": "text/plain"}.get(path.suffix)
        kind = kind or guess_type(path.name)[0] or "application/octet-stream"
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        self._sandboxed = True
        self.set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.finish(data, set_content_type=kind)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say also what Tornado and Jupyter refuse in the shape of our errors."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        is_told = isinstance(error, web.HTTPError)
        message = (is_told and error.log_message) or self._reason
        view = ErrorView(kind=type(error).__name__ if error else "HTTPError", message=str(message))
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(ErrorBody(error=view)))


_PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(template: str) -> re.Pattern[str]:
    if template not in _PATTERNS:
        text = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template)
        # The one place that holds slashes stands at the end.
        _PATTERNS[template] = re.compile(text.replace("(?P<path>[^/]+)", "(?P<path>.+)"))
    return _PATTERNS[template]


def _decoded(text: str) -> str:
    try:
        found = unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise bad_request("the path is not UTF-8", where=text) from error
    if "\0" in found:
        raise bad_request("the path holds a zero byte")
    return found
