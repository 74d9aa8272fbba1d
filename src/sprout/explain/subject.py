"""What is explained: the model that is handed on, with the data around it; each quantity is computed once."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sprout.data.store import Array, Store, class_indices, open_store
from sprout.evaluate.evaluate_build import HandedOn
from sprout.explain.explain_examples import has_features

MOST = 50_000
"""Labelled examples that are looked at; of more, this many are drawn."""


@dataclass(frozen=True)
class Subject:
    """The model that is handed on, and its data."""

    model: HandedOn
    prepared: Path
    """The folder of the stage `prepare`."""

    @cached_property
    def train(self) -> Store:
        """The training examples."""
        return open_store(self.prepared / "train")

    @cached_property
    def labelled(self) -> Array:
        """The rows of `train` whose class is known: (n,) int64, in order."""
        rows = np.flatnonzero(class_indices(self.train.columns("label")) >= 0)
        return rows if len(rows) <= MOST else np.sort(np.random.default_rng(0).choice(rows, MOST, replace=False))

    @cached_property
    def labels(self) -> Array:
        """Their classes: (n,) int64."""
        return class_indices(self.train.columns("label"))[self.labelled]

    @cached_property
    def features(self) -> Array:
        """Their features, see `features_of`: (n, D) float32."""
        return self.features_of(self.train, self.labelled, "labelled examples")

    def features_of(self, store: Store, rows: Array, what: str) -> Array:
        """The features of rows of a store, or of a model without features the examples themselves: (n, D) float32."""
        part = store.part(rows)
        if has_features(self.model.predictor):
            return self.model.predictor.features_of(part, what)
        return part.take(np.arange(len(part))).reshape(len(part), -1).astype(np.float32)

    @cached_property
    def predicted(self) -> Array:
        """The class that it predicts for each example that it is tested on: (N,) int64."""
        return self.model.outcomes["predicted"].astype(np.int64)

    @cached_property
    def confidence(self) -> Array:
        """The probabilities of these classes: (N,) float32."""
        return self.model.outcomes["confidence"].copy()

    @property
    def has_classes(self) -> bool:
        """Whether it predicts classes."""
        return self.model.predictor.task.target == "class"

    @cached_property
    def mistakes(self) -> Array:
        """The rows that it is tested on and gets wrong, the most confident first: (m,) int64; none without classes."""
        if not self.has_classes:
            return np.empty(0, np.int64)
        known = class_indices(self.model.tested.store.columns("label"))
        wrong = np.flatnonzero((known >= 0) & (known != self.predicted))
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]
