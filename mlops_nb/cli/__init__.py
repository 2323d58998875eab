"""The command line: a thin face over `mlops_nb.api`."""
