"""From a user's own data to an experiment: `sprout check` and `sprout new`."""
