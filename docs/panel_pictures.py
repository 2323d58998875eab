"""Takes pictures of every view of the panel, light and dark, by Chromium in a real JupyterLab.

``.venv/bin/python docs/panel_pictures.py FOLDER`` takes them of this project, best after ``make run``;
``--tasks 0 1 500`` of generated ones. People look at them; the best ones are copied to ``docs/images``.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.lab_kit import open_page, start_browser, start_lab  # noqa: E402
from tests.browser.panel_kit import many_tasks, need_panel  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.browser.lab_kit import Lab, LabPage

THEMES = ("Light", "Dark")
VIEW = ".lm-Widget.jp-MainAreaWidget:not(.lm-mod-hidden) .mn-View"
_OPEN = "mlops-nb:open-{}"


@dataclass(frozen=True)
class Scene:
    """One picture: a command, and what a person does before it is taken."""

    name: str
    command: str = ""
    arguments: dict[str, Any] | None = None
    act: Callable[[LabPage], None] | None = None


def click(*selectors: str) -> Callable[[LabPage], None]:
    """Return what clicks on these, one after another."""

    def act(page: LabPage) -> None:
        for selector in selectors:
            page.find(selector).first.click()
            page.page.wait_for_timeout(500)

    return act


def _scroll(page: LabPage) -> None:
    page.page.evaluate(
        "view => { const all = document.querySelectorAll(`${view} .mn-Scroll, .jp-Launcher-body`);"
        " all.forEach(one => one.scrollTo(0, one.scrollHeight)); }",
        VIEW,
    )


def _sidebar(page: LabPage) -> None:
    page.page.evaluate("() => window.jupyterapp.shell.activateById('mlops-nb-sidebar')")


def _await_notebook(page: LabPage) -> None:
    page.find(".jp-Notebook-cell").first.wait_for()
    page.wait_for_kernel()


def scenes(lab: Lab) -> Iterator[Scene]:
    """Yield what there is to see in a project; what has no runs or models has fewer views."""
    runs = [run["id"] for run in lab.get("mlops-nb/v1/runs?project=")["runs"]]
    models = [model["model"] for model in lab.get("mlops-nb/v1/models?project=")["models"]]
    yield Scene("launcher", "launcher:create", act=_scroll)
    yield Scene("pipeline", _OPEN.format("pipeline"))
    yield Scene("pipeline-list", _OPEN.format("pipeline"), {"list": True, "path": True})
    has_tasks = "source:" in (lab.root / "pipeline.yaml").read_text()
    if has_tasks:
        yield Scene("pipeline-parameters", _OPEN.format("pipeline"), {"side": "parameters"})
        yield Scene("pipeline-task", _OPEN.format("pipeline"), act=click(f"{VIEW} .mn-Node"))
    yield Scene("runs", _OPEN.format("runs"))
    if len(runs) > 1:
        yield Scene("run", _OPEN.format("run"), {"run": runs[0]})
        yield Scene("compare", _OPEN.format("compare"), {"left": runs[1], "right": runs[0]})
    yield Scene("models", _OPEN.format("models"))
    if models:
        known = {"model": models[0]}
        yield Scene("models-history", _OPEN.format("models"), {"history": True})
        yield Scene("version", _OPEN.format("version"), {**known, "version": 1})
        yield Scene("version-below", _OPEN.format("version"), {**known, "version": 1}, _scroll)
        yield Scene("versions", _OPEN.format("versions"), known)
        yield Scene("versions-below", _OPEN.format("versions"), known, _scroll)
    yield Scene("monitoring", _OPEN.format("monitoring"))
    if models:
        cell = click(f"{VIEW} .mn-Heat-cell.mn-heat-bad, {VIEW} .mn-Heat td .mn-Heat-cell")
        yield Scene("monitoring-column", _OPEN.format("monitoring"), act=cell)
        yield Scene("monitoring-below", _OPEN.format("monitoring"), act=_scroll)
    yield Scene("schedules", _OPEN.format("schedules"))
    yield Scene("schedules-form", _OPEN.format("schedules"), {"form": True})
    policies = click(f"{VIEW} summary:has-text('otherwise')")
    yield Scene("schedules-policies", _OPEN.format("schedules"), {"form": True}, policies)
    if lab.get("mlops-nb/v1/schedules?project=")["schedules"]:
        yield Scene("schedule", _OPEN.format("schedules"), act=click(f"{VIEW} tbody tr"))
    if has_tasks:
        yield Scene("export", _OPEN.format("export"), {"target": "github"})
    yield Scene("sidebar", act=_sidebar)
    for notebook in sorted(lab.root.glob("notebooks/4*.ipynb")):
        path = {"path": f"notebooks/{notebook.name}"}
        yield Scene("notebook", "docmanager:open", path, act=_await_notebook)


def take(page: LabPage, scene: Scene, target: Path) -> None:
    """Bring a scene about, nothing else beside it, and take its picture."""
    page.page.evaluate("() => void window.jupyterapp.commands.execute('application:close-all')")
    page.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.page.wait_for_timeout(300)
    # JupyterLab notes the kernel's language in a notebook that it opens, and asks.
    discard = page.find(".jp-Dialog-button:has-text('Discard')")
    if discard.count():
        discard.first.click()
    if scene.command:
        page.command(scene.command, **(scene.arguments or {}))
        page.page.wait_for_timeout(600)
        page.page.wait_for_function("() => !document.querySelector('.mn-Loading, .mn-Spinner')")
        page.page.wait_for_timeout(600)
    if scene.act:
        scene.act(page)
    page.page.mouse.move(600, 3)
    page.page.wait_for_timeout(500)
    page.page.screenshot(path=target)


def shoot(browser: Browser, root: Path, folder: Path, only: str, size: tuple[int, int]) -> None:
    """Take the pictures of one project in each theme."""
    width, height = size
    with start_lab(root) as lab, open_page(browser, lab, width=width, height=height) as page:
        page.open()
        page.command("filebrowser:toggle-main")
        for theme in THEMES:
            page.theme(f"JupyterLab {theme}")
            for scene in scenes(lab):
                if re.search(only, scene.name):
                    take(page, scene, folder / f"{scene.name}-{theme.lower()}.png")
        page.check()


def main(argv: list[str] | None = None) -> int:
    """Take what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--project", type=Path, default=ROOT, help="this one by default")
    parser.add_argument("--tasks", type=int, nargs="*", help="of generated projects instead")
    parser.add_argument("--only", default="", help="a regular expression of names")
    parser.add_argument("--size", default="1440x900", help="of the window, pixels")
    asked = parser.parse_args(argv)
    width, height = asked.size.split("x")
    size = (int(width), int(height))
    need_panel()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own, start_browser() as browser:
        places = {asked.project.resolve().name: asked.project.resolve()}
        if asked.tasks is not None:
            places = {}
            for count in asked.tasks:
                places[f"tasks{count}"] = many_tasks(Path(own) / f"tasks{count}", count)
        for name, root in places.items():
            folder = asked.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            shoot(browser, root, folder, asked.only, size)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
