"""The page of a regression: predicted against true values, residuals, the equation, and the largest errors."""

from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import Array
from sprout.report import figures
from sprout.report.formatting import compact, decimal, percent, plural
from sprout.report.inputs import Inputs, to_float
from sprout.report.intervals import (
    RESAMPLES,
    Interval,
    Intervals,
    bootstrap_interval,
    in_words,
    mean_interval,
    of_shown,
)
from sprout.report.pictures import Exhibit, exhibits
from sprout.runtime.files import read_rows
from sprout.tasks.scores import Metrics

CONTENTS = {"predictions": "Predicted against true", "worst": "Largest errors"}
EQUATION = {"equation": "The equation"}
METHODS = (
    "The 95% intervals are over the test examples: of the mean absolute error by the t distribution, of the others by "
    f"the bootstrap with {RESAMPLES:,} resamples."
)


def page(inputs: Inputs, prepared: Path, examples: int) -> dict[str, Any]:
    """See `report.pages`."""
    true, predicted = (inputs.predictions[column].to_numpy() for column in ("value", inputs.shown))
    metrics, equation = inputs.test[inputs.shown], coefficients(inputs.models["teacher"].folder)
    found = intervals(inputs, true)
    learned = plural(inputs.targets["train"], "training example")
    return {
        "template": "pages/regress.html.j2",
        "contents": CONTENTS | (EQUATION if equation else {}),
        "what": f"A model that predicts a number, from {learned} whose number is known.",
        "headline": headline(metrics, of_shown(found, "mae", inputs), of_shown(found, "r2", inputs)),
        "explanation": explanation(metrics, len(true)),
        "intervals": found,
        "methods": METHODS if found else "",
        "scatter": figures.scatter(true, predicted, inputs.shown) if len(true) else None,
        "drawn": min(len(true), figures.MAX_POINTS),
        "residuals": figures.residuals(predicted - true, inputs.shown) if len(true) else None,
        "coefficients": equation,
        "worst": worst(inputs, prepared / "test", examples),
    }


def headline(metrics: Metrics, of_mae: Interval | None = None, of_r2: Interval | None = None) -> str:
    """The result in one line, with the intervals of its figures."""
    if metrics["mae"] is None:
        return "A regression, without test examples to measure it on"
    off = f"Off by {compact(metrics['mae'])} on average{in_words(of_mae, compact, '95% interval ')}"
    if metrics["r2"] is None:
        return off
    return f"{off}, R² {decimal(metrics['r2'], 2)}{in_words(of_r2, lambda bound: decimal(bound, 2))}"


def intervals(inputs: Inputs, true: Array) -> Intervals:
    """The 95% interval of each metric of each model on test; none with fewer than two examples.

    Args:
        inputs: what the stages wrote.
        true: (N,) the true values.
    """
    if len(true) < 2:
        return {}
    errors = [inputs.predictions[role].to_numpy() - true for role in inputs.models]
    found = {
        "mae": [mean_interval(np.abs(each)) for each in errors],
        "rmse": [bootstrap_interval(root_mean_square, each) for each in errors],
    }
    if true.min() < true.max():
        found["r2"] = [bootstrap_interval(explained, true, each) for each in errors]
    return found


def root_mean_square(errors: Array) -> float:
    """The root of the mean square of (N,) errors."""
    return float(np.sqrt((errors**2).mean()))


def explained(true: Array, errors: Array) -> float:
    """R² of (N,) true values and errors; NaN where all values are the same."""
    variance = true.var()
    return float(1 - (errors**2).mean() / variance) if variance else float("nan")


def explanation(metrics: Metrics, tested: int) -> str:
    """What the headline means."""
    if metrics["mae"] is None:
        return "The test split has no example whose number is known."
    error = f"On {plural(tested, 'test example')}, the mean absolute error is {compact(metrics['mae'])}."
    r2 = metrics["r2"]
    if r2 is None:
        return f"{error} The true values are all equal, so there is no variance to explain."
    if r2 <= 0:
        return f"{error} That is no better than always predicting the mean of the true values."
    return f"{error} The model explains {percent(r2)} of the variance of the true values."


def coefficients(model: Path) -> list[tuple[str, float]]:
    """The name and the coefficient of each feature and of the bias; none of a model with hidden layers."""
    path = model / "coefficients.csv"
    return [(row["name"], to_float(row["coefficient"])) for row in read_rows(path)] if path.exists() else []


def worst(inputs: Inputs, test: Path, wanted: int) -> list[Exhibit]:
    """The predictions with the largest errors, the largest first."""
    true, predicted = (inputs.predictions[column].to_numpy() for column in ("value", inputs.shown))
    chosen = np.argsort(-np.abs(predicted - true), kind="stable")[:wanted]
    captions = [(compact(predicted[i]), compact(true[i]), compact(predicted[i] - true[i])) for i in chosen]
    return exhibits(inputs, test, inputs.predictions["row"].to_numpy()[chosen], captions)
