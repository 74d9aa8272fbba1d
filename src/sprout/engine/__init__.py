"""Training: from examples to a model folder and its run."""
