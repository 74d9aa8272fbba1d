"""What is shown next: of the pool what would teach most, doubtful pseudo-labels, labels that may be wrong."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.config.label import Label
from sprout.data.prepare.answers import Answer
from sprout.data.prepare.targets import UNKNOWN
from sprout.data.store import Array, read_labels
from sprout.label.images import Images, Place
from sprout.label.knowledge import Knowledge
from sprout.label.selection import Pool, select
from sprout.label.standing import Standing
from sprout.runtime.errors import UserError, one_line

PSEUDO_LABELS = Path("data/pseudo_labels")
ISSUES = Path("reports/evaluation/label_issues.parquet")
Section = Literal["pool", "pseudo", "issues"]
SECTIONS: tuple[Section, ...] = get_args(Section)
LEASE = 900.0
"""Seconds for which nobody else is shown an image that somebody has before them."""


@dataclass(frozen=True)
class Question:
    """An image to ask about."""

    place: Place
    suggested: str = ""
    """A class; empty where none is suggested."""
    score: float | None = None
    """Of a pseudo-label the confidence; of a label that may be wrong the score of the list."""


class Queue:
    """Hands out questions, each to one browser at a time."""

    def __init__(self, standing: Standing, strategy: Label) -> None:
        """Take the answers and how images of the pool are chosen.

        Raises:
            UserError: a list of an earlier build is damaged.
        """
        self.standing, self.strategy = standing, strategy
        self.lists: dict[Section, list[Question]] = {
            "pseudo": pseudo_labels(standing.images),
            "issues": issues(standing.images),
        }
        self.lock = Lock()
        self._leases: dict[Place, tuple[str, float]] = {}
        self._skipped: dict[Place, None] = {}

    def next(self, section: Section, browser: str, knowledge: Knowledge | None, *, afresh: bool) -> list[Question]:
        """Return the next batch; skipped images come last.

        Args:
            section: of the page.
            browser: who asks.
            knowledge: of the images; the pool needs it.
            afresh: whether the browser has dropped what it had, as a page does that is loaded again.
        """
        with self.lock:
            taken = self._taken(browser, afresh)
            questions = self._open(section, knowledge, taken | set(self._skipped))
            if not questions and (again := set(self._skipped) - taken):
                for place in again:
                    del self._skipped[place]
                questions = self._open(section, knowledge, taken)
            until = time.monotonic() + LEASE
            self._leases |= {each.place: (browser, until) for each in questions}
            return questions

    def skip(self, place: Place) -> None:
        """Put an image last."""
        with self.lock:
            self._leases.pop(place, None)
            self._skipped[place] = None

    def left(self, section: Section) -> int:
        """How many questions of a list are open."""
        answered = self.standing.answered()
        return sum(each.place not in answered for each in self.lists[section])

    def _taken(self, browser: str, afresh: bool) -> set[Place]:
        """What is answered, or before somebody."""
        now = time.monotonic()
        self._leases = {
            place: (who, until)
            for place, (who, until) in self._leases.items()
            if until > now and not (afresh and who == browser)
        }
        return {*self._leases, *self.standing.answered()}

    def _open(self, section: Section, knowledge: Knowledge | None, taken: set[Place]) -> list[Question]:
        if section != "pool":
            return [each for each in self.lists[section] if each.place not in taken][: self.strategy.batch]
        assert knowledge is not None
        return [Question(place) for place in self.choose(knowledge, self.strategy.batch, taken)]

    def choose(self, knowledge: Knowledge, count: int, taken: Collection[Place] = ()) -> list[Place]:
        """Return images of the pool without an answer that would teach most, best first.

        Args:
            knowledge: of the images.
            count: how many, at most.
            taken: those that are not to be among them.
        """
        images, answers = self.standing.images, self.standing.answered()
        free = np.ones(len(images.stores["pool"]), bool)
        free[[place.row for place in (*taken, *answers) if place.split == "pool"]] = False
        rows = np.flatnonzero(free)
        if not len(rows):
            return []
        pool = open_pool(rows, knowledge, images, answers)
        chosen = select(self.strategy, pool, min(count, len(rows)), seed=len(answers))
        return [Place("pool", row) for row in rows[chosen].tolist()]


def open_pool(rows: Array, knowledge: Knowledge, images: Images, answers: Mapping[Place, Answer]) -> Pool:
    """What the selection sees: the images without an answer, and all that have a label, also by an answer.

    Args:
        rows: (n,) of the pool, without an answer.
        knowledge: of all images.
        images: all of them.
        answers: those that hold.
    """
    given, added = images.given.copy(), {}
    for place, answer in answers.items():
        label = images.classes.index(answer.label) if answer.label in images.classes else UNKNOWN
        if place.split == "train":
            given[place.row] = label
        elif label != UNKNOWN:
            added[place.row] = label
    kept = given != UNKNOWN
    features, more = knowledge.features, np.array([*added], np.int64)
    return Pool(
        features=features["pool"][rows],
        probabilities=None if knowledge.probabilities is None else knowledge.probabilities[rows],
        labelled=np.concatenate([features["train"][kept], features["pool"][more]]),
        classes=np.concatenate([given[kept], np.array([*added.values()], np.int64)]),
    )


def pseudo_labels(images: Images, folder: Path = PSEUDO_LABELS) -> list[Question]:
    """The pseudo-labels of the last build that are for images of the pool, the least confident first.

    Raises:
        UserError: their table is damaged.
    """
    if not (folder / "labels.parquet").is_file():
        return []
    table = read_labels(folder, ["row", "label", "confidence", "origin"]).sort_by("confidence")
    pool = images.origin["pool"]
    return [
        Question(Place("pool", row["row"]), images.classes[row["label"]], row["confidence"])
        for row in table.to_pylist()
        if row["row"] < len(pool) and pool[row["row"]].as_py() == row["origin"]
    ]


def issues(images: Images, path: Path = ISSUES) -> list[Question]:
    """The labels of train that `evaluate` suspects to be wrong, in its order.

    Raises:
        UserError: their table is damaged.
    """
    if not path.is_file():
        return []
    try:
        found = pq.read_table(path, columns=["row", "origin", "given", "suggested", "score"]).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: damaged ({one_line(error)}); run `dvc repro`") from None
    train = images.origin["train"]
    return [
        Question(Place("train", row["row"]), class_name(row["suggested"], images.classes), row["score"])
        for row in found
        if row["row"] < len(train) and train[row["row"]].as_py() == row["origin"]
    ]


def class_name(found: int | str, classes: Sequence[str]) -> str:
    """The name of a class that a table names, or numbers."""
    return found if isinstance(found, str) else classes[found]
