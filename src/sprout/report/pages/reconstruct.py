"""The page of a reconstruction: images clean, noisy and restored, and their errors."""

from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import Array, open_store
from sprout.report import figures
from sprout.report.formatting import compact, percent, plural
from sprout.report.inputs import Inputs
from sprout.report.intervals import (
    RESAMPLES,
    Interval,
    Intervals,
    bootstrap_interval,
    in_words,
    mean_interval,
    of_shown,
)
from sprout.report.pictures import Picture, are_pictures, pictures
from sprout.tasks.scores import Metrics

CONTENTS = {"images": "Images", "errors": "Error of each image"}
STEPS = ("clean", "noisy", "restored")
METHODS = (
    "The 95% intervals are over the test images: of the errors by the t distribution, of the noise left by the "
    f"bootstrap with {RESAMPLES:,} resamples."
)


def page(inputs: Inputs, prepared: Path, examples: int) -> dict[str, Any]:
    """See `report.pages`."""
    before, after = (inputs.predictions[column].to_numpy() for column in ("noisy_mse", inputs.shown))
    noise, tested = inputs.models[inputs.shown].card["noise"], len(after)
    images = plural(len(inputs.labels["train"]) + len(inputs.labels["unlabelled"]), "image")
    purpose = f"removes Gaussian noise of standard deviation {noise:g}" if noise else "reconstructs its input"
    metrics, found = inputs.test[inputs.shown], intervals(inputs, before)
    return {
        "template": "pages/reconstruct.html.j2",
        "contents": CONTENTS,
        "what": f"A model that {purpose}, from {images}; it needs no labels.",
        "headline": headline(metrics, of_shown(found, "noise_left" if noise else "mse", inputs)),
        "explanation": explanation(metrics, noise, tested),
        "intervals": found,
        "methods": METHODS if found else "",
        "noise": noise,
        "steps": [step for step in STEPS if noise or step != "noisy"],
        "restored": restored(inputs, prepared / "test", examples, before, after),
        "errors": figures.error_histogram(before if noise else None, after, inputs.shown) if tested else None,
    }


def headline(metrics: Metrics, interval: Interval | None = None) -> str:
    """The result in one line, with the interval of its figure."""
    if metrics["mse"] is None:
        return "A reconstruction, without test images to measure it on"
    if metrics["noise_left"] is None:
        return f"Mean squared error {compact(metrics['mse'])}{in_words(interval, compact, '95% interval ')}"
    return f"{percent(metrics['noise_left'])} of the noise is left{in_words(interval, percent, '95% interval ')}"


def intervals(inputs: Inputs, before: Array) -> Intervals:
    """The 95% interval of each metric of each model on test; none with fewer than two images.

    Args:
        inputs: what the stages wrote.
        before: (N,) mean squared error of each noisy image; 0 without noise.
    """
    if len(before) < 2:
        return {}
    after = [inputs.predictions[role].to_numpy() for role in inputs.models]
    found = {
        "noisy_mse": [mean_interval(before)] * len(after),
        "mse": [mean_interval(each) for each in after],
    }
    if before.any():
        found["noise_left"] = [bootstrap_interval(ratio_of_means, each, before) for each in after]
    return found


def ratio_of_means(first: Array, second: Array) -> float:
    """The mean of (N,) values divided by that of others."""
    return float(first.mean(dtype=np.float64) / second.mean(dtype=np.float64))


def explanation(metrics: Metrics, noise: float, tested: int) -> str:
    """What the headline means, also where the images became worse."""
    if metrics["mse"] is None:
        return "The test split is empty."
    images, before, after = plural(tested, "test image"), compact(metrics["noisy_mse"]), compact(metrics["mse"])
    left = metrics["noise_left"]
    if left is None:
        return f"On {images}, the mean squared error of the output is {after}, pixels in 0..1."
    added = f"Gaussian noise of standard deviation {noise:g} was added to {images}, pixels in 0..1."
    if left < 1:
        return f"{added} The model lowered their mean squared error from {before} to {after}."
    return f"{added} The model made them worse: their mean squared error rose from {before} to {after}."


def restored(inputs: Inputs, test: Path, wanted: int, before: Array, after: Array) -> list[dict[str, Any]]:
    """Images at each step, from the smallest to the largest error; none where they cannot be drawn.

    Args:
        inputs: what the stages wrote, with `restored.npz` in the evaluation.
        test: the test store.
        wanted: how many are shown, at most.
        before: (N,) mean squared error of each noisy test image.
        after: (N,) of each restored one.
    """
    with np.load(inputs.evaluation_folder / "restored.npz", allow_pickle=False) as file:
        arrays = dict(file)
    rows = arrays["row"][:wanted]
    if not are_pictures(inputs.summary) or not len(rows):
        return []
    drawn: dict[str, list[Picture]] = {step: pictures(arrays[step][:wanted]) for step in STEPS}
    origins = open_store(test).labels["origin"].take(np.asarray(rows)).to_pylist()
    place = {row: i for i, row in enumerate(inputs.predictions["row"].to_pylist())}
    return [
        {
            "steps": {step: drawn[step][i] for step in STEPS},
            "origin": origin,
            "before": float(before[place[row]]),
            "after": float(after[place[row]]),
        }
        for i, (row, origin) in enumerate(zip(rows.tolist(), origins, strict=True))
    ]
