"""Models: artifacts, gates, the ledger and promotion."""
