"""What is written of clusterings: who is where."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sprout.core.store import Array, Store


def clusterings(test: Store, outputs: Mapping[str, Array]) -> pa.Table:
    """One row per test example: its class, null if not known, its cluster and the squared distance to its centre.

    Args:
        test: the test split.
        outputs: of each model (N, clusters) negative squared distances; the student's are those that count.
    """
    found = outputs["student"]
    return pa.table(
        {
            "row": np.arange(len(test)),
            "label": test.labels["label"],
            "cluster": found.argmax(axis=1),
            "distance": -found.max(axis=1),
        }
    )
