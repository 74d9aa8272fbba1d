"""One training, from labelled examples to a model folder and its run."""
