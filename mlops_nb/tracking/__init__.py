"""Mirrors runs into experiment trackers, one a file."""
