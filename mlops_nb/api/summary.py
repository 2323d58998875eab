"""Writes what a project's runs did as Markdown, for the summary that a CI system shows.

``python -m mlops_nb.api.summary --title TEXT --to FILE`` is what exported jobs call.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError
from mlops_nb.export.summary import junit, markdown, metrics
from mlops_nb.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlops_nb.api.summary")
    parser.add_argument("--title", default="")
    parser.add_argument("--to", type=Path, help="Markdown; standard output by default")
    parser.add_argument("--metrics", type=Path, help="OpenMetrics text")
    parser.add_argument("--junit", type=Path, help="JUnit XML")
    given = parser.parse_args(argv)
    from mlops_nb.runs.store import RunStore

    try:
        store = RunStore(find_project().state)
        runs = [store.get(run) for run in sorted(store.ids())]
        text = markdown(runs, given.title)
        if given.to is None:
            sys.stdout.write(text)
        else:
            write_whole(given.to, text.encode())
        if given.metrics is not None:
            write_whole(given.metrics, metrics(runs).encode())
        if given.junit is not None:
            write_whole(given.junit, junit(runs, given.title).encode())
    except (MlopsNbError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return int(error.exit_code) if isinstance(error, MlopsNbError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
