"""A real Jupyter server on projects of a test, and a client that holds answers to the description."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import faces_kit as kit
import httpx
import jsonschema
import websocket
import yaml

from mlops_nb.server import openapi
from mlops_nb.server.routes import PREFIX
from tests.ports_kit import free_port

TOKEN = "secret"
PIPELINE = """\
# Two tasks, and a comment that has to stay.
meta:
  extract_upstream: false

tasks:
  - source: notebooks/make.ipynb
    name: make
    product: {nb: products/make.ipynb, data: products/data.json}

  # The second one.
  - source: notebooks/use.ipynb
    name: use
    upstream: [make]
    product:
      nb: products/use.ipynb
      metrics: products/metrics.json
"""


@cache
def description() -> dict[str, Any]:
    """openapi.yaml as it is shipped."""
    return yaml.load(openapi.PATH.read_text("utf-8"), yaml.CSafeLoader)


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": description()["components"]}
    return jsonschema.Draft202012Validator(schema)


def check(method: str, path: str, response: httpx.Response) -> None:
    """Fail unless the description knows an answer like this one."""
    assert response.status_code < 500 or response.status_code == 503, response.text
    for template, operations in description()["paths"].items():
        pattern = re.sub(r"{(\w+)}", "[^/]+", template.removeprefix(PREFIX))
        pattern = pattern.replace("/files/[^/]+", "/files/.+")
        if re.fullmatch(pattern, path) and method.lower() in operations:
            answers = operations[method.lower()]["responses"]
            break
    else:
        assert response.status_code in (404, 405)
        _validator("ErrorBody").validate(response.json())
        return
    assert str(response.status_code) in answers, (response.status_code, response.text)
    found = answers[str(response.status_code)]
    if "$ref" in found:
        found = description()["components"]["responses"][found["$ref"].rpartition("/")[2]]
    schema = found.get("content", {}).get("application/json", {}).get("schema")
    if schema:
        _validator(schema["$ref"].rpartition("/")[2]).validate(response.json())


class Server:
    """A `jupyter server` with our extension alone."""

    def __init__(self, root: Path, home: Path, **settings: str | list[str]) -> None:
        self.root = root
        self.home = home
        self.settings = settings
        self.port = free_port()
        self.process: subprocess.Popen[bytes]
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"token {TOKEN}"},
            timeout=170,
        )
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = [
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.jpserver_extensions={'mlops_nb.server': True}",
            f"--IdentityProvider.token={TOKEN}",
            *(
                f"--MlopsNbExtension.{name}={value}"
                for name, given in self.settings.items()
                for value in ([given] if isinstance(given, str) else given)
            ),
        ]
        self.home.mkdir(exist_ok=True)
        homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyter",
                    "server",
                    "--no-browser",
                    "--allow-root",
                    *options,
                ],
                env={**os.environ, **{name: str(self.home / name) for name in homes}},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while True:
            assert self.process.poll() is None, (self.home / "log").read_text()
            try:
                self.client.get("/api")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the server, and only the server."""
        self.process.send_signal(number)
        self.process.wait(60)

    def ask(
        self, method: str, path: str, body: Any = None, /, *, project: str = "", **query: Any
    ) -> httpx.Response:
        """Send a request and check its answer against the description."""
        given = {"project": project, **query}
        more = {} if body is None else {"json": body}
        response = self.client.request(method, PREFIX + path, params=given, **more)
        check(method, path, response)
        return response

    def get(self, path: str, /, *, status: int = 200, project: str = "", **query: Any) -> Any:
        """GET and return the JSON of an answer with this status."""
        response = self.ask("GET", path, project=project, **query)
        assert response.status_code == status, response.text
        return response.json()

    def post(
        self, path: str, body: Any = None, /, *, status: int = 200, project: str = "", **query: Any
    ) -> Any:
        """POST and return the JSON of an answer with this status."""
        response = self.ask("POST", path, body, project=project, **query)
        assert response.status_code == status, response.text
        return response.json()

    @contextmanager
    def listening(self):
        """Listen on the event bus; yields a `Listener`."""
        connection = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/api/events/subscribe",
            header=[f"Authorization: token {TOKEN}"],
            timeout=170,
        )
        try:
            yield Listener(connection)
        finally:
            connection.close()

    def await_watch(self, folder: Path) -> None:
        """Wait until the server watches a folder; what does not say so gets a few seconds."""
        watch = f"ino:{folder.stat().st_ino:x} "
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for info in Path("/proc").glob(f"{self.process.pid}/fdinfo/*"):
                with suppress(FileNotFoundError):
                    if watch in info.read_text():
                        return
            time.sleep(0.05)

    def job(self, job: dict[str, Any], *, project: str) -> dict[str, Any]:
        """Wait for a job."""
        while job["state"] == "running":
            time.sleep(0.1)
            job = self.get(f"/jobs/{job['id']}", project=project)
        return job


class Listener:
    """What came over the event bus."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self.connection = connection
        self.seen: list[dict[str, Any]] = []

    def until(self, *kinds: str) -> dict[str, Any]:
        """Wait for an event of these kinds; each on the way is checked and kept."""
        while True:
            event = json.loads(self.connection.recv())
            if not event["schema_id"].endswith("/panel/v1"):
                continue
            plain = {
                key: event[key] for key in ("project", "run", "seq", "time", "kind", "task", "data")
            }
            _validator("PanelEvent").validate(plain)
            self.seen.append(plain)
            if plain["kind"] in kinds:
                return plain


def small_project(place: Path) -> Path:
    """A project of two quick notebooks."""
    place.mkdir(parents=True)
    (place / "pipeline.yaml").write_text(PIPELINE)
    (place / "pyproject.toml").write_text('[tool.mlops-nb]\ntracking = "none"\njobs = 1\n')
    kit.write_notebook(
        place / "notebooks" / "make.ipynb",
        "upstream = None\nproduct = None\nsize: int = 3  # how many\nmode: str = 'good'",
        "if mode == 'bad':\n    raise ValueError('as asked')",
        "import time\nwhile mode == 'slow':\n    time.sleep(0.1)",
        "import json, pathlib\n"
        "pathlib.Path(product['data']).write_text(json.dumps(list(range(size))))",
    )
    kit.write_notebook(
        place / "notebooks" / "use.ipynb",
        "upstream = None\nproduct = None",
        "import json, pathlib\n"
        "found = json.loads(pathlib.Path(upstream['make']['data']).read_text())\n"
        "pathlib.Path(product['metrics']).write_text(json.dumps({'total': sum(found)}))",
    )
    return place
