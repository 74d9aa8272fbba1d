"""Probabilities of labelled examples by a model that has not learned from their labels."""

import warnings

import numpy as np

from sprout.data.store import Array
from sprout.runtime.progress import announced

FOLDS = 5
DIMENSIONS = 64
"""Of the features, after a PCA."""
STRENGTH = 0.01
"""The inverse of the penalty on the weights (scikit-learn's `C`)."""
SEED = 0


def out_of_sample(features: Array, labels: Array, classes: int) -> Array:
    """Cross-validated probabilities of a logistic regression on features: (N, K) float32, rows sum to 1.

    Args:
        features: (N, D) of the examples.
        labels: (N,) int, of some class at least two; a class with a single example has no probability for it.
        classes: K.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    reduced, found = whitened(features), np.zeros((len(labels), classes), np.float32)
    folds = StratifiedKFold(min(FOLDS, int(np.bincount(labels).max())), shuffle=True, random_state=SEED)
    with announced("labels out of sample"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # a class of fewer examples than folds
        for learned, judged in folds.split(reduced, labels):
            model = LogisticRegression(C=STRENGTH, max_iter=200).fit(reduced[learned], labels[learned])
            found[np.ix_(judged, model.classes_)] = model.predict_proba(reduced[judged])
    return found


def whitened(features: Array) -> Array:
    """The principal components, each with a standard deviation of 1: (N, D) → (N, d)."""
    from sklearn.decomposition import PCA

    kept = min(DIMENSIONS, *features.shape)
    return np.asarray(PCA(kept, whiten=True, svd_solver="full").fit_transform(features))
