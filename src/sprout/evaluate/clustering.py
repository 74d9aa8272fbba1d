"""What is written of clusterings: who is where."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.store import Array, Store
from sprout.evaluate.confusion import write_confusion
from sprout.measure import labels as labels_of


def write_clustering(folder: Path, classes: Sequence[str], test: Store, outputs: Mapping[str, Array]) -> pa.Table:
    """Write which class lies in which cluster, where it is known; return one row per test example.

    The columns are `label`, null where it is not known, `cluster` and `distance`, the squared one to its centre.

    Args:
        folder: where to.
        classes: names, by index.
        test: the test split.
        outputs: of each model (N, clusters) negative squared distances; the student's are those that count.
    """
    clusters, distances = outputs["student"].argmax(axis=1), -outputs["student"].max(axis=1)
    labels = labels_of(test)
    known = np.flatnonzero(labels >= 0)
    write_confusion(folder, [classes[label] for label in labels[known]], [f"cluster {c}" for c in clusters[known]])
    columns = {"row": np.arange(len(test)), "label": test.labels["label"]}
    return pa.table(columns | {"cluster": clusters, "distance": distances})
