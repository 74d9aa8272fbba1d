"""Learning from unlabelled examples: scoring the pool, selecting pseudo-labels."""
