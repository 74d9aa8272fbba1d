"""What a model says of one image, and how that is written. Imports no torch."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.table import Table

from sprout.runtime.errors import printable

Answer = dict[str, Any]
"""As JSON has it: `top`, a list of classes with their probabilities, the likeliest first; or `value`; or `cluster`."""


def likeliest(probabilities: Sequence[float], classes: Sequence[str], top: int) -> Answer:
    """The first so many classes, by (K,) probabilities; of equal ones the earlier class comes first."""
    order = np.argsort(-np.asarray(probabilities), kind="stable")[:top]
    return {"top": [{"class": classes[index], "probability": float(probabilities[index])} for index in order]}


def as_json(name: str, answer: Answer) -> str:
    """One object on one line, in ASCII, whatever the name."""
    return json.dumps({"image": name} | answer)


def as_line(name: str, answer: Answer, widths: tuple[int, int]) -> str:
    """A line whose columns stand under those of other lines.

    Args:
        name: of the image.
        answer: what was found.
        widths: of the longest name of an image and of a class, in a terminal's cells.
    """
    return "  ".join([padded(printable(name), widths[0]), *cells(answer, widths[1])])


def as_table(answers: Sequence[tuple[str, Answer]], heads: Sequence[str]) -> Table:
    """A table of images by what was found."""
    table = Table("image", *heads, pad_edge=False)
    for name, answer in answers:
        table.add_row(printable(name), *cells(answer))
    return table


def cells(answer: Answer, width: int = 0) -> list[str]:
    """An answer as texts; names of classes are brought to a width."""
    if "top" in answer:
        return [f"{padded(printable(each['class']), width)} {each['probability']:6.1%}" for each in answer["top"]]
    return [f"{answer['value']:.6g}"] if "value" in answer else [str(answer["cluster"])]


def padded(text: str, width: int) -> str:
    """A text with spaces behind it, so that it fills so many cells."""
    return text + " " * (width - cell_len(text))


def widest(texts: Sequence[str]) -> int:
    """The cells that the longest of these texts fills."""
    return max((cell_len(printable(text)) for text in texts), default=0)
