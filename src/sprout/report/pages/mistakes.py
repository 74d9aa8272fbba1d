"""The most confident mistakes of a classifier, as pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.report.inputs import Inputs
from sprout.report.pictures import Picture, drawn


@dataclass(frozen=True)
class Mistake:
    """A test example with a wrong prediction; classes by name."""

    picture: Picture | None
    """None where the example cannot be drawn."""
    origin: str
    actual: str
    predicted: str
    confidence: float
    teacher: str | None
    """The teacher's prediction, where another model is shown."""


def mistakes_gallery(inputs: Inputs, test: Path, wanted: int) -> list[Mistake]:
    """Wrong predictions of the model shown, the most confident first."""
    columns = {name: inputs.predictions[name].to_numpy() for name in inputs.predictions.column_names}
    confidence = columns[f"{inputs.shown}_confidence"]
    wrong = np.flatnonzero(columns[inputs.shown] != columns["label"])
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:wanted]
    named = {name: [inputs.classes[columns[name][i]] for i in chosen] for name in ("label", inputs.shown, "teacher")}
    shown = drawn(inputs, test, columns["row"][chosen])
    return [
        Mistake(
            picture,
            origin,
            actual=named["label"][i],
            predicted=named[inputs.shown][i],
            confidence=float(confidence[chosen[i]]),
            teacher=named["teacher"][i] if inputs.shown != "teacher" else None,
        )
        for i, (picture, origin) in enumerate(shown)
    ]
