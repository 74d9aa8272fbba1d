"""The page of `sprout explain`: predictions for images, what speaks for them, and what the model's filters look for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sprout.data.store import Array, Store, class_indices, open_store
from sprout.explain.explain_examples import Explanations, explain_examples
from sprout.explain.filters import filter_images
from sprout.explain.neighbours import nearest
from sprout.models.card import ModelCard
from sprout.models.predictor import Predictor
from sprout.predict.predictions import format_cells
from sprout.report.explanations import Explained, drawn_filters
from sprout.report.formatting import decimal
from sprout.report.page import environment
from sprout.report.pictures import Exhibit, heated, pictures
from sprout.runtime.files import atomic_write, read_json

FILTERS, NEIGHBOURS = 6, 4
"""Of each convolution, and of each image."""
TOP = 3
"""Classes that are named."""


def write_page(
    out: Path, name: str, predictor: Predictor, images: Sequence[tuple[str, Array]], train: Store | None
) -> None:
    """Write the page.

    Args:
        out: the page, one HTML file that needs no other.
        name: of the model.
        predictor: a model of images.
        images: the name of each file, and its image as the model takes it, (H, W, C) uint8.
        train: labelled examples among which neighbours are found; None for none.
    """
    page = (
        environment("sprout.predict")
        .get_template("explain.html.j2")
        .render(
            name=name,
            card=predictor.card,
            images=explained_images(predictor, images, train) if images else [],
            filters=drawn_filters(filter_images(predictor, FILTERS)),
        )
    )
    with atomic_write(out) as beside:
        beside.write_text(page, encoding="utf-8", newline="\n")


def explained_images(predictor: Predictor, images: Sequence[tuple[str, Array]], train: Store | None) -> list[Explained]:
    """Each image with its prediction, its saliency, and its neighbours."""
    examples = np.stack([image for _, image in images])
    found = explain_examples(predictor, examples)
    heat = None if found.saliency is None else pictures(heated(examples, np.rint(255 * found.saliency)))
    near = [[] for _ in images] if train is None else neighbours(predictor, found, train)
    drawn, words = pictures(examples), [in_words(predictor, one) for one in found.predictions]
    return [
        Explained(drawn[i], heat[i] if heat else None, name, "", words[i][0], False, near[i], words[i][1])
        for i, (name, _) in enumerate(images)
    ]


def in_words(predictor: Predictor, prediction: Any) -> tuple[str, str]:
    """The class that is predicted, and the most probable ones with their probabilities; or a number, or a cluster."""
    classes = predictor.classes
    printed = predictor.task.printed_prediction(prediction, classes, min(TOP, len(classes)))
    if "top" not in printed:
        return format_cells(printed)[0], ""
    return printed["top"][0]["class"], ", ".join(" ".join(cell.split()) for cell in format_cells(printed))


def neighbours(predictor: Predictor, found: Explanations, train: Store) -> list[list[Exhibit]]:
    """The labelled examples whose features are most alike, for each prediction."""
    labels = class_indices(train.labels)
    rows = np.flatnonzero(labels >= 0)
    if found.features is None or not len(rows):
        return [[] for _ in found.predicted]
    near = nearest(found.features, predictor.features_of(train.part(rows), "labelled examples"), NEIGHBOURS)
    return [
        of_one(predictor, train, rows[places], labels[rows[places]], similarity)
        for places, similarity in zip(near.rows, near.similarity, strict=True)
    ]


def of_one(predictor: Predictor, train: Store, rows: Array, labels: Array, similarity: Array) -> list[Exhibit]:
    """The neighbours of one image: (k,) rows of train, their classes and their similarities."""
    origins = train.labels["origin"].take(rows).to_pylist()
    return [
        Exhibit(picture, origin, (predictor.classes[label], decimal(float(cosine), 2)))
        for picture, origin, label, cosine in zip(pictures(train.take(rows)), origins, labels, similarity, strict=True)
    ]


def labelled_examples(card: ModelCard, prepared: Path) -> Store | None:
    """The labelled training examples of a workspace; None where they are not there, or not those of this model."""
    classes, train = prepared / "classes.json", prepared / "train"
    if not classes.is_file() or not card.classes or read_json(classes) != card.classes:
        return None
    store = open_store(train)
    return store if store.shape == tuple(card.input_shape) else None
