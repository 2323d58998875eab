"""Runs a plan: kernels, notebooks, the DAG in time."""
