"""The galleries: a classifier's accepted pseudo-labels to judge by eye, the mistakes it was surest of, and others.

Examples that cannot be drawn (rows of a table, say) are shown by where they come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.data.store import Array, open_store
from sprout.report.inputs import Inputs, class_indices
from sprout.report.pictures import Picture, are_pictures, pictures, spread


@dataclass(frozen=True)
class Exhibit:
    """An example with what is said of it. `actual` is None where the truth is not known."""

    picture: Picture | None
    """None where the example cannot be drawn."""
    origin: str
    """Where it comes from."""
    predicted: str
    actual: str | None
    confidence: float
    other: str | None = None
    """What the teacher said, where the student is another model."""


@dataclass(frozen=True)
class Shown:
    """An example with whatever is said of it."""

    picture: Picture | None
    """None where the example cannot be drawn."""
    origin: str
    said: tuple[str, ...]


def exhibits(inputs: Inputs, folder: Path, rows: Array, said: Sequence[tuple[str, ...]]) -> list[Shown]:
    """These rows of a store, each with what is said of it."""
    shown = _shown(folder, rows, are_pictures(inputs.summary))
    return [Shown(picture, origin, words) for (picture, origin), words in zip(shown, said, strict=True)]


def accepted_gallery(inputs: Inputs, unlabelled: Path, wanted: int) -> list[Exhibit]:
    """Accepted pseudo-labels, spread over the classes and over confidence; none where they cannot be drawn."""
    if not are_pictures(inputs.summary):
        return []
    labels = class_indices(inputs.accepted)
    confidence = inputs.accepted["confidence"].to_numpy()
    chosen = spread(labels.tolist(), confidence.tolist(), wanted)
    shown = _shown(unlabelled, inputs.accepted["row"].to_numpy()[chosen], drawable=True)
    return [
        Exhibit(picture, origin, inputs.classes[labels[i]], None, float(confidence[i]))
        for i, (picture, origin) in zip(chosen, shown, strict=True)
    ]


def mistakes_gallery(inputs: Inputs, test: Path, wanted: int) -> list[Exhibit]:
    """Wrong predictions of the model that is handed on, surest first."""
    columns = {name: inputs.predictions[name].to_numpy() for name in inputs.predictions.column_names}
    confidence = columns[f"{inputs.shown}_confidence"]
    wrong = np.flatnonzero(columns[inputs.shown] != columns["label"])
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:wanted]
    return [
        Exhibit(
            picture,
            origin,
            predicted=inputs.classes[columns[inputs.shown][i]],
            actual=inputs.classes[columns["label"][i]],
            confidence=float(confidence[i]),
            other=None if inputs.kept else inputs.classes[columns["teacher"][i]],
        )
        for i, (picture, origin) in zip(
            chosen, _shown(test, columns["row"][chosen], are_pictures(inputs.summary)), strict=True
        )
    ]


def _shown(folder: Path, rows: Array, drawable: bool) -> list[tuple[Picture | None, str]]:
    """The picture of each of these rows, where there can be one, and where the example comes from."""
    if not len(rows):
        return []
    store = open_store(folder)
    drawn: Sequence[Picture | None] = pictures(store.take(rows)) if drawable else [None] * len(rows)
    return list(zip(drawn, store.labels["origin"].take(rows).to_pylist(), strict=True))
