"""The two galleries: accepted pseudo-labels to judge by eye, and the mistakes the model was surest of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.core.store import Array, open_store
from sprout.report.inputs import Inputs, class_indices
from sprout.report.pictures import Picture, pictures, spread


@dataclass(frozen=True)
class Exhibit:
    """A picture with what stands below it. `actual` is None where the truth is not known."""

    picture: Picture
    predicted: str
    actual: str | None
    confidence: float
    other: str | None = None
    """What the teacher said, where the student is another model."""


def accepted_gallery(inputs: Inputs, unlabelled: Path, wanted: int) -> list[Exhibit]:
    """Accepted pseudo-labels, spread over the classes and over confidence."""
    labels = class_indices(inputs.accepted)
    confidence = inputs.accepted["confidence"].to_numpy()
    chosen = spread(labels.tolist(), confidence.tolist(), wanted)
    drawn = _draw(unlabelled, inputs.accepted["row"].to_numpy()[chosen])
    return [
        Exhibit(picture, inputs.classes[labels[i]], None, float(confidence[i]))
        for i, picture in zip(chosen, drawn, strict=True)
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
            predicted=inputs.classes[columns[inputs.shown][i]],
            actual=inputs.classes[columns["label"][i]],
            confidence=float(confidence[i]),
            other=None if inputs.kept else inputs.classes[columns["teacher"][i]],
        )
        for i, picture in zip(chosen, _draw(test, columns["row"][chosen]), strict=True)
    ]


def _draw(folder: Path, rows: Array) -> list[Picture]:
    return pictures(open_store(folder).take(rows)) if len(rows) else []
