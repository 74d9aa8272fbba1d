"""Augmentation: random draws, pure functions on batches, and copies written before training."""
