"""Predictions for image files, as `sprout predict` prints them."""
