"""JupyterLab on a folder, and a page of it in headless Chromium, for every test that looks at a screen.

Everything of the user's stays untouched: settings, workspaces and configuration live in a folder of the
server's own. A page notes what a good page never has: errors on the console, and requests to anywhere
but loopback, which are refused.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ports_kit import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = os.environ.get("CHROMIUM", "") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 60
"""Seconds a step may take on a busy machine."""
_FOREIGN = re.compile(r"^(?:https?|wss?)://(?!127\.0\.0\.1[:/]|localhost[:/])")
_WITHOUT = {"@jupyterlab/apputils-extension:announcements": True, "ploomber-extension": True}
_HARMLESS = re.compile(r"favicon|ResizeObserver loop|Autofill")


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    root: Path
    """The folder it shows."""
    base: str
    token: str
    log: Path

    def url(self, path: str = "", *, workspace: str = "") -> str:
        """The address of a file in it, in a workspace of its own."""
        place = f"/workspaces/{workspace or secrets.token_hex(4)}"
        return f"{self.base}/lab{place}{f'/tree/{path}' if path else ''}?token={self.token}"

    def get(self, path: str) -> Any:
        """What the server answers to a GET, as JSON."""
        request = urllib.request.Request(
            f"{self.base}/{path.lstrip('/')}", headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)


@contextmanager
def start_lab(
    root: Path,
    *,
    environment: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    instead: Lab | None = None,
) -> Iterator[Lab]:
    """Start JupyterLab on a folder, wait until it answers, and end it with its kernels.

    `instead` of one that has ended it is found where that one was.
    """
    own = Path(tempfile.mkdtemp(prefix="mlops-nb-lab-"))
    _write(own / "config" / "labconfig" / "page_config.json", {"disabledExtensions": _WITHOUT})
    # Ploomber's contents manager answers every request of JupyterLab 4 with an error 500.
    servers = {
        "ServerApp": {"jpserver_extensions": {"ploomber": False, "ploomber_extension": False}}
    }
    _write(own / "config" / "jupyter_server_config.d" / "ploomber.json", servers)
    token = secrets.token_hex(16) if instead is None else instead.token
    port = free_port() if instead is None else int(instead.base.rpartition(":")[2])
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True", *arguments,
    ]  # fmt: skip
    folders = {
        "JUPYTER_CONFIG_DIR": own / "config",
        "JUPYTER_DATA_DIR": own / "data",
        "JUPYTER_RUNTIME_DIR": own / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": own / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": own / "workspaces",
        "IPYTHONDIR": own / "ipython",
    }
    variables = {**os.environ, **{name: str(path) for name, path in folders.items()}}
    variables["JUPYTER_PREFER_ENV_PATH"] = "0"  # the folders above count for more than the venv's
    variables |= environment or {}
    log = own / "lab.log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            command, cwd=root, env=variables, stdout=sink, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    lab = Lab(root=root, base=f"http://127.0.0.1:{port}", token=token, log=log)
    try:
        _await(lab, server)
        yield lab
    finally:
        # The server ends its kernels when it is asked to; what is left of its session is killed.
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        shutil.rmtree(own, ignore_errors=True)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(value))


def _await(lab: Lab, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            lab.get("api/status")
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab did not start:\n{lab.log.read_text()[-3000:]}")
            time.sleep(0.2)
        else:
            return


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Start Chromium; a test that needs it fails in CI where it is missing, and is skipped elsewhere."""
    if not Path(CHROMIUM).exists():
        lacking = "Chromium is missing: apt-get install chromium"
        pytest.fail(lacking) if os.environ.get("CI") else pytest.skip(lacking)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class LabPage:
    """A page of JupyterLab with what went wrong on it."""

    lab: Lab
    page: Page
    errors: list[str] = field(default_factory=list)
    """Errors on the console and uncaught exceptions."""
    foreign: list[str] = field(default_factory=list)
    """Addresses beyond loopback that were asked for, and refused."""

    def open(self, path: str = "") -> None:
        """Open JupyterLab with a file, in a fresh workspace, and wait until it is ready."""
        self.page.goto(self.lab.url(path))
        self.page.wait_for_function("() => window.jupyterapp !== undefined")
        self.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        if path.endswith(".ipynb"):
            self.page.locator(".jp-Notebook").first.wait_for()
            self.wait_for_kernel()

    def command(self, name: str, **arguments: Any) -> None:
        """Execute one of JupyterLab's commands and wait for its end."""
        self.page.evaluate(
            "([name, arguments]) => window.jupyterapp.commands.execute(name, arguments).then(() => null)",
            [name, arguments],
        )

    def wait_for_kernel(self) -> None:
        """Wait until the current notebook's kernel is idle."""
        self.page.wait_for_function(
            """() => {
              const context = window.jupyterapp.shell.currentWidget?.context;
              return context?.sessionContext?.session?.kernel?.status === "idle";
            }"""
        )

    def run_all(self) -> None:
        """Run all cells of the current notebook and wait for their end."""
        self.wait_for_kernel()
        self.command("notebook:run-all-cells")
        self.wait_for_kernel()

    def save(self) -> None:
        """Save the current document."""
        self.command("docmanager:save")

    def theme(self, name: str) -> None:
        """Change the theme: ``JupyterLab Light`` or ``JupyterLab Dark``."""
        self.command("apputils:change-theme", theme=name)
        light = "true" if "Light" in name else "false"
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{light}'")

    def find(self, selector: str) -> Locator:
        """Elements of the page."""
        return self.page.locator(selector)

    def shot(self, name: str, selector: str = "") -> None:
        """Save a picture where ``LAB_SHOTS`` names a folder; for people to look at."""
        folder = os.environ.get("LAB_SHOTS", "")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            target = self.page.locator(selector).first if selector else self.page
            target.screenshot(path=Path(folder) / f"{name}.png")

    def check(self) -> None:
        """Fail where the page had errors or asked for anything beyond loopback."""
        assert self.foreign == []
        assert self.errors == []


@contextmanager
def open_page(
    browser: Browser, lab: Lab, *, width: int = 1280, height: int = 900
) -> Iterator[LabPage]:
    """Open a page without cookies or storage of others; close it at the end."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE * 1000)
    made = LabPage(lab=lab, page=context.new_page())
    made.page.on("console", lambda message: _note(made, message.type, message.text))
    made.page.on(
        "pageerror", lambda error: None if _is_splash(error) else made.errors.append(str(error))
    )

    def refuse(route: Any) -> None:
        made.foreign.append(route.request.url)
        route.abort()

    context.route(_FOREIGN, refuse)
    try:
        yield made
    finally:
        context.close()


def _is_splash(error: Any) -> bool:
    """JupyterLab takes its splash screen away twice where themes change twice at once."""
    frames = [line for line in str(error.stack).splitlines() if line.strip().startswith("at ")]
    return "'removeChild'" in str(error) and all("/static/lab/jlab_core" in one for one in frames)


def _note(page: LabPage, kind: str, text: str) -> None:
    if kind == "error" and not _HARMLESS.search(text):
        page.errors.append(text)


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook with these code cells and no outputs."""
    made = [
        {
            "cell_type": "code", "id": f"cell-{number}", "source": source, "metadata": {},
            "outputs": [], "execution_count": None,
        }
        for number, source in enumerate(cells)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(whole))
    return path
