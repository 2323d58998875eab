"""Reads, checks and edits notebooks; knows nothing of pipelines."""
