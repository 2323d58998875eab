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
from mlops_nb.export.summary import markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlops_nb.api.summary")
    parser.add_argument("--title", default="")
    parser.add_argument("--to", type=Path, help="file to append to; standard output by default")
    given = parser.parse_args(argv)
    from mlops_nb.runs.store import RunStore

    try:
        store = RunStore(find_project().state)
        text = markdown([store.get(run) for run in sorted(store.ids())], given.title)
    except MlopsNbError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    if given.to is None:
        sys.stdout.write(text)
    else:
        given.to.parent.mkdir(parents=True, exist_ok=True)
        with given.to.open("a", encoding="utf-8") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
