"""Labels by a person: which examples come first."""
