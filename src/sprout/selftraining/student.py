"""The student: trained on what the unlabelled examples give, and handed on unless its rival is better on val."""

import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.foreign import Foreign
from sprout.data.store import Array, Store
from sprout.engine.plan import TEACHER
from sprout.engine.tracked import PREPARED, TrainingSections, train_candidate
from sprout.evaluate.judged import judged_by
from sprout.evaluate.ranges import open_model
from sprout.models.card import load_card, write_card
from sprout.report.pool_notes import pool_notes
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.files import atomic_folder, read_json, write_json
from sprout.runtime.launch import rank
from sprout.runtime.model_folder import NOT_KEPT
from sprout.selftraining.gate import WORSE, Verdict, judge
from sprout.selftraining.pool_figures import pool_figures

GATE = "gate.json"
POOL = "pool.json"


def keep_teacher(teacher: Path, student: Path, why: str) -> None:
    """Hand the teacher on as the student, and print why."""
    print(f"retrain: {why}; the student is the teacher", file=sys.stderr)
    hand_on(teacher, student, "teacher")


def make_student(
    folder: Path,
    examples: Examples,
    sections: TrainingSections,
    build: Build,
    pool: Store,
    foreign: Foreign,
    rival: tuple[str, Path],
) -> None:
    """Train the student, compare it with its rival on val, or out of fold, and hand one of them on.

    Args:
        folder: the output of the stage.
        examples: the training examples with true labels, their augmented copies and pseudo-labels.
        sections: the student's settings.
        build: the composed config.
        pool: the unlabelled examples.
        foreign: those that are not learned from.
        rival: control or teacher, and its model folder.
    """
    candidate = train_candidate(examples, sections, build, role="student", name="student", foreign=foreign)
    if rank() > 0:
        return
    trained, (name, model) = candidate.folder, rival
    noun = "cross-validated labels" if candidate.folds else "val examples"
    outcomes, classes = judged_outcomes(TEACHER)
    of_teacher, on_val = outcomes["predicted"] == classes, outcomes["confidence"].copy()
    verdict = judge(right(trained), of_teacher if model == TEACHER else right(model), of_teacher, name, noun)
    print(said(verdict), file=sys.stderr)
    labelled, learned = examples.with_target("label"), foreign.others(len(pool))
    figures = asdict(pool_figures(trained, TEACHER, labelled, pool, learned, on_val, noun))
    for note in pool_notes(figures):
        print(f"retrain: {note}", file=sys.stderr)
    if verdict.kept == "student":
        hand_on(trained, folder, None)
    else:
        hand_on(model, folder, name, trained)
    write_json(folder / GATE, asdict(verdict))
    write_json(folder / POOL, figures)
    candidate.hand_over("retrain")


def hand_on(model: Path, student: Path, kept: str | None, not_kept: Path | None = None) -> None:
    """Copy a model folder as the student.

    Args:
        model: what is handed on.
        student: the output of the stage.
        kept: the model that takes the student's place; None for the student itself.
        not_kept: the student itself, where it has been trained and another model takes its place.
    """
    with atomic_folder(student) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        write_card(folder, replace(load_card(model), role="student", kept=kept))
        if kept:
            write_json(folder / "metrics.json", {"handed_on": kept, **read_json(model / "metrics.json")})
        if not_kept:
            shutil.copytree(not_kept, folder / NOT_KEPT)


def right(model: Path) -> Array:
    """Whether a model is right on each example by which models are chosen: (V,) bool."""
    outcomes, labels = judged_outcomes(model)
    found: Array = outcomes["predicted"] == labels
    return found


def judged_outcomes(model: Path) -> tuple[Array, Array]:
    """What `Task.outcomes` returns for the examples by which models are chosen, and their classes: (V,), (V,) int64.

    Examples whose class is not known are left out.
    """
    opened = open_model(model)
    seen = judged_by(opened, PREPARED, LocalProcesses(), f"val: {opened.predictor.card.role}")
    return seen.known()


def said(verdict: Verdict) -> str:
    """The verdict in one line."""
    what = (
        f"only the student is right on {verdict.wins} of {verdict.examples} {verdict.noun}, only the {verdict.rival} on"
    )
    line = (
        f"retrain: {what} {verdict.losses} (p = {verdict.p:.2g}): the {verdict.kept} is kept; with so many examples, a "
        f"student {100 * WORSE:.0f} percentage points worse would be kept in {verdict.passes_worse:.0%} of cases"
    )
    if verdict.rival == "teacher":
        line += "; without a control (control.train=true) this may be the further steps and not the unlabelled examples"
    elif verdict.teacher_is_better:
        line += f"; the teacher was wrong on fewer, {round(verdict.teacher_error * verdict.examples)}"
    return line
