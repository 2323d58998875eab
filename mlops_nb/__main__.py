"""``python -m mlops_nb`` is the command line."""

from mlops_nb.cli.main import main

main()
