"""The sections that explain the model that is handed on: only drawn here, from what the stage `evaluate` wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sprout.data.store import Array, class_indices, open_store
from sprout.explain.files import (
    EXAMPLES,
    FILTERS,
    FOLDER,
    IMPORTANCE,
    LABEL_ISSUES,
    MAP,
    NEIGHBOURS,
    ExplainedExamples,
    LayerFilters,
    read_examples,
    read_filters,
)
from sprout.report.feature_map import read_map
from sprout.report.formatting import compact, decimal, percent
from sprout.report.inputs import Inputs
from sprout.report.pictures import Exhibit, Picture, are_pictures, drawn, exhibits, heated, pictures
from sprout.runtime.files import read_rows

SECTIONS = {
    "why": ("What decides", "explained"),
    "map": ("Map of the features", "map"),
    "label-issues": ("Labels that may be wrong", "suspects"),
    "filters": ("Filters", "filters"),
    "importance": ("Features", "importance"),
    "copies": ("Augmented copies", "copies"),
}
"""By anchor the title of a section, and the field that it shows."""
COPIES, PARENTS = 5, 6
"""Copies shown beside an original, and originals, at most."""


@dataclass(frozen=True)
class Explained:
    """A tested example with its explanation."""

    picture: Picture | None
    """None where the example cannot be drawn."""
    heat: Picture | None
    """The picture with the pixels coloured that speak for the prediction; None where they are not known."""
    origin: str
    actual: str
    """Empty where it is not known."""
    predicted: str
    """What the pixels speak for."""
    wrong: bool
    neighbours: list[Exhibit]
    """The nearest labelled examples, each with its class and similarity."""
    note: str = ""
    """A further line."""


@dataclass(frozen=True)
class Filters:
    """Some filters of one convolution."""

    layer: str
    filters: int
    """How many it has."""
    shown: list[tuple[int, Picture]]
    """Each with its number."""


@dataclass(frozen=True)
class Feature:
    """A feature of a table."""

    name: str
    importance: str
    std: str
    share: float
    """Of the largest importance, 0..1."""


def contents(fields: dict[str, Any]) -> dict[str, str]:
    """The titles of the sections that there are, by anchor."""
    return {anchor: title for anchor, (title, field) in SECTIONS.items() if fields[field]}


def explanation_fields(inputs: Inputs, prepared: Path, augmented: Path, examples: int) -> dict[str, Any]:
    """What the template shows; what does not apply, and so was not written, is empty.

    Args:
        inputs: what the stages wrote.
        prepared: the folder of the stage `prepare`.
        augmented: the folder of the stage `augment`.
        examples: to show in each gallery.
    """
    folder = inputs.evaluation_folder / FOLDER
    return {
        "explained": explained(inputs, prepared, folder),
        "map": read_map(inputs, prepared, folder / MAP),
        "suspects": suspects(inputs, prepared / "train", examples),
        "filters": filters(folder / FILTERS),
        "importance": importance(folder / IMPORTANCE),
        "copies": copies(inputs, prepared / "train", augmented) if examples else [],
    }


def explained(inputs: Inputs, prepared: Path, folder: Path) -> list[Explained]:
    """The explained examples, mistakes first."""
    if not (folder / EXAMPLES).exists():
        return []
    found = read_examples(folder / EXAMPLES)
    shown = drawn(inputs, prepared / inputs.tested_split, found.rows)
    heat = heat_pictures(inputs, prepared, found)
    near = neighbours(inputs, prepared / "train", folder / NEIGHBOURS)
    actual, predicted, wrong = outcomes(inputs, found)
    return [
        Explained(picture, heat[i], origin, actual[i], predicted[i], wrong[i], near.get(int(found.rows[i]), []))
        for i, (picture, origin) in enumerate(shown)
    ]


def heat_pictures(inputs: Inputs, prepared: Path, found: ExplainedExamples) -> list[Picture] | list[None]:
    """The pictures of examples with their saliency in colour."""
    if found.saliency is None or not are_pictures(inputs.summary):
        return [None] * len(found.rows)
    images = open_store(prepared / inputs.tested_split).take(found.rows)
    return pictures(heated(images, found.saliency))


def outcomes(inputs: Inputs, found: ExplainedExamples) -> tuple[list[str], list[str], list[bool]]:
    """What examples are and what was predicted for them, in words, and whether that is wrong.

    Of numbers, the half with the larger errors counts as wrong.
    """
    place = {int(row): i for i, row in enumerate(inputs.predictions["row"].to_numpy())}
    places = np.array([place[int(row)] for row in found.rows])
    predicted = inputs.predictions[inputs.shown].to_numpy()[places]
    if "label" in inputs.predictions.column_names:
        label = inputs.predictions["label"].to_numpy()[places]
        names = [inputs.classes[i] for i in label], [inputs.classes[i] for i in found.predicted]
        return *names, (predicted != label).tolist()
    value = inputs.predictions["value"].to_numpy()[places]
    error = np.abs(predicted - value)
    return [compact(x) for x in value], [compact(x) for x in predicted], (error > np.median(error)).tolist()


def neighbours(inputs: Inputs, train: Path, path: Path) -> dict[int, list[Exhibit]]:
    """The nearest labelled examples by the row of a mistake, each with its class and similarity."""
    if not path.exists():
        return {}
    table = pq.read_table(path)
    row, neighbour, similarity = (table[name].to_numpy() for name in ("row", "neighbour", "similarity"))
    label = class_indices(open_store(train).labels)[neighbour]
    captions = [(inputs.classes[i], decimal(float(x), 2)) for i, x in zip(label, similarity, strict=True)]
    found: dict[int, list[Exhibit]] = {}
    for mistake, one in zip(row.tolist(), exhibits(inputs, train, neighbour, captions), strict=True):
        found.setdefault(mistake, []).append(one)
    return found


def suspects(inputs: Inputs, train: Path, wanted: int) -> dict[str, Any] | None:
    """The labels that may be wrong, the most suspicious first; None where none were looked for."""
    path = inputs.evaluation_folder / LABEL_ISSUES
    if not path.exists():
        return None
    table = pq.read_table(path)
    first = table.slice(0, wanted)
    names = [[inputs.classes[i] for i in first[column].to_pylist()] for column in ("given", "suggested")]
    scores = [percent(score) for score in first["score"].to_pylist()]
    captions = list(zip(*names, scores, strict=True))
    labelled = int((inputs.labels["train"] >= 0).sum())
    return {
        "found": table.num_rows,
        "labelled": labelled,
        "shown": exhibits(inputs, train, first["row"].to_numpy(), captions),
    }


def filters(path: Path) -> list[Filters]:
    """What filters look for, first to last convolution; none where they cannot be drawn."""
    return drawn_filters(read_filters(path)) if path.exists() else []


def drawn_filters(layers: Sequence[LayerFilters]) -> list[Filters]:
    """The pictures of filters; none of a layer where they are neither grey nor in colour."""
    return [
        Filters(one.layer, one.filters, list(zip(one.chosen.tolist(), pictures(one.images), strict=True)))
        for one in layers
        if one.images.shape[3] in (1, 3)
    ]


def importance(path: Path) -> list[Feature]:
    """The features of a table, the most important first."""
    rows = read_rows(path) if path.exists() else []
    largest = max((float(row["importance"]) for row in rows), default=0.0) or 1.0
    return [
        Feature(
            row["feature"],
            compact(float(row["importance"])),
            compact(float(row["std"])),
            max(0.0, float(row["importance"]) / largest),
        )
        for row in rows
    ]


def copies(inputs: Inputs, train: Path, augmented: Path) -> list[list[Exhibit]]:
    """Originals of different classes, each followed by its first augmented copies; none without copies."""
    made = open_store(augmented)
    if not len(made) or not are_pictures(inputs.summary):
        return []
    parent = np.array([int(origin.removeprefix("train:")) for origin in made.labels["origin"].to_pylist()])
    return [
        [*exhibits(inputs, train, np.array([row]), [("original",)]), *of_copies(inputs, augmented, parent, row)]
        for row in of_different_classes(parent, inputs.labels["train"])
    ]


def of_copies(inputs: Inputs, augmented: Path, parent: Array, row: int) -> list[Exhibit]:
    """The first copies of a training example."""
    rows = np.flatnonzero(parent == row)[:COPIES]
    return exhibits(inputs, augmented, rows, [(f"copy {number}",) for number in range(1, len(rows) + 1)])


def of_different_classes(parent: Array, labels: Array) -> list[int]:
    """The first training example with copies of each class, of a few classes."""
    parents = np.unique(parent)
    _, first = np.unique(labels[parents], return_index=True)
    chosen: list[int] = parents[first][:PARENTS].tolist()
    return chosen
