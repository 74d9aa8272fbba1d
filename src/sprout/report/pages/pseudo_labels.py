"""The section on the labels that the pool got: how many count, how many of them are right, and examples of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sprout.data.store import Array
from sprout.evaluate.audit import Labels
from sprout.report import figures
from sprout.report.formatting import MISSING, percent
from sprout.report.inputs import Inputs, to_float
from sprout.report.pages.label_examples import galleries
from sprout.report.tables import class_counts
from sprout.runtime.files import read_rows

Rows = Sequence[dict[str, str]]
"""Rows of `audit.csv`."""
WORDS = {
    ("coverage", "counted"): "Coverage, counted in the pool",
    ("coverage", "estimated"): "Coverage, estimated from {judged}",
    ("precision", "estimated"): "Precision, estimated from {judged}",
    ("precision", "measured"): "Precision, measured against withheld true labels",
}
"""What a share is, by its measure and basis; `judged` is what the estimate is from."""


def pseudo_label_fields(inputs: Inputs, unlabelled: Path, examples: int) -> dict[str, Any]:
    """What the template shows of the labels.

    Args:
        inputs: what the stages wrote.
        unlabelled: the store of the pool.
        examples: to show in each gallery.
    """
    found, rounds = read_pool(inputs.evaluation_folder / "pool.parquet"), rounds_fields(inputs)
    epochs = read_rows(inputs.evaluation_folder / "labels_by_epoch.csv")
    earlier = {row["labeller"] for row in rounds[:-1]}
    return {
        "labellings": [
            labelling_fields(inputs, role, labels)
            | {"labeller": role, "galleries": galleries(inputs, unlabelled, labels, examples)}
            for role, labels in found.items()
            if role not in earlier
        ],
        "left_out": len(inputs.foreign.rows()),
        "no_labels": None if found else why_no_labels(inputs),
        "rounds": rounds,
        "replaced_by": inputs.kept if inputs.gate else None,
        "kept_share": kept_share(inputs),
        "by_epoch": figures.labels_by_epoch(epochs) if len(epochs) > 2 else None,
    }


def labelling_fields(inputs: Inputs, role: str, labels: Labels) -> dict[str, Any]:
    """The numbers of one labeller."""
    rows, accepted = audit_of(inputs, role), labels.confidence[labels.accepted]
    true = class_counts(inputs.labels, len(inputs.classes))["train"]
    short: dict[str, Any] = inputs.pseudo_labels[role]
    return short | {
        "shares": [
            (WORDS[row["measure"], row["basis"]].format(judged=inputs.judged), *share_cells(row)) for row in of(rows)
        ],
        "by_class": by_class(inputs.classes, true, labels, rows),
        "histogram": figures.confidence_histogram(role, accepted) if len(accepted) else None,
    }


def audit_of(inputs: Inputs, role: str) -> Rows:
    """The rows of `audit.csv` of a labeller."""
    return [row for row in read_rows(inputs.evaluation_folder / "audit.csv") if row["labeller"] == role]


def read_pool(path: Path) -> dict[str, Labels]:
    """The labels of the pool by labeller."""
    table = pq.read_table(path)
    labellers, columns = table["labeller"].to_numpy(), ("predicted", "confidence", "threshold", "accepted")
    arrays = [table[name].to_numpy() for name in columns] + [table["label"].fill_null(-1).to_numpy()]
    return {role: Labels(*(array[labellers == role] for array in arrays)) for role in dict.fromkeys(labellers)}


def why_no_labels(inputs: Inputs) -> str:
    """Why no labeller is audited, in a sentence or two."""
    if inputs.gate:
        return "No prediction became a label: the student learned from the unlabelled examples without labels for them."
    return "No prediction became a label, and no student was trained."


def kept_share(inputs: Inputs) -> float | None:
    """Of the student's last epoch, the share of predictions on the pool that counted; None where it did not use it."""
    student = inputs.models.get("student")
    shares = student.history.get("kept_share") if student else None
    return None if shares is None else float(shares[-1])


def of(rows: Rows, name: str = "") -> Rows:
    """The rows of a class; of all without one."""
    return [row for row in rows if row["class"] == name]


def share_cells(row: dict[str, str]) -> tuple[str, str, str]:
    """A share, its interval and its counts, as text."""
    if row["total"] == "0":
        return MISSING, MISSING, MISSING
    share, low, high = (to_float(row[key]) for key in ("share", "low", "high"))
    return percent(share), f"{percent(low)} – {percent(high)}", f"{int(row['hits']):,} of {int(row['total']):,}"


def precision_cells(rows: Rows) -> list[str]:
    """The precision estimated and measured, in one cell each."""
    return [precision_cell(row) for row in rows if row["measure"] == "precision"]


def precision_cell(row: dict[str, str]) -> str:
    """A share, its interval and the number of examples: "95.0% (76–99%) of 20"."""
    if row["total"] == "0":
        return MISSING
    share, low, high = (to_float(row[key]) for key in ("share", "low", "high"))
    return f"{percent(share)} ({100 * low:.0f}–{percent(high, 0)}) of {int(row['total']):,}"


def rounds_fields(inputs: Inputs) -> list[dict[str, Any]]:
    """The rows of `rounds.csv`, each with the precision of its labels."""
    return [
        {key: value if key == "labeller" else to_float(value) for key, value in row.items()}
        | {"precision": precision_cells(of(audit_of(inputs, row["labeller"])))}
        for row in read_rows(inputs.pseudo_labels_folder / "rounds.csv")
    ]


def by_class(classes: Sequence[str], true: Array, labels: Labels, rows: Rows) -> list[dict[str, Any]]:
    """One row per predicted class: its true labels, predictions, accepted labels, their confidence and precision.

    Args:
        classes: K names.
        true: (K,) training examples with a true label of each class.
        labels: of the pool.
        rows: of `audit.csv`.
    """
    size, accepted = len(classes), labels.accepted
    predictions, counts = (
        np.bincount(of_all, minlength=size) for of_all in (labels.predicted, labels.predicted[accepted])
    )
    sums = np.bincount(labels.predicted[accepted], weights=labels.confidence[accepted], minlength=size)
    return [
        {
            "name": name,
            "true": int(true[k]),
            "predicted": int(predictions[k]),
            "accepted": int(counts[k]),
            "coverage": counts[k] / max(1, predictions[k]),
            "confidence": sums[k] / counts[k] if counts[k] else None,
            "precision": precision_cells(of(rows, name)),
        }
        for k, name in enumerate(classes)
    ]
