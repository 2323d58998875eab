"""What a person waits for in the panel: the first graph, and a state's way from the run to the screen."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._results import Figure, figure
from tests.browser.lab_kit import open_page, start_browser, start_lab
from tests.browser.panel_kit import many_tasks, need_panel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browser.lab_kit import LabPage

_TASKS, _MANY = 50, 500
_MIDDLE = (470, 300)
"""Where the graph of many tasks is dense, pixels."""
_STATES = ("running", "succeeded")

_OPEN = """async (count) => {
  const begun = performance.now();
  await window.jupyterapp.commands.execute('mlops-nb:open-pipeline');
  while (document.querySelectorAll('.mn-Node').length < count) {
    await new Promise(resolve => requestAnimationFrame(resolve));
  }
  await new Promise(resolve => requestAnimationFrame(resolve));
  return performance.now() - begun;
}"""
"""The graph is there when all that fits the window is; the last frame has been drawn by then."""

_OPEN_MANY = """async (count) => {
  const blocks = [];
  const watch = new PerformanceObserver(list => blocks.push(...list.getEntries()));
  watch.observe({ entryTypes: ['longtask'] });
  await window.jupyterapp.commands.execute('mlops-nb:open-pipeline');
  while (document.querySelectorAll('.mn-Node').length < count) {
    await new Promise(resolve => requestAnimationFrame(resolve));
  }
  await new Promise(resolve => setTimeout(resolve, 1000));
  watch.disconnect();
  return Math.max(0, ...blocks.map(block => block.duration));
}"""
"""The longest time in which the page could not answer, until every node is drawn."""

_FRAMES = """() => {
  window.frames_ = [];
  let last = performance.now();
  const step = () => {
    const now = performance.now();
    window.frames_.push(now - last);
    last = now;
    window.stepping = requestAnimationFrame(step);
  };
  window.stepping = requestAnimationFrame(step);
}"""

_FRAMES_END = "() => { cancelAnimationFrame(window.stepping); return window.frames_.slice(1); }"

_WATCH = """() => {
  window.seen = [];
  new MutationObserver(changes => {
    for (const { target } of changes) {
      const { task, state } = target.dataset;
      requestAnimationFrame(() => window.seen.push([task, state, Date.now() / 1000]));
    }
  }).observe(document.querySelector('.mn-Graph'), {
    subtree: true, attributes: true, attributeFilter: ['data-state']
  });
}"""


def screen(quick: bool) -> Iterator[Figure]:
    """Yield first paint, the way from event to screen, and the bundle's size."""
    need_panel()
    times = 1 if quick else 7
    # Workers of the server may write to its cache for a moment after its end.
    with tempfile.TemporaryDirectory(prefix="mlops-nb-bench-", ignore_cleanup_errors=True) as place:
        root = many_tasks(Path(place), _TASKS)
        with start_lab(root) as lab, start_browser() as browser:
            paints = []
            for number in range(times + 1):
                with open_page(browser, lab, width=1600, height=1200) as page:
                    page.open()
                    spent = page.page.evaluate(_OPEN, 20)
                    if number:  # the first one starts the server's worker
                        paints.append(spent)
                    if number == times:
                        lags = _lags(page, root)
    yield figure("first_paint_50_ms", statistics.median(paints), "ms", "<= 1500")
    yield figure("event_to_screen_ms", statistics.median(lags), "ms", "<= 300")
    static = Path(sys.prefix) / "share/jupyter/labextensions/mlops-nb/static"
    size = sum(path.stat().st_size for path in static.glob("*.js"))
    yield figure("bundle_kb", size / 1024, "KiB", "<= 700")


def large_graph(quick: bool) -> Iterator[Figure]:
    """Yield how a graph of 500 tasks opens, pans and zooms: seen as a whole, and from near."""
    times = 1 if quick else 3
    blocks: list[float] = []
    frames: dict[str, list[float]] = {"far": [], "zoom": [], "near": []}
    with tempfile.TemporaryDirectory(prefix="mlops-nb-bench-", ignore_cleanup_errors=True) as place:
        root = many_tasks(Path(place), _MANY)
        with start_lab(root) as lab, start_browser() as browser:
            for number in range(times + 1):
                with open_page(browser, lab, width=1440, height=900) as page:
                    page.open()
                    blocked = page.page.evaluate(_OPEN_MANY, _MANY)
                    if not number:  # the first one starts the server's worker
                        continue
                    blocks.append(blocked)
                    frames["far"] += _while_moving(page, _pan)
                    frames["zoom"] += _while_moving(page, _zoom)
                    frames["near"] += _while_moving(page, _pan)
    yield figure("open_500_longest_block_ms", statistics.median(blocks), "ms", "<= 200")
    for name, found in frames.items():
        yield figure(
            f"graph_500_{name}_frame_p95_ms", statistics.quantiles(found, n=20)[-1], "ms", "<= 50"
        )


def _while_moving(page: LabPage, move: Callable[[LabPage], None]) -> list[float]:
    """Milliseconds from frame to frame."""
    page.page.evaluate(_FRAMES)
    move(page)
    found: list[float] = page.page.evaluate(_FRAMES_END)
    return found


def _pan(page: LabPage) -> None:
    mouse = page.page.mouse
    mouse.move(500, 300)
    mouse.down()
    for step in range(80):
        mouse.move(500 + 5 * (step % 40), 300 + 4 * (step % 40))
        page.page.wait_for_timeout(10)
    mouse.up()


def _zoom(page: LabPage) -> None:
    page.page.mouse.move(*_MIDDLE)
    for _ in range(10):
        page.page.mouse.wheel(0, -120)
        page.page.wait_for_timeout(30)


def _lags(page: LabPage, root: Path) -> list[float]:
    """Milliseconds between an event's own time and the frame that shows it, over a whole run."""
    page.page.evaluate(_WATCH)
    page.command("mlops-nb:run-all")
    page.page.wait_for_function(
        "() => window.seen.filter(one => one[1] === 'succeeded').length >= 10"
    )
    page.page.wait_for_timeout(1_000)
    seen: list[tuple[str, str, float]] = page.page.evaluate("() => window.seen")
    log = max((root / ".mlops" / "runs").iterdir()) / "events.jsonl"
    told: dict[tuple[str, str], float] = {}
    for line in log.read_text().splitlines():
        event: dict[str, Any] = json.loads(line)
        if event["kind"] == "task.started":
            told[event["task"], "running"] = event["time"]
        elif event["kind"] == "task.finished":
            told[event["task"], event["data"]["status"]] = event["time"]
    return [
        1000 * (time - told[task, state])
        for task, state, time in seen
        if state in _STATES and (task, state) in told
    ]
