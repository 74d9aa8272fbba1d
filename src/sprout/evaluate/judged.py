"""The examples by which models are chosen: val, or with cross-validation the training examples, out of fold."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from sprout.data.store import Array, Store, class_indices, open_store
from sprout.evaluate.ranges import Model, outcomes_of
from sprout.models.card import OUT_OF_FOLD
from sprout.runtime.engine import Engine


class Judged(NamedTuple):
    """Examples, and what a model that has not learned from them gives."""

    store: Store
    outcomes: Array
    """As `Task.outcomes` returns them for the store."""
    split: str
    """val, or train with cross-validation."""

    @property
    def noun(self) -> str:
        """What the examples are called."""
        return "val examples" if self.split == "val" else "cross-validated labels"

    def known(self) -> tuple[Array, Array]:
        """The outcomes of a classifier for the examples of known classes, and these classes: (V,), (V,) int64."""
        labels = class_indices(self.store.columns("label"))
        rows = np.flatnonzero(labels >= 0)
        return self.outcomes[rows], labels[rows]


def judged_by(model: Model, prepared: Path, engine: Engine, what: str) -> Judged:
    """Examine a model on val, or read what cross-validation has found.

    Args:
        model: the model.
        prepared: the folder of the stage `prepare`.
        engine: where many examples are examined.
        what: shown beside the progress.

    Raises:
        UserError: the machines of a cluster cannot examine them.
    """
    out_of_fold, predictor = model.folder / OUT_OF_FOLD, model.predictor
    if out_of_fold.exists():
        train, examined = open_store(prepared / "train"), np.load(out_of_fold, "r", allow_pickle=False)
        labels = class_indices(train.columns("label"))
        return Judged(train, predictor.task.outcomes(examined, predictor.card, labels), "train")
    val = open_store(prepared / "val")
    return Judged(val, outcomes_of(model, val, engine, what), "val")
