"""Find the examples of the unlabelled pool that may belong to no class.

A model is less sure of them than of examples of its classes (Hendrycks and Gimpel, "A baseline for detecting
misclassified and out-of-distribution examples", ICLR 2017). Where the pool has many, its confidence lies lower than on
labels that the model has not learned from, and the two distributions tell from where on (Blanchard, Lee and Scott,
"Semi-supervised novelty detection", JMLR 2010).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp

from sprout.data.foreign import Comparison, Foreign
from sprout.data.store import Array, Store
from sprout.engine.plan import FOLDS
from sprout.evaluate.judged import judged_by
from sprout.evaluate.ranges import Model
from sprout.models.predictor import Predictor, load_model
from sprout.runtime.engine import Engine, LocalProcesses
from sprout.selftraining.scoring import Scores, score

P = 0.001
"""The significance level: a difference with a larger p is ignored."""
LEAST = 0.1
"""A smaller difference of the two distributions is ignored: on val, which has chosen the epoch, confidence is a little
higher."""


def find_foreign(teacher: Model, pool: Store, prepared: Path, engine: Engine) -> tuple[Foreign, Scores]:
    """Compare the teacher's confidence on the pool with that on val, or on the labels, out of fold.

    Args:
        teacher: with cross-validation there is a model for each fold in its folder.
        pool: of one example at least.
        prepared: the folder of the stage `prepare`.
        engine: where many examples are scored.

    Returns:
        what is left out; what the teacher says of the pool.

    Raises:
        UserError: the machines of a cluster cannot score them.
    """
    judged = judged_by(teacher, prepared, engine, "val: teacher")
    known = judged.known()[0]["confidence"]
    scores = score(teacher, pool, engine, "score: unlabelled")
    rows, compared = compare(scores.confidence, known, judged.noun)
    by_fold: dict[int | None, Array] = {None: rows}
    for fold, folder in enumerate(sorted((teacher.folder / FOLDS).glob("*"), key=lambda path: int(path.name))):
        network, card = load_model(folder)
        # As in `known`; that of a fold is fitted on a few labels.
        card = replace(card, temperature=teacher.predictor.card.temperature)
        model, what = Model(Predictor(network, card), folder), f"score: unlabelled, fold {fold + 1}"
        of_fold = score(model, pool, LocalProcesses(), what)  # other machines would open it with its own temperature
        by_fold[fold], _ = compare(of_fold.confidence, known, judged.noun)
    return Foreign.of(by_fold, compared), scores


def compare(pool: Array, known: Array, noun: str) -> tuple[Array, Comparison]:
    """The rows of the pool that are left out, (n,) int64, and why.

    Args:
        pool: (N,) the confidence on the pool; one at least.
        known: (M,) that on examples of the classes; one at least.
        noun: what these are called.
    """
    test = ks_2samp(pool, known, alternative="greater", method="asymp")
    place = test.statistic_location
    below, below_of_known = pool <= place, float((known <= place).mean())
    differs = test.pvalue < P and test.statistic >= LEAST
    rows = np.flatnonzero(below) if differs else np.zeros(0, np.int64)
    shares = float(below.mean()), below_of_known
    return rows, Comparison(len(pool), len(known), noun, float(test.pvalue), float(place), *shares, len(rows))
