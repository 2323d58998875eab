"""``python -m mlops_nb``, and ``mlops-nb``: the command line, here or in the resident server."""

from __future__ import annotations

import sys

from mlops_nb.execution.handing import hand_over


def main() -> None:
    """Run the command line and exit with its code."""
    code = hand_over(sys.argv[1:])
    if code is None:
        from mlops_nb.cli.main import main as run

        run()
    sys.exit(code)


if __name__ == "__main__":
    main()
