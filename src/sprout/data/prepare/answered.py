"""What people's answers change once the splits are assigned: labels of the pool and of train, and nothing else."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sprout.data.listing import SPLITS, Array
from sprout.data.prepare.answers import NO_EXAMPLE, Answer, find_examples, find_moved, holding
from sprout.data.prepare.targets import UNKNOWN, Targets
from sprout.runtime.errors import UserError, listed

NONE_OF_THEM = "left out: none of the classes, as somebody has answered"


@dataclass(frozen=True)
class Said:
    """The answers to examples that are there."""

    answers: list[tuple[int, Answer]]
    """Each with the row of its example, in the order of the file."""
    lost: int
    """How many images are not there any more, or have other pixels."""

    @property
    def last(self) -> dict[int, Answer]:
        """Row → the answer that holds."""
        history = defaultdict(list)
        for row, answer in self.answers:
            history[row].append(answer)
        held = {row: holding(answers) for row, answers in history.items()}
        return {row: answer for row, answer in held.items() if answer is not None}


NOTHING = Said([], 0)


@dataclass(frozen=True)
class Assigned:
    """The examples that answers may move: of N, as the splits were drawn."""

    targets: Targets
    groups: Array
    """(N,)."""
    rows: dict[str, Array]
    """The rows of each split, ascending."""
    folds: Array | None
    """(n,) of train; None without folds."""


@dataclass(frozen=True)
class Answered:
    """How many answers have changed what; images, not rows of the file."""

    labelled: int
    """Of the pool, now in train."""
    corrected: int
    """Of train, with another label now."""
    confirmed: int
    """Of train, with the label that it had."""
    none: list[int]
    """Rows of pool and train that are in no split any more."""
    held_out: list[int]
    """Rows of val and test whose label the answer contradicts; it stays as it is."""
    lost: int

    def notes(self, origin: pa.Array) -> list[str]:
        """Return what the user should know, one line each."""
        parts = {
            "labelled in the pool": self.labelled,
            "corrected in train": self.corrected,
            "confirmed in train": self.confirmed,
            "left out as none of the classes": len(self.none),
        }
        counts = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
        lines = [f"answers of people: {counts}"] if counts else []
        if self.labelled:
            lines.append(
                "images chosen to be labelled have other class shares than the pool: for consistency training take "
                "retrain.method.alignment=uniform, or none, not labels (docs/label_selection.md)"
            )
        if self.held_out:
            names = listed([origin[row].as_py() for row in self.held_out])
            lines.append(
                f"answers that are not taken, as val and test keep their labels: {len(self.held_out)} ({names}); where "
                "a label is wrong, correct it in the data itself"
            )
        if self.lost:
            lines.append(f"answers to images that are not there any more, or have other pixels: {self.lost}")
        return lines

    @property
    def counts(self) -> dict[str, int]:
        """What `summary.json` has."""
        one_each = {"labelled": self.labelled, "corrected": self.corrected, "confirmed": self.confirmed}
        return one_each | {"none": len(self.none), "held_out": len(self.held_out), "lost": self.lost}


def find_said(answers: Sequence[Answer], origin: pa.Array, usable: Array, digests: Array | None, decoded: str) -> Said:
    """Find the examples of answers.

    Args:
        answers: in the order of the file.
        origin: (N,) string.
        usable: (n,) the rows without a fault.
        digests: (N, 16) uint8; None for rows of a table.
        decoded: how the examples were decoded.
    """
    if not answers:
        return NOTHING

    def digest_of(place: int) -> str:
        return "" if digests is None else digests[usable[place]].tobytes().hex()

    places = find_examples(answers, origin.take(pa.array(usable)), digest_of, decoded)
    rows = [place if place == NO_EXAMPLE else int(usable[place]) for place in places]
    if digests is not None:
        rows = find_moved(answers, rows, usable, digests, decoded)
    lost = {answer.image for answer, row in zip(answers, rows, strict=True) if row == NO_EXAMPLE}
    found = [(row, answer) for answer, row in zip(answers, rows, strict=True) if row != NO_EXAMPLE]
    return Said(found, len(lost - {answer.image for _, answer in found}))


def apply_answers(said: Said, drawn: Assigned) -> tuple[Assigned, Answered]:
    """Move the answered examples of the pool to train, and correct labels of train; val and test stay as they are.

    Returns:
        the splits after that, and what has changed.

    Raises:
        UserError: an answer names an unknown class.
    """
    if not said.answers:
        return drawn, Answered(0, 0, 0, [], [], said.lost)
    last = said.last
    split_of = {row: name for name in SPLITS for row in np.intersect1d(drawn.rows[name], [*last]).tolist()}
    index, before = drawn.targets.index.copy(), drawn.targets.index
    added, none, held_out, corrected, confirmed, lost = [], [], [], 0, 0, said.lost
    for row, answer in last.items():
        split, label, was = split_of.get(row), class_of(answer, drawn.targets.classes), int(before[row])
        if split is None:
            lost += 1
        elif split in ("val", "test"):
            held_out += [row] if label != was else []
        elif label == UNKNOWN:
            none.append(row)
        else:
            index[row] = label
            added += [row] if split == "unlabelled" else []
            corrected += split == "train" and label != was
            confirmed += split == "train" and label == was
    rows = move(drawn.rows, added, none)
    targets = Targets(drawn.targets.classes, index, drawn.targets.value)
    folds = None if drawn.folds is None else extend_folds(said, drawn, drawn.folds, rows["train"])
    answered = Answered(len(added), corrected, confirmed, sorted(none), sorted(held_out), lost)
    return Assigned(targets, drawn.groups, rows, folds), answered


def class_of(answer: Answer, classes: list[str]) -> int:
    """Return the index of the answered class; `UNKNOWN` for none of them.

    Raises:
        UserError: there is no such class.
    """
    if answer.answer == "none":
        return UNKNOWN
    if answer.label not in classes:
        accepted = listed(classes, 20) or "none, as the data has no classes"
        raise UserError(
            f"{answer.place}: label={answer.label!r}: no such class; accepted: {accepted}; correct or remove the line"
        )
    return classes.index(answer.label)


def move(rows: dict[str, Array], added: list[int], none: list[int]) -> dict[str, Array]:
    """Return the rows of each split after some of the pool have joined train, and some of both have left."""
    gone = np.array(none, np.int64)
    train = np.setdiff1d(np.concatenate([rows["train"], np.array(added, np.int64)]), gone)
    pool = np.setdiff1d(rows["unlabelled"], np.concatenate([gone, np.array(added, np.int64)]))
    return rows | {"train": train, "unlabelled": pool}


def extend_folds(said: Said, drawn: Assigned, folds: Array, train: Array) -> Array:
    """Return the fold of each row of the new train: (n,) int16; no earlier label is moved to another one.

    In the order of the file each example joins the fold of its group, or else the one with the fewest labels of its
    class. An answer counts as it was first given, also where it was changed or undone: later rows of the file then
    change no fold.

    Args:
        said: the answers.
        drawn: before them.
        folds: (m,) of its train.
        train: (n,) rows after them.
    """
    targets, groups, old = drawn.targets, drawn.groups, drawn.rows["train"]
    counts = np.zeros((int(folds.max()) + 1, len(targets.classes) + 1), np.int64)
    np.add.at(counts, (folds, targets.index[old]), 1)
    fold_of = dict(zip(old.tolist(), folds.tolist(), strict=True))
    fold_of_group = dict(zip(groups[old].tolist(), folds.tolist(), strict=True))
    asked = [row for row, _ in said.answers]
    pool, numbers = (
        set(np.intersect1d(drawn.rows["unlabelled"], asked).tolist()),
        {name: at for at, name in enumerate(targets.classes)},
    )
    for row, answer in said.answers:
        if row in pool and row not in fold_of and answer.answer == "class":
            of_class = counts[:, numbers.get(answer.label, UNKNOWN)]
            fewest = int(np.lexsort((counts.sum(axis=1), of_class))[0])
            fold_of[row] = fold_of_group.setdefault(int(groups[row]), fewest)
            counts[fold_of[row], numbers.get(answer.label, UNKNOWN)] += 1
    return np.array([fold_of[row] for row in train.tolist()], np.int16)
