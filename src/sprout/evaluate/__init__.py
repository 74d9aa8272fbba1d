"""Measuring models on the test split, and pseudo-labels against the truth."""
