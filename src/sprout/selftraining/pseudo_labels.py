"""Which guesses on the unlabelled pool become labels.

Pseudo-labels: D.-H. Lee, "Pseudo-Label", ICML workshop 2013; the fixed threshold on confidence as in
Sohn et al., "FixMatch", NeurIPS 2020, here on calibrated probabilities.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.store import Array, Store, label_table, write_labels
from sprout.models.predictor import Predictor, outputs_of, softmax
from sprout.runtime.files import write_rows


def accept(probabilities: Array, *, threshold: float, per_class: int | None) -> Array:
    """The rows whose guess is accepted, in order.

    Args:
        probabilities: (N, K) calibrated, rows sum to 1.
        threshold: accept at this probability or above.
        per_class: accept at most so many of each guessed class, the surest first; None means all.
    """
    confidence, guesses = probabilities.max(axis=1, initial=0), probabilities.argmax(axis=1)
    accepted = np.flatnonzero(confidence >= threshold)
    if per_class is None:
        return accepted
    # A stable sort: of two equally sure ones the earlier row wins.
    surest = accepted[np.argsort(-confidence[accepted], kind="stable")]
    kept = [surest[guesses[surest] == index][:per_class] for index in range(probabilities.shape[1])]
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


def label_pool(folder: Path, teacher: Predictor, pool: Store, *, threshold: float, per_class: int | None) -> str:
    """Let the teacher label what it is sure of, if it knows classes at all; see `write_pseudo_labels`."""
    task = teacher.card.task
    if task != "classify":
        write_round(folder, pool.labels.slice(0, 0), len(pool), threshold)
        return f"pseudo_label: a confidence belongs to a class, and the teacher's task is to {task}; no pseudo-labels"
    probabilities = softmax(outputs_of(teacher, pool, "score"), teacher.card.temperature)
    return write_pseudo_labels(folder, probabilities, pool.labels, threshold=threshold, per_class=per_class)


def write_pseudo_labels(
    folder: Path, probabilities: Array, pool: pa.Table, *, threshold: float, per_class: int | None
) -> str:
    """Accept, write the label table and `rounds.csv`, and say what was accepted.

    Args:
        folder: an empty folder.
        probabilities: (N, K) calibrated, of the whole pool; N may be 0.
        pool: the pool's own label table.
        threshold: see `accept`.
        per_class: see `accept`.
    """
    rows = accept(probabilities, threshold=threshold, per_class=per_class)
    write_round(folder, pseudo_labels(probabilities, rows, pool, round_=1), len(probabilities), threshold)
    if not len(probabilities):
        return "pseudo_label: there is no unlabelled pool; no pseudo-labels"
    return f"pseudo_label: accepted {len(rows)} of {len(probabilities)} at a confidence of {threshold} or above"


def write_round(folder: Path, accepted: pa.Table, pool: int, threshold: float) -> None:
    """Write what the one round there is has accepted.

    Args:
        folder: an empty folder.
        accepted: the label table.
        pool: how many examples there were to accept.
        threshold: see `accept`.
    """
    write_labels(folder, accepted)
    history = {
        "round": 1,
        "pool": pool,
        "accepted": accepted.num_rows,
        "threshold": threshold,
        "mean_confidence": mean_confidence(accepted),
    }
    write_rows(folder / "rounds.csv", list(history), [history])


def mean_confidence(accepted: pa.Table) -> float | None:
    """The mean over the accepted ones; None where there are none."""
    return float(accepted["confidence"].to_numpy().mean()) if accepted.num_rows else None
