"""What is kept of a classifier's outputs for each example, and the labels that it is compared with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sprout.data.store import Array, Store

AT_ONCE = 1 << 20
"""Logits of which the softmax is computed at once, in float64."""
OUTCOME = [
    ("predicted", "int32"),  # the most probable class
    ("confidence", "float32"),  # its probability
    ("of_label", "float32"),  # the probability of the label, NaN where it is not known
    ("raw_predicted", "int32"),  # the same as the first two without a temperature
    ("raw_confidence", "float32"),
    ("highest", "int32"),  # the class of the highest logit; of almost equal ones probabilities may name the other
]
"""What is kept of an example, however many classes there are."""


def outcomes_of(logits: "Array", temperature: float | None, labels: "Array") -> "Array":
    """(N, K) logits, (N,) labels of which −1 are not known → (N,) of the fields `OUTCOME`."""
    import numpy as np

    found: Array = np.empty(len(logits), OUTCOME)
    block = max(1, AT_ONCE // logits.shape[1])
    for start in range(0, len(logits), block):
        rows = slice(start, start + block)
        found[rows] = outcomes_of_block(logits[rows], temperature, labels[rows])
    return found


def outcomes_of_block(logits: "Array", temperature: float | None, labels: "Array") -> "Array":
    """(n, K) logits, (n,) labels of which −1 are not known → (n,) of the fields `OUTCOME`."""
    import numpy as np

    found: Array = np.empty(len(logits), OUTCOME)
    for name, divisor in (("raw_", None), ("", temperature)):
        probabilities = softmax(logits, divisor)
        found[f"{name}predicted"], found[f"{name}confidence"] = probabilities.argmax(axis=1), probabilities.max(axis=1)
    of_label = np.take_along_axis(probabilities, np.maximum(labels, 0)[:, None], axis=1)[:, 0]
    found["of_label"] = np.where(labels < 0, np.float32("nan"), of_label)
    found["highest"] = logits.argmax(axis=1)
    return found


def softmax(logits: "Array", temperature: float | None) -> "Array":
    """(N, K) logits → (N, K) float32, rows sum to 1. Without a temperature the logits are taken as they are."""
    import numpy as np

    probabilities: Array = np.empty(logits.shape, np.float32)
    rows = max(1, AT_ONCE // logits.shape[1])
    for start in range(0, len(logits), rows):
        scaled = logits[start : start + rows].astype(np.float64) / (temperature or 1.0)
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities[start : start + rows] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def labelled(store: "Store") -> "tuple[Array, Array]":
    """The known labels and their rows: (n,) int64 each."""
    import numpy as np

    from sprout.data.store import class_indices

    labels = class_indices(store.labels)
    rows = np.flatnonzero(labels >= 0)
    return labels[rows], rows
