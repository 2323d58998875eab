"""Runs pipelines at their times: each occurrence once, whatever dies in between."""
