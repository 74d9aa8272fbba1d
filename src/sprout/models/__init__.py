"""Networks, model folders, weights from elsewhere, and the predictor: the one way from a model folder to outputs."""
