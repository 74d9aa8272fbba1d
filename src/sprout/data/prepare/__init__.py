"""From what a source has to checked stores, one per split."""
