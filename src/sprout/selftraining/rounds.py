"""Rounds of pseudo-labels: predictions on the unlabelled pool become labels, from which the next round learns.

The first round's labels are the teacher's. Each further round trains a model anew, on true labels and those of the
round before, and this model labels the whole pool again. The labels of the last round are the student's.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.config.pseudo_label import NoPseudoLabels, PseudoLabel, Selection
from sprout.config.train import GradientDescent
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.store import LABELS, Array, label_table, open_store, write_labels
from sprout.engine.tracked import PREPARED, Candidate, TrainingSections, train_candidate
from sprout.models.predictor import Predictor, load_predictor
from sprout.runtime.files import atomic_folder, write_rows
from sprout.selftraining.selection import class_scales, scaled, select

HISTORY = ["round", "labeller", "pool", "accepted", "lowest_confidence", "mean_confidence"]
"""Columns of `rounds.csv`."""
PREDICTIONS = {
    "labeller": pa.string(),
    "split": pa.string(),
    "row": pa.int64(),
    "predicted": pa.int64(),
    "confidence": pa.float32(),
    "threshold": pa.float32(),
    "accepted": pa.bool_(),
}
"""Columns of `predictions.parquet`: for each labeller and each example of the pool and of val the predicted class, its
confidence, the confidence from which it counts, and whether it does."""
VAL, POOL = "val", "unlabelled"


@dataclass(frozen=True)
class Round:
    """What one round has found."""

    number: int
    """From 1."""
    labels: pa.Table
    """The label table of what it accepts."""
    predictions: pa.Table
    """Of the columns `PREDICTIONS`."""
    pool: int
    """How many examples there were to accept."""

    @property
    def row(self) -> dict[str, Any]:
        """Its row of `rounds.csv`; a confidence is None where nothing is accepted."""
        confidence = self.labels["confidence"].to_numpy()
        found = (float(confidence.min()), float(confidence.mean())) if len(confidence) else (None, None)
        return dict(zip(HISTORY, (self.number, labeller(self.number), self.pool, len(confidence), *found), strict=True))

    @property
    def sentence(self) -> str:
        """What it has accepted."""
        row = self.row
        least = f", of a confidence of {row['lowest_confidence']:.3g} or above" if row["accepted"] else ""
        return f"round {self.number}: accepted {row['accepted']:,} of {self.pool:,} predictions{least}"


def labeller(number: int) -> str:
    """The name of the model that labels in a round."""
    return "teacher" if number == 1 else f"round {number}"


def make_pseudo_labels(
    folder: Path, teacher: Path, config: PseudoLabel, sections: TrainingSections, build: Build
) -> None:
    """Hold all rounds, and write the labels of the last one and what each has found.

    Args:
        folder: the output of the stage.
        teacher: the model folder.
        config: the section.
        sections: the settings of the models of further rounds.
        build: the composed config.

    Raises:
        UserError: the settings do not fit the examples.
    """
    rounds, trained = list[Round](), list[Candidate]()
    if (why := why_none(config, load_predictor(teacher), len(open_store(PREPARED / POOL)))) is None:
        assert not isinstance(config, NoPseudoLabels)
        rounds, trained = hold_rounds(teacher, config, sections, build)
    else:
        print(f"pseudo_label: no pseudo-labels, as {why}", file=sys.stderr)
    with atomic_folder(folder) as beside:
        write_rounds(beside, rounds)
    for candidate in trained:
        candidate.discard()


def why_none(config: PseudoLabel, teacher: Predictor, pool: int) -> str | None:
    """Why no round is held; None where one is."""
    if isinstance(config, NoPseudoLabels):
        return "pseudo_label.method is none"
    if not teacher.task.has_pseudo_labels:
        return f"the teacher's task, {teacher.task.name}, has none"
    return None if pool else "there are no unlabelled examples"


def hold_rounds(
    teacher: Path, config: Selection, sections: TrainingSections, build: Build
) -> tuple[list[Round], list[Candidate]]:
    """All rounds, and the models trained for them; one that accepts nothing is the last.

    A model whose training has ended before is not trained again.
    """
    labelled, sections = Examples.open(str(PREPARED / "train"), "data/augmented"), for_rounds(sections)
    rounds, trained = [hold(1, teacher, config, labelled)], list[Candidate]()
    while rounds[-1].number < config.rounds and rounds[-1].labels.num_rows:
        number = rounds[-1].number + 1
        examples = labelled.with_rows(str(PREPARED / POOL), rounds[-1].labels)
        trained.append(train_candidate(examples, sections, build, role="round", name=labeller(number)))
        rounds.append(hold(number, trained[-1].folder, config, labelled))
    return rounds, trained


def for_rounds(sections: TrainingSections) -> TrainingSections:
    """The settings of models that are there to label: they are trained by this process, and not logged."""
    training, tracking = sections.training, replace(sections.tracking, log_model=False)
    if isinstance(training, GradientDescent):
        training = replace(training, devices=1, nodes=1)
    return replace(sections, training=training, tracking=tracking)


def hold(number: int, model: Path, config: Selection, labelled: Examples) -> Round:
    """Let a model label the pool; says what is accepted.

    Args:
        number: of the round, from 1.
        model: the model folder.
        config: what is accepted.
        labelled: the examples with true labels, whose class shares the predictions may be aligned to.
    """
    predictor, pool = load_predictor(model), open_store(PREPARED / POOL)
    of_pool, of_val = (probabilities(predictor, name) for name in (POOL, VAL))
    if config.alignment != "none":
        scales = class_scales(of_pool, wanted_shares(config, labelled, len(predictor.classes)))
        of_pool, of_val = scaled(of_pool, scales), scaled(of_val, scales)
    selected, name = select(of_pool, config, number), labeller(number)
    in_pool = predictions(name, POOL, of_pool, selected.thresholds).set_column(
        len(PREDICTIONS) - 1, "accepted", pa.array(np.isin(np.arange(len(of_pool)), selected.rows))
    )
    found = Round(
        number,
        pseudo_labels(of_pool, selected.rows, pool.labels, number),
        pa.concat_tables([in_pool, predictions(name, VAL, of_val, selected.thresholds)]),
        len(of_pool),
    )
    print(f"pseudo_label: {found.sentence}", file=sys.stderr)
    return found


def probabilities(model: Predictor, split: str) -> Array:
    """The calibrated predictions for a split: (N, K)."""
    return model.task.predictions(model.outputs_of(open_store(PREPARED / split), f"score: {split}"), model.card)


def wanted_shares(config: Selection, labelled: Examples, classes: int) -> Array:
    """The class shares that predictions are aligned to: (K,)."""
    if config.alignment == "uniform":
        return np.full(classes, 1 / classes)
    counts = np.bincount(labelled.with_target("label").targets, minlength=classes)
    shares: Array = counts / counts.sum()
    return shares


def predictions(name: str, split: str, found: Array, thresholds: Array) -> pa.Table:
    """The rows of `predictions.parquet` of a labeller and a split.

    Args:
        name: of the labeller.
        split: unlabelled or val.
        found: (N, K) probabilities.
        thresholds: (K,) of each class.
    """
    count, predicted, confidence = len(found), found.argmax(axis=1), found.max(axis=1, initial=0)
    needed = thresholds[predicted]
    names = (pa.repeat(pa.scalar(text), count) for text in (name, split))
    columns = (*names, np.arange(count), predicted, confidence, needed, confidence >= needed)
    return pa.table(list(columns), names=list(PREDICTIONS)).cast(pa.schema(PREDICTIONS))


def pseudo_labels(found: Array, rows: Array, pool: pa.Table, number: int) -> pa.Table:
    """The label table of accepted rows.

    Args:
        found: (N, K) probabilities of the whole pool.
        rows: (n,) the accepted ones.
        pool: the pool's own label table, which says group and origin.
        number: of the round that accepted them.
    """
    chosen = found[rows]
    return label_table(
        rows,
        chosen.argmax(axis=1),
        source="pseudo",
        confidence=chosen.max(axis=1),
        round_=number,
        group=pool["group"].to_numpy()[rows],
        origin=pool["origin"].take(rows).combine_chunks(),
    )


def write_rounds(folder: Path, rounds: Sequence[Round]) -> None:
    """Write the labels of the last round, and what each round has found, into an empty folder."""
    write_labels(folder, rounds[-1].labels if rounds else LABELS.empty_table())
    write_rows(folder / "rounds.csv", HISTORY, [each.row for each in rounds])
    tables = [pa.schema(PREDICTIONS).empty_table(), *(each.predictions for each in rounds)]
    pq.write_table(pa.concat_tables(tables), folder / "predictions.parquet", compression="zstd")
