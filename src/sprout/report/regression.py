"""The page of a regression: predicted against true values, how far off, the equation, and the worst predictions."""

from pathlib import Path
from typing import Any

import numpy as np

from sprout.report import figures
from sprout.report.galleries import Shown, exhibits
from sprout.report.inputs import Inputs, to_float
from sprout.report.verdict import regression_explanation, regression_headline, regressor
from sprout.report.wording import compact

CONTENTS = {"predictions": "Predicted against true", "worst": "Furthest off"}
EQUATION = {"equation": "The equation"}


def regression(inputs: Inputs, prepared: Path, examples: int) -> dict[str, Any]:
    """What the template shows of a regression; the arguments are those of `classification`."""
    true, predicted = (inputs.predictions[column].to_numpy() for column in ("value", inputs.shown))
    scores = inputs.scores["test"][inputs.shown]
    coefficients = [(row["name"], to_float(row["coefficient"])) for row in inputs.coefficients]
    return {
        "contents": CONTENTS | (EQUATION if coefficients else {}),
        "what": regressor(inputs.known["train"]),
        "headline": regression_headline(scores),
        "explanation": regression_explanation(scores, len(true)),
        "digits": 1,
        "tested": len(true),
        "scatter": figures.scatter(true, predicted, inputs.shown) if len(true) else None,
        "drawn": min(len(true), figures.MOST_POINTS),
        "residuals": figures.residuals(predicted - true, inputs.shown) if len(true) else None,
        "coefficients": coefficients,
        "worst": worst(inputs, prepared / "test", examples),
    }


def worst(inputs: Inputs, test: Path, wanted: int) -> list[Shown]:
    """The predictions that are furthest off, the worst first."""
    true, predicted = (inputs.predictions[column].to_numpy() for column in ("value", inputs.shown))
    chosen = np.argsort(-np.abs(predicted - true), kind="stable")[:wanted]
    said = [(compact(predicted[i]), compact(true[i]), compact(predicted[i] - true[i])) for i in chosen]
    return exhibits(inputs, test, inputs.predictions["row"].to_numpy()[chosen], said)
