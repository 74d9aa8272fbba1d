"""Weights in files: saved and loaded without unpickling, downloaded, published by torchvision, and transferred."""
