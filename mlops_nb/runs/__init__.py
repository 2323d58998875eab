"""What happened: the store of runs, their reports and lineage."""
