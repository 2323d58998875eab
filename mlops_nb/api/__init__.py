"""Composes the stages; every face calls this and nothing deeper."""
