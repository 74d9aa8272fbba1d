"""The accepted pseudo-labels against the truth."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sprout.data.store import read_labels


def pseudo_label_quality(pseudo_labels: Path, truth: Path) -> dict[str, Any]:
    """How large the pool is, how many were accepted, for how many of these the truth is known, and their accuracy.

    The accuracy is None where no truth is known: the pool may hold examples that came without a label.

    Args:
        pseudo_labels: the folder with the label table of what was accepted.
        truth: the table of the pool's withheld labels, null where there was none to withhold.
    """
    accepted, labels = read_labels(pseudo_labels), pq.read_table(truth)["label"].fill_null(-1).to_numpy()
    true = labels[accepted["row"].to_numpy()]
    right = (true == accepted["label"].to_numpy())[true >= 0]
    accuracy = float(right.mean()) if len(right) else None
    return {"pool": len(labels), "accepted": accepted.num_rows, "known": len(right), "accuracy": accuracy}
