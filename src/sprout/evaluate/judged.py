"""The examples by which models are chosen: val, or with cross-validation the training examples, out of fold."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from sprout.data.store import Array, Store, class_indices, open_store
from sprout.models.card import OUT_OF_FOLD
from sprout.models.predictor import Predictor


class Judged(NamedTuple):
    """Examples, and what a model that has not learned from them gives."""

    store: Store
    examined: Array
    """As `Task.examine` returns it for the store."""
    split: str
    """val, or train with cross-validation."""

    @property
    def noun(self) -> str:
        """What the examples are called."""
        return "val examples" if self.split == "val" else "cross-validated labels"

    def predictions(self, predictor: Predictor) -> tuple[Array, Array]:
        """What the model, a classifier, says of the examples of known classes, and these: (V, K), (V,) int64."""
        labels = class_indices(self.store.labels)
        known = np.flatnonzero(labels >= 0)
        return predictor.task.predictions(self.examined, predictor.card)[known], labels[known]


def judged_by(model: Path, predictor: Predictor, prepared: Path, what: str) -> Judged:
    """Examine a model on val, or read what cross-validation has found.

    Args:
        model: the model folder.
        predictor: the model in it.
        prepared: the folder of the stage `prepare`.
        what: shown beside the progress.
    """
    out_of_fold = model / OUT_OF_FOLD
    if out_of_fold.exists():
        return Judged(open_store(prepared / "train"), np.load(out_of_fold, allow_pickle=False), "train")
    val = open_store(prepared / "val")
    return Judged(val, predictor.task.examine(predictor, val, what), "val")
