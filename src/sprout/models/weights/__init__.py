"""Weights from elsewhere: fetched, read without unpickling, loaded into a network."""
