"""Loads pipelines, fingerprints tasks and plans what runs."""
