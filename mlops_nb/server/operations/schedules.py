"""Schedules: not part of this installation."""
