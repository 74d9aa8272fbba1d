"""Which answers hold, and the one way to give, correct and take back an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import RLock
from typing import NamedTuple

from sprout.data.prepare.answers import Answer, Kind, holding
from sprout.label.answers import AnswerFile, now
from sprout.label.images import Images, Place
from sprout.runtime.errors import UserError


class ConflictError(UserError):
    """Somebody else has answered in between."""


@dataclass(frozen=True)
class Counts:
    """The progress of labelling; images, not rows of the file."""

    today: int
    """Since midnight, local time."""
    all: int
    pool: int
    """In the pool of the last build."""
    open: int
    """Of these without an answer."""


class New(NamedTuple):
    """An answer to write."""

    place: Place
    answer: Kind
    label: str = ""


class Standing:
    """The answers that hold for the images of the last build."""

    def __init__(self, images: Images, file: AnswerFile, by: str) -> None:
        """Take the images, the file of the answers, and who answers.

        Raises:
            UserError: the file is damaged.
        """
        self.images, self.file, self.by = images, file, by
        self.lock = RLock()
        self._of: tuple[Answer, ...] = ()
        self._history: dict[Place, list[Answer]] = {}
        self.history()

    def history(self) -> dict[Place, list[Answer]]:
        """All answers to each image, in order.

        Raises:
            UserError: the file is damaged.
        """
        with self.lock:
            rows = self.file.read()
            if rows[: len(self._of)] != self._of:
                self._of, self._history = (), {}
            new = rows[len(self._of) :]
            for place, answer in zip(self.images.places(new), new, strict=True):
                if place is not None:
                    self._history.setdefault(place, []).append(answer)
            self._of = rows
            return self._history

    def last(self, place: Place) -> Answer | None:
        """The answer that holds for an image; None without one."""
        return holding(self.history().get(place, []))

    def answered(self) -> dict[Place, Answer]:
        """The answers that hold."""
        found = {place: holding(rows) for place, rows in self.history().items()}
        return {place: answer for place, answer in found.items() if answer is not None}

    def counts(self) -> Counts:
        """Return the progress."""
        by_image: dict[str, list[Answer]] = {}
        for row in self.file.read():
            by_image.setdefault(row.image, []).append(row)
        held = [answer for rows in by_image.values() if (answer := holding(rows))]
        pool = len(self.images.stores["pool"])
        done = sum(place.split == "pool" for place in self.answered())
        today = midnight()
        return Counts(sum(row.at >= today for row in held), len(held), pool, pool - done)

    def give(self, new: New) -> Answer:
        """Write an answer, also one that is known already: it is a person's again.

        Raises:
            UserError: there is no such class, or the file is damaged.
            DiskError: the file cannot be written.
        """
        if new.answer == "class" and new.label not in self.images.classes:
            raise UserError(f"label={new.label!r}: no such class")
        with self.lock:
            (written,) = self.file.add(lambda _: [self.row(new)])
        return written

    def give_all(self, several: Sequence[New]) -> Sequence[Answer]:
        """Write those that are not known already, all or none of them, and return them.

        Raises:
            UserError: the file is damaged.
            DiskError: the file cannot be written.
        """

        def make(_: Sequence[Answer]) -> Sequence[Answer]:
            held = self.answered()
            fresh = {new.place: new for new in several}.values()
            return [self.row(new) for new in fresh if not is_same(new, held.get(new.place))]

        with self.lock:
            return self.file.add(make)

    def row(self, new: New) -> Answer:
        """The row of a new answer."""
        before, images = self.last(new.place), self.images
        replaces = said(before) if before else images.label(new.place)
        name, digest = images.name(new.place), images.digest_of(*new.place)
        return Answer(name, digest, images.decoded, new.answer, new.label, self.by, now(), replaces)

    def take_back(self, place: Place, at: str) -> Answer | None:
        """Undo the answer that was given at a time; return the one that holds then.

        Raises:
            ConflictError: another one holds by now.
            UserError: the file is damaged.
            DiskError: the file cannot be written.
        """

        def make(_: Sequence[Answer]) -> Sequence[Answer]:
            held = self.last(place)
            if held is None or held.at != at:
                raise ConflictError(f"{self.images.name(place)}: has another answer by now; nothing was undone")
            return [self.row(New(place, "undone"))]

        with self.lock:
            self.file.add(make)
            return self.last(place)


def is_same(new: New, held: Answer | None) -> bool:
    """Whether an answer says what holds already."""
    return held is not None and (held.answer, held.label) == (new.answer, new.label)


def said(answer: Answer) -> str:
    """An answer as one word: the class, or none."""
    return answer.label or "none"


def midnight() -> str:
    """The beginning of this day where this runs, as ISO 8601 in UTC, which compares as a text."""
    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    return today.astimezone(UTC).isoformat()[:19]
