"""A model's prediction for one image, and its formats. Imports no torch."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.table import Table

from sprout.runtime.errors import UserError, printable

Prediction = dict[str, Any]
"""As in JSON: `top`, a list of classes with their probabilities, most likely first; or `value`; or `cluster`."""


def most_likely(probabilities: Sequence[float], classes: Sequence[str], top: int) -> Prediction:
    """Return the `top` most likely classes by (K,) probabilities; of equal ones the earlier class comes first."""
    order = np.argsort(-np.asarray(probabilities), kind="stable")[:top]
    return {"top": [{"class": classes[index], "probability": float(probabilities[index])} for index in order]}


def classes_to_name(model: str, target: str | None, classes: int, top: int | None, default: int) -> int:
    """Return the number of classes to name; 1 where the task has none.

    Args:
        model: its name, for messages.
        target: `Task.target`.
        classes: that the model knows.
        top: what the user has asked for; None takes the default.
        default: at most so many.

    Raises:
        UserError: the model has fewer, or none.
    """
    if target != "class":
        if top is not None:
            raise UserError(f"--top {top}: {model} does not predict classes; leave it out")
        return 1
    if top is not None and not 1 <= top <= classes:
        raise UserError(f"--top {top}: {model} knows {classes} classes; accepted: 1 to {classes}")
    return top or min(default, classes)


def as_json(name: str, prediction: Prediction) -> str:
    """Return one JSON object on one line, in ASCII for any name."""
    return json.dumps({"input": name} | prediction)


def as_line(name: str, prediction: Prediction, widths: tuple[int, int]) -> str:
    """Return a line whose columns are aligned with those of other lines.

    Args:
        name: of the image.
        prediction: for it.
        widths: of the longest image name and the longest class name, in terminal cells.
    """
    return "  ".join([pad(printable(name), widths[0]), *format_cells(prediction, widths[1])])


def as_table(predictions: Sequence[tuple[str, Prediction]], columns: Sequence[str]) -> Table:
    """Return a table with one row per image."""
    table = Table("input", *columns, pad_edge=False)
    for name, prediction in predictions:
        table.add_row(printable(name), *format_cells(prediction))
    return table


def format_cells(prediction: Prediction, width: int = 0) -> list[str]:
    """Return a prediction as texts; class names are padded to the width."""
    if "top" in prediction:
        return [f"{pad(printable(each['class']), width)} {each['probability']:6.1%}" for each in prediction["top"]]
    (value,) = prediction.values()
    return [f"{value:.6g}" if isinstance(value, float) else str(value)]


def pad(text: str, width: int) -> str:
    """Pad a text with spaces to a number of terminal cells."""
    return text + " " * (width - cell_len(text))


def max_width(texts: Sequence[str]) -> int:
    """Return the terminal cells of the longest text."""
    return max((cell_len(printable(text)) for text in texts), default=0)
