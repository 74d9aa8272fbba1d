"""Benchmarks: ratios of what the project does to a reference in the same run."""

import sprout  # noqa: F401  # before torch: it says how threads wait for one another
