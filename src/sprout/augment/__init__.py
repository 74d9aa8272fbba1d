"""Augmentation: pure functions on batches, their random draws, and copies written before training."""
