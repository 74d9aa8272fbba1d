"""A map of features in two dimensions: PCA, then t-SNE (van der Maaten and Hinton, 2008), by scikit-learn."""

import numpy as np

from sprout.data.store import Array
from sprout.runtime.progress import announced

DIMENSIONS = 32
"""After the PCA, which removes noise and saves time."""
PERPLEXITY = 30.0
FEWEST = 4
"""Fewer examples have no neighbourhood: they lie in the middle, as equal examples do."""
ROUNDS = 400
SEED = 0


def two_dimensions(features: Array) -> Array:
    """Places on a map, in 0..1: (N, D) float32 → (N, 2) float32. Neighbours stay neighbours; far distances say little.

    The same features give the same map, with any number of threads.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count, width = features.shape
    if count < FEWEST or not np.ptp(features, axis=0).any():
        return np.full((count, 2), 0.5, np.float32)
    perplexity = min(PERPLEXITY, (count - 1) / 3)
    with announced("map of the features"), threadpool_limits(limits=1):
        kept = min(DIMENSIONS, count, width)
        reduced = PCA(kept, svd_solver="full").fit_transform(features)
        start = "pca" if kept > 1 else "random"
        placed = TSNE(init=start, perplexity=perplexity, max_iter=ROUNDS, random_state=SEED).fit_transform(reduced)
    low, high = placed.min(axis=0), placed.max(axis=0)
    scaled: Array = ((placed - low) / np.maximum(high - low, np.finfo(np.float32).tiny)).astype(np.float32)
    return scaled
