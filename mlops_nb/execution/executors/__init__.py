"""Where tasks run, one back end a file."""
