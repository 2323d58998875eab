"""Profiles, drift, performance and alerts."""
