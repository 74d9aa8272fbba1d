"""The page of a reconstruction: images clean, noisy and restored, and how far off they are."""

from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import open_store
from sprout.report import figures
from sprout.report.inputs import Inputs
from sprout.report.pictures import Picture, are_pictures, pictures
from sprout.report.verdict import reconstruction_explanation, reconstruction_headline, reconstructor

CONTENTS = {"images": "Images", "errors": "Image by image"}
STEPS = ("clean", "noisy", "restored")


def reconstruction(inputs: Inputs, prepared: Path, examples: int) -> dict[str, Any]:
    """What the template shows of a reconstruction; the arguments are those of `classification`."""
    errors = {name: inputs.predictions[name].to_numpy() for name in ("noisy_mse", inputs.shown)}
    scores, tested = inputs.scores["test"][inputs.shown], inputs.predictions.num_rows
    noise = inputs.models[inputs.shown].description["noise"]
    seen = len(inputs.labels["train"]) + len(inputs.labels["unlabelled"])
    return {
        "contents": CONTENTS,
        "what": reconstructor(noise, seen),
        "headline": reconstruction_headline(scores),
        "explanation": reconstruction_explanation(scores, noise, tested),
        "digits": 1,
        "tested": tested,
        "noise": noise,
        "steps": [step for step in STEPS if noise or step != "noisy"],
        "triptychs": triptychs(inputs, prepared / "test", examples, errors["noisy_mse"], errors[inputs.shown]),
        "errors": figures.error_histogram(errors["noisy_mse"] if noise else None, errors[inputs.shown], inputs.shown)
        if tested
        else None,
    }


def triptychs(inputs: Inputs, test: Path, wanted: int, noisy: Any, restored: Any) -> list[dict[str, Any]]:
    """Images in their steps, from the best restored to the worst, each with its errors; none that cannot be drawn."""
    rows = inputs.restored["row"][:wanted]
    if not are_pictures(inputs.summary) or not len(rows):
        return []
    drawn: dict[str, list[Picture]] = {step: pictures(inputs.restored[step][:wanted]) for step in STEPS}
    origins = open_store(test).labels["origin"].take(np.asarray(rows)).to_pylist()
    place = {row: i for i, row in enumerate(inputs.predictions["row"].to_pylist())}
    return [
        {
            "steps": {step: drawn[step][i] for step in STEPS},
            "origin": origin,
            "noisy": float(noisy[place[row]]),
            "restored": float(restored[place[row]]),
        }
        for i, (row, origin) in enumerate(zip(rows.tolist(), origins, strict=True))
    ]
