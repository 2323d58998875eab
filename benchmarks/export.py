"""Measures the CPU time that each target takes to be rendered for a pipeline of 200 tasks."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from benchmarks._results import Figure, figure, main
from mlops_nb import export
from mlops_nb.model import Parameter, Pipeline, Product, Task, TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterator

TASKS = 200
WIDTH = 10


def pipeline(count: int = TASKS) -> Pipeline:
    """Return layers of ten tasks, each after three of the layer above, with parameters."""
    tasks = []
    for number in range(count):
        layer, place = divmod(number, WIDTH)
        above = (
            tuple(f"task_{(layer - 1) * WIDTH + (place + k) % WIDTH}" for k in range(3))
            if layer
            else ()
        )
        tasks.append(
            Task(
                name=f"task_{number}",
                kind=TaskKind.NOTEBOOK,
                source=f"notebooks/task_{number}.ipynb",
                products=(
                    Product(path=f"products/{number}.ipynb", key="nb", is_notebook=True),
                    Product(path=f"products/{number}.parquet", key="data"),
                ),
                upstream=above,
                params={"alpha": number, "seed": 1},
                declared=(Parameter(name="depth", type="int", default=6, help="of the trees"),),
            )
        )
    return Pipeline(name="wide", root="/project", spec="pipeline.yaml", tasks=tuple(tasks))


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the median CPU seconds of each target."""
    wide = pipeline()
    rounds = 1 if quick else 5
    seconds: dict[str, list[float]] = {target: [] for target in export.targets()}
    for target in seconds:
        export.render(target, pipeline(3), {})
    for _ in range(rounds):
        for target, found in seconds.items():
            start = time.process_time()
            export.render(target, wide, {"schedule": "30 4 * * *"})
            found.append(time.process_time() - start)
    for target, found in seconds.items():
        yield figure(f"export_200_seconds:{target}", statistics.median(found), "s", "<= 1.0")


if __name__ == "__main__":
    raise SystemExit(main("export", measure, ["pyyaml", "msgspec"]))
