"""Write what explains the model that is handed on: files that the report draws, and other commands read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.config.evaluate import Explain
from sprout.data.store import Array
from sprout.evaluate.tested_on import TEST
from sprout.explain.chosen import chosen_examples
from sprout.explain.explain_examples import explain_examples
from sprout.explain.feature_map import feature_map
from sprout.explain.files import (
    EXAMPLES,
    FILTERS,
    FOLDER,
    IMPORTANCE,
    LABEL_ISSUES,
    MAP,
    NEIGHBOURS,
    write_examples,
    write_filters,
)
from sprout.explain.filters import filter_images
from sprout.explain.importance import permutation_importance
from sprout.explain.label_issues import LabelIssues, label_issues
from sprout.explain.neighbours import nearest
from sprout.explain.out_of_sample import out_of_sample
from sprout.explain.subject import Subject
from sprout.models.card import OUT_OF_FOLD
from sprout.runtime.files import write_rows

SHOWN = 4
"""Labelled examples that are shown beside a mistake."""


def write_explanations(evaluation: Path, subject: Subject, wanted: Explain) -> None:
    """Write the files of `sprout.explain.files`, without those that do not apply to the model or its task.

    Args:
        evaluation: the folder of the stage `evaluate`.
        subject: the model.
        wanted: how much of each.
    """
    folder = evaluation / FOLDER
    folder.mkdir()
    if layers := filter_images(subject.model.predictor, wanted.filters):
        write_filters(folder / FILTERS, layers)
    explain_chosen(folder, subject, chosen_examples(subject, wanted.examples))
    if wanted.map:
        pq.write_table(feature_map(subject, wanted.map), folder / MAP, compression="zstd")
    if wanted.feature_importance:
        write_importance(folder, subject)
    if wanted.label_issues and subject.has_classes and len(subject.labelled) > 1:
        write_label_issues(evaluation, subject)


def explain_chosen(folder: Path, subject: Subject, rows: Array) -> None:
    """Write the saliency of some tested examples, and the neighbours of the mistakes among them."""
    if not len(rows):
        return
    found = explain_examples(subject.model.predictor, subject.model.tested.store.take(rows))
    write_examples(folder / EXAMPLES, rows, found.predicted, found.saliency)
    if found.features is not None and subject.has_classes and len(subject.labelled):
        wrong = np.isin(rows, subject.mistakes)
        pq.write_table(neighbour_table(subject, rows[wrong], found.features[wrong]), folder / NEIGHBOURS)


def neighbour_table(subject: Subject, rows: Array, features: Array) -> pa.Table:
    """The nearest labelled examples of tested ones: `row`, `neighbour` (a row of train) and `similarity`."""
    found = nearest(features, subject.features, SHOWN + 1)
    neighbours = subject.labelled[found.rows]
    # With cross-validation an example is itself among the labelled ones.
    others = (neighbours != rows[:, None]) | (subject.model.tested.split == TEST)
    others &= np.cumsum(others, axis=1) <= SHOWN
    repeated = np.repeat(rows, others.sum(axis=1))
    return pa.table({"row": repeated, "neighbour": neighbours[others], "similarity": found.similarity[others]})


def write_importance(folder: Path, subject: Subject) -> None:
    """Write how much the model needs each feature of a table, the most important first."""
    features = subject.model.predictor.card.features
    found = permutation_importance(subject.model.predictor, subject.model.tested.store) if features else None
    if features is None or found is None:
        return
    rows = [
        {"feature": features[i], "importance": float(found.mean[i]), "std": float(found.std[i])}
        for i in np.argsort(-found.mean, kind="stable")
    ]
    write_rows(folder / IMPORTANCE, ["feature", "importance", "std"], rows)


def write_label_issues(evaluation: Path, subject: Subject) -> None:
    """Write the training examples whose label may be wrong."""
    found = issues_of(subject)
    rows = subject.labelled[found.rows]
    origin = subject.train.columns("origin")["origin"].take(rows)
    columns = {"given": found.given, "suggested": found.suggested, "score": found.score}
    table = pa.table({"row": rows, "origin": origin, **columns})
    pq.write_table(table, evaluation / LABEL_ISSUES, compression="zstd")


def issues_of(subject: Subject) -> LabelIssues:
    """What cross-validation says of the labels, where there is one; else what their neighbours say."""
    crossed = subject.model.folder / OUT_OF_FOLD
    if crossed.exists():
        examined = np.load(crossed, allow_pickle=False)[subject.labelled]
        probabilities = subject.model.predictor.task.predictions(examined, subject.model.predictor.card)
    else:
        probabilities = out_of_sample(subject.features, subject.labels, len(subject.model.predictor.classes))
    return label_issues(probabilities, subject.labels)
