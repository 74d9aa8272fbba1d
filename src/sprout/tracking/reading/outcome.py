"""What the model that a build hands on made of each example that it was tested on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.store import Array
from sprout.evaluate.tested_on import CROSS_VALIDATION, TEST
from sprout.runtime.files import read_rows
from sprout.tracking.reading.facts import Facts, artifact, artifact_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PREDICTIONS, PER_CLASS = "evaluation/predictions.parquet", "evaluation/per_class.csv"
TEST_STORE = "data/test/store.json"
ERROR = "error"
"""The measure of classifiers."""


class Measure(NamedTuple):
    """How wrong a model is on one example."""

    name: str
    predicts: str
    """What the model predicts, in the plural."""
    column: str
    """Of the table of predictions: what is the same for two models that were given the same examples."""
    errors: Callable[[Array, Array], Array]
    """From that column and the model's own: (N,) and (N,) → (N,) float64."""
    differs: str
    """What is said where two builds have other values in that column."""


MEASURES = (
    Measure(ERROR, "classes", "label", lambda label, predicted: label != predicted, "their examples have other labels"),
    Measure(
        "absolute error",
        "numbers",
        "value",
        lambda value, predicted: abs(value - predicted),
        "the values to predict differ",
    ),
    Measure("squared error", "images", "noisy_mse", lambda noisy, restored: restored, "their inputs have other noise"),
)
"""Of classifiers, regressions and networks that restore images; the first one whose columns a build has."""


@dataclass(frozen=True)
class Outcome:
    """The model that a build hands on, on the examples that it was tested on."""

    measure: Measure
    split: str
    """TEST, or CROSS_VALIDATION: labelled training examples, each by models that have not learned from it."""
    data: str | None
    """DVC's hash of the prepared data."""
    store: str | None
    """SHA-256 of the examples of the test split."""
    rows: Array
    """(N,) int64, rising."""
    given: Array
    """(N,) `Measure.column`: the label of each example, its value, or the error of the noisy image."""
    predicted: Array
    """(N,) the model's own column: classes, values, or errors."""
    errors: Array
    """(N,) float64: of a classifier 1 where it is wrong, else 0."""
    classes: list[str]
    """Of a classifier, by their numbers."""

    @property
    def is_classifier(self) -> bool:
        """Whether it predicts classes."""
        return self.measure.name == ERROR

    @property
    def noun(self) -> str:
        """What one of these examples is called."""
        return "test example" if self.split == TEST else "cross-validated label"


def outcome_of(client: "MlflowClient", run: "Run", facts: Facts) -> Outcome | str:
    """Return what is known of the model that a build hands on, or why that is nothing."""
    name, role = facts.run.name, facts.handed_on
    if role is None:
        return f"{name} is not a finished build"
    table = predictions(client, run)
    if table is None:
        return f"{name} has no artifact {PREDICTIONS}"
    measure = next((each for each in MEASURES if {each.column, role} <= set(table.column_names)), None)
    if measure is None:
        return f"{name} has no predictions example by example to compare with another build's"
    order = np.argsort(table.column("row").to_numpy(), kind="stable")
    rows, given, predicted = (table.column(key).to_numpy()[order] for key in ("row", measure.column, role))
    return Outcome(
        measure=measure,
        split=CROSS_VALIDATION if any(key.startswith(f"{role}/{CROSS_VALIDATION}") for key in facts.figures) else TEST,
        data=facts.data.get("data/prepared"),
        store=store_of(client, run),
        rows=rows,
        given=given,
        predicted=predicted,
        errors=measure.errors(given, predicted).astype(np.float64),
        classes=classes_of(client, run, role) if measure.name == ERROR else [],
    )


def predictions(client: "MlflowClient", run: "Run") -> pa.Table | None:
    """Return a build's table of predictions; None if it has none."""
    with artifact_file(client, run, PREDICTIONS) as path:
        return None if path is None else pq.read_table(path)


def store_of(client: "MlflowClient", run: "Run") -> str | None:
    """Return the SHA-256 of the examples of a build's test split; None where it is not known, or there are none."""
    store: dict[str, Any] = artifact(client, run, TEST_STORE) or {}
    return store.get("sha256") if store.get("examples") else None


def classes_of(client: "MlflowClient", run: "Run", role: str) -> list[str]:
    """Return the classes of a model, by their numbers; none where the build has no such file."""
    with artifact_file(client, run, PER_CLASS) as path:
        return [] if path is None else [row["class"] for row in read_rows(path) if row["model"] == role]


def not_comparable(first: Outcome | str, second: Outcome | str) -> str | None:
    """Return why two builds cannot be compared example by example; None where they can."""
    for each in (first, second):
        if isinstance(each, str):
            return each
    assert isinstance(first, Outcome)
    assert isinstance(second, Outcome)
    if first.measure != second.measure:
        return f"one predicts {first.measure.predicts}, the other {second.measure.predicts}"
    if first.classes != second.classes:
        return other_classes(first.classes, second.classes)
    if first.split != second.split:
        return "one was tested on the test split, the other by cross-validation"
    if not same_examples(first, second):
        return "the builds were tested on other examples"
    if not np.array_equal(first.given, second.given):
        return first.measure.differs
    return "there are fewer than two examples to test on" if len(first.rows) < 2 else None


def same_examples(first: Outcome, second: Outcome) -> bool:
    """Whether two builds were tested on the same examples, by the hashes of their data or of the test split."""
    same = first.data == second.data is not None
    same |= first.split == TEST and first.store == second.store is not None
    return same and np.array_equal(first.rows, second.rows)


def other_classes(first: list[str], second: list[str]) -> str:
    """Return how the classes of two builds differ."""
    from sprout.runtime.errors import listed

    only = [[name for name in one if name not in other] for one, other in ((first, second), (second, first))]
    if not any(only):
        return "the builds have the same classes in another order"
    sides = [f"only the {which} has {listed(names)}" for which, names in zip(("first", "other"), only, strict=True)]
    return f"the builds have other classes: {', '.join(side for side, names in zip(sides, only, strict=True) if names)}"
