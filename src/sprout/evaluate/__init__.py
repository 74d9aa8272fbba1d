"""Measuring models on the test split, and the labels of unlabelled examples against val and the truth."""
