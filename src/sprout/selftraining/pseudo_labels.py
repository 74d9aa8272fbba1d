"""Pseudo-labels: predictions on the unlabelled pool that become labels.

Pseudo-labels: D.-H. Lee, "Pseudo-Label", ICML workshop 2013; the fixed threshold on confidence as in
Sohn et al., "FixMatch", NeurIPS 2020, here on calibrated probabilities.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.pseudo_label import NoPseudoLabels, PseudoLabel, Threshold
from sprout.data.store import Array, Store, label_table, write_labels
from sprout.models.predictor import Predictor
from sprout.runtime.files import write_rows

HISTORY = ["round", "pool", "accepted", "threshold", "mean_confidence"]
"""Columns of `rounds.csv`."""


def accept(probabilities: Array, config: Threshold) -> Array:
    """The rows whose prediction is accepted, in order: (n,) int64.

    Args:
        probabilities: (N, K) calibrated, rows sum to 1.
        config: the threshold, and how many of each predicted class are accepted at most, the most confident first.
    """
    confidence, predicted = probabilities.max(axis=1, initial=0), probabilities.argmax(axis=1)
    accepted = np.flatnonzero(confidence >= config.threshold)
    if config.per_class is None:
        return accepted
    # A stable sort: of two predictions of equal confidence the earlier row wins.
    ranked = accepted[np.argsort(-confidence[accepted], kind="stable")]
    kept = [ranked[predicted[ranked] == index][: config.per_class] for index in range(probabilities.shape[1])]
    return np.sort(np.concatenate(kept))


def pseudo_labels(probabilities: Array, rows: Array, pool: pa.Table, round_: int) -> pa.Table:
    """The label table of accepted rows.

    Args:
        probabilities: (N, K) of the whole pool.
        rows: (n,) the accepted ones.
        pool: the pool's own label table, which says group and origin.
        round_: the round that accepted them, from 1.
    """
    chosen = probabilities[rows]
    return label_table(
        rows,
        chosen.argmax(axis=1),
        source="pseudo",
        confidence=chosen.max(axis=1),
        round_=round_,
        group=pool["group"].to_numpy()[rows],
        origin=pool["origin"].take(rows).combine_chunks(),
    )


def label_pool(folder: Path, teacher: Predictor, pool: Store, config: PseudoLabel) -> str:
    """Write the pseudo-labels that the teacher is confident of, if its task has them; see `write_pseudo_labels`."""
    if isinstance(config, NoPseudoLabels):
        write_labels(folder, pool.labels.slice(0, 0))
        write_rows(folder / "rounds.csv", HISTORY, [])
        return "pseudo_label: none, as pseudo_label.method is none"
    if not teacher.task.has_pseudo_labels:
        write_round(folder, pool.labels.slice(0, 0), len(pool), config.threshold)
        return f"pseudo_label: the teacher's task, {teacher.task.name}, has no pseudo-labels"
    probabilities = teacher.task.predictions(teacher.outputs_of(pool, "score"), teacher.card)
    return write_pseudo_labels(folder, probabilities, pool.labels, config)


def write_pseudo_labels(folder: Path, probabilities: Array, pool: pa.Table, config: Threshold) -> str:
    """Accept, write the label table and `rounds.csv`, and return a sentence about what was accepted.

    Args:
        folder: an empty folder.
        probabilities: (N, K) calibrated, of the whole pool; N may be 0.
        pool: the pool's own label table.
        config: what is accepted.
    """
    rows = accept(probabilities, config)
    write_round(folder, pseudo_labels(probabilities, rows, pool, round_=1), len(probabilities), config.threshold)
    if not len(probabilities):
        return "pseudo_label: there is no unlabelled pool; no pseudo-labels"
    return f"pseudo_label: accepted {len(rows)} of {len(probabilities)} at a confidence of {config.threshold} or above"


def write_round(folder: Path, accepted: pa.Table, pool: int, threshold: float) -> None:
    """Write what the one round has accepted.

    Args:
        folder: an empty folder.
        accepted: the label table.
        pool: how many examples there were to accept.
        threshold: see `accept`.
    """
    write_labels(folder, accepted)
    values = (1, pool, accepted.num_rows, threshold, mean_confidence(accepted))
    write_rows(folder / "rounds.csv", HISTORY, [dict(zip(HISTORY, values, strict=True))])


def mean_confidence(accepted: pa.Table) -> float | None:
    """The mean over the accepted ones; None where there are none."""
    return float(accepted["confidence"].to_numpy().mean()) if accepted.num_rows else None
