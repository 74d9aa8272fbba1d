"""sprout: few labels in, a trained, tracked, reproducible classifier out."""

__version__ = "0.1.0"
