"""Rounds of pseudo-labels: predictions on the unlabelled pool become labels, from which the next round learns.

The first round's labels are the teacher's. Each further round trains a model anew, on true labels and those of the
round before, and this model labels the whole pool again. The labels of the last round are the student's.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.cluster import Cluster
from sprout.config.pseudo_label import NoPseudoLabels, PseudoLabel, Selection
from sprout.config.train import GradientDescent
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.foreign import ALL_KEPT, Foreign
from sprout.data.store import Array, label_table, open_store
from sprout.engine.tracked import PREPARED, TrainingSections, train_candidate
from sprout.evaluate.ranges import Model, open_model
from sprout.models.predictor import Predictor
from sprout.report.pool_notes import left_out, nothing_left_out
from sprout.runtime.candidates import Candidate
from sprout.runtime.files import atomic_folder, scratch_folder
from sprout.runtime.stage import SCRATCH
from sprout.selftraining.foreign import find_foreign
from sprout.selftraining.round_files import (
    NO_METHOD,
    PREDICTIONS,
    Round,
    labeller,
    write_none,
    write_rounds,
)
from sprout.selftraining.scoring import Scores, align, score
from sprout.selftraining.selection import class_scales, select

VAL, POOL = "val", "unlabelled"


def make_pseudo_labels(
    folder: Path, teacher: Path, config: PseudoLabel, sections: TrainingSections, build: Build, cluster: Cluster
) -> None:
    """Leave out what may belong to no class, run all rounds, and write the labels of the last one and what was found.

    Args:
        folder: the output of the stage.
        teacher: the model folder.
        config: the section.
        sections: the settings of the models of further rounds.
        build: the composed config.
        cluster: where many examples are scored.

    Raises:
        UserError: the settings do not fit the examples, or the machines of a cluster cannot score them.
    """
    opened, pool = open_model(teacher), open_store(PREPARED / POOL)
    if why := why_none(opened.predictor, len(pool)):
        write_none(folder, why)
        return
    foreign, scores = ALL_KEPT, None
    if config.foreign == "auto":
        foreign, scores = find_foreign(opened, pool, PREPARED, cluster.start())
        for note in left_out(foreign.compared) or nothing_left_out(foreign.compared):
            print(f"pseudo_label: {note}", file=sys.stderr)
    if isinstance(config, NoPseudoLabels):
        write_none(folder, NO_METHOD, foreign)
        return
    rounds, trained = run_rounds(teacher, config, sections, build, foreign, cluster, scores)
    with atomic_folder(folder) as beside:
        write_rounds(beside, rounds, foreign)
    for candidate in trained:
        candidate.hand_over("pseudo_label")


def why_none(teacher: Predictor, pool: int) -> str | None:
    """Why there is no round; None where there is one."""
    if not teacher.task.has_pseudo_labels:
        return f"the teacher's task, {teacher.task.name}, has none"
    return None if pool else "there are no unlabelled examples"


def run_rounds(
    teacher: Path,
    config: Selection,
    sections: TrainingSections,
    build: Build,
    foreign: Foreign,
    cluster: Cluster,
    scores: Scores | None,
) -> tuple[list[Round], list[Candidate]]:
    """All rounds, and the models trained for them; one that accepts nothing is the last.

    A model whose training has ended before is not trained again.

    Args:
        teacher: the model folder.
        config: what is accepted.
        sections: the settings of the models of further rounds.
        build: the composed config.
        foreign: examples of the pool that are left out.
        cluster: where many examples are scored.
        scores: what the teacher says of the pool, where it is known.
    """
    labelled, sections = Examples.open(str(PREPARED / "train"), "data/augmented"), for_rounds(sections)
    rounds, trained = [run_round(1, teacher, config, labelled, foreign, cluster, scores)], list[Candidate]()
    for number in range(2, config.rounds + 1):
        accepted = rounds[-1].labels
        if not accepted.num_rows:
            print(f"pseudo_label: nothing to learn from; round {number} and later ones are not run", file=sys.stderr)
            break
        if number > 2 and same_labels(accepted, rounds[-2].labels):
            print(f"round {number}: the labels are those of the round before, and so is the model", file=sys.stderr)
        else:
            examples = labelled.with_rows(str(PREPARED / POOL), accepted)
            name = labeller(number)
            trained.append(train_candidate(examples, sections, build, role="round", name=name, foreign=foreign))
        rounds.append(run_round(number, trained[-1].folder, config, labelled, foreign, cluster))
    return rounds, trained


def same_labels(one: pa.Table, other: pa.Table) -> bool:
    """Whether two label tables give the same rows the same labels."""
    columns = ["row", "label"]
    return bool(one.select(columns).equals(other.select(columns)))


def for_rounds(sections: TrainingSections) -> TrainingSections:
    """The settings of models that are there to label: they are trained by this process, and not logged."""
    training, tracking = sections.training, replace(sections.tracking, log_model=False)
    if isinstance(training, GradientDescent):
        training = replace(training, devices=1, nodes=1)
    return replace(sections, training=training, tracking=tracking)


def run_round(
    number: int,
    model: Path,
    config: Selection,
    labelled: Examples,
    foreign: Foreign,
    cluster: Cluster,
    scores: Scores | None = None,
) -> Round:
    """Let a model label the pool; says what is accepted.

    Args:
        number: of the round, from 1.
        model: the model folder.
        config: what is accepted.
        labelled: the examples with true labels, whose class shares the predictions may be aligned to.
        foreign: examples of the pool that are left out.
        cluster: where many examples are scored.
        scores: what the model says of the pool, not aligned, where it is known.
    """
    opened, pool, engine = open_model(model), open_store(PREPARED / POOL), cluster.start()
    classes, name = len(opened.predictor.classes), labeller(number)
    if config.alignment == "none":
        of_pool = scores or score(opened, pool, engine, f"score: {POOL}")
        of_val = score(opened, open_store(PREPARED / VAL), engine, f"score: {VAL}")
    else:
        of_pool, of_val = aligned_scores(opened, wanted_shares(config, labelled, classes), cluster)
    others = foreign.others(len(pool))
    selected = select(of_pool.predicted[others], of_pool.confidence[others], classes, config, number)
    rows = others[selected.rows]
    accepted = np.zeros(len(pool), bool)
    accepted[rows] = True
    in_pool = predictions(name, POOL, of_pool, selected.thresholds).set_column(
        len(PREDICTIONS) - 1, "accepted", pa.array(accepted)
    )
    found = Round(
        number,
        pseudo_labels(of_pool, rows, pool.columns("group", "origin"), number),
        pa.concat_tables([in_pool, predictions(name, VAL, of_val, selected.thresholds)]),
        len(pool),
        opened.predictor.classes,
    )
    print(f"pseudo_label: {found.sentence}", file=sys.stderr)
    return found


def aligned_scores(model: Model, wanted: Array, cluster: Cluster) -> tuple[Scores, Scores]:
    """The scores of the pool and of val, scaled so that those of the pool have the wanted class shares, (K,).

    All probabilities are on the disk meanwhile, 4 bytes each: the scales are known once the pool has been scored.
    """
    with scratch_folder(cluster.shared(SCRATCH)) as scratch:
        of_pool, _ = (
            score(model, open_store(PREPARED / each), cluster.start(), f"score: {each}", scratch / each)
            for each in (POOL, VAL)
        )
        scales = class_scales(of_pool.total, len(of_pool.predicted), wanted)
        return align(scratch / POOL, scales, f"align: {POOL}"), align(scratch / VAL, scales, f"align: {VAL}")


def wanted_shares(config: Selection, labelled: Examples, classes: int) -> Array:
    """The class shares that predictions are aligned to: (K,)."""
    if config.alignment == "uniform":
        return np.full(classes, 1 / classes)
    counts = np.bincount(labelled.with_target("label").targets, minlength=classes)
    shares: Array = counts / counts.sum()
    return shares


def predictions(name: str, split: str, found: Scores, thresholds: Array) -> pa.Table:
    """The rows of `predictions.parquet` of a labeller and a split.

    Args:
        name: of the labeller.
        split: unlabelled or val.
        found: what it says of the N examples.
        thresholds: (K,) of each class.
    """
    count, needed = len(found.predicted), thresholds[found.predicted]
    names = (pa.repeat(pa.scalar(text), count) for text in (name, split))
    columns = (*names, np.arange(count), found.predicted, found.confidence, needed, found.confidence >= needed)
    return pa.table(list(columns), names=list(PREDICTIONS)).cast(pa.schema(PREDICTIONS))


def pseudo_labels(found: Scores, rows: Array, pool: pa.Table, number: int) -> pa.Table:
    """The label table of accepted rows.

    Args:
        found: what the labeller says of the whole pool.
        rows: (n,) the accepted ones.
        pool: group and origin of each example of the pool, from its own label table.
        number: of the round that accepted them.
    """
    return label_table(
        rows,
        found.predicted[rows],
        source="pseudo",
        confidence=found.confidence[rows],
        round_=number,
        group=pool["group"].to_numpy()[rows],
        origin=pool["origin"].take(rows).combine_chunks(),
    )
