"""How uncertain a model is of each example. Pure functions of probabilities: (N, K), rows sum to 1.

Margin: Scheffer, Decomain and Wrobel, "Active hidden Markov models for information extraction", IDA 2001. Entropy:
Settles and Craven, "An analysis of active learning strategies for sequence labeling tasks", EMNLP 2008.
"""

import numpy as np

from sprout.data.store import Array


def by_margin(probabilities: Array) -> Array:
    """1 less the difference of the two highest probabilities: (N, K) → (N,) in 0..1; 0 for a single class."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities), np.float32)
    highest = np.partition(probabilities, -2, axis=1)
    uncertainty: Array = 1 - (highest[:, -1] - highest[:, -2])
    return uncertainty


def by_entropy(probabilities: Array) -> Array:
    """The entropy in nats: (N, K) → (N,)."""
    logarithms = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    entropy: Array = -(probabilities * logarithms).sum(axis=1)
    return entropy
