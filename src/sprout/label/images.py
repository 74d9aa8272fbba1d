"""The images that a person may be asked about: those of the pool and of train, as the last build has prepared them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from sprout.config.download import Download, Local
from sprout.config.prepare import Prepare
from sprout.data.description import describe
from sprout.data.prepare.answers import NO_EXAMPLE, Answer, decoded_as, find_examples
from sprout.data.prepare.parts import digest
from sprout.data.sources.local import SOURCE
from sprout.data.store import Array, Store, class_indices, open_store, read_labels
from sprout.runtime.errors import UserError

PREPARED = Path("data/prepared")
Split = Literal["pool", "train"]
FOLDERS: dict[Split, str] = {"pool": "unlabelled", "train": "train"}


class Place(NamedTuple):
    """Where an image lies."""

    split: Split
    row: int


@dataclass(frozen=True)
class Images:
    """All of them. The stores are those that were opened: a later build replaces the files, not what is mapped."""

    stores: dict[Split, Store]
    origin: dict[Split, pa.Array]
    """Of each split (N,) large_string."""
    given: Array
    """(L,) int64 classes of train."""
    classes: list[str]
    held_out: frozenset[str]
    """The origins of val and test, which keep their labels."""
    decoded: str
    """How images were decoded: see `decoded_as`."""
    folder: Path | None
    """Where the files lie that origins name; None where they are no files of the user."""
    prepare: Prepare
    digests: dict[Place, str] = field(default_factory=dict)
    """Those that were computed before."""

    @cached_property
    def build(self) -> str:
        """Names these images: the rows of another build are other images."""
        described = "".join(f"{store.checksum} {len(store)} " for store in self.stores.values()) + self.decoded
        return hashlib.sha256(described.encode()).hexdigest()[:16]

    def name(self, place: Place) -> str:
        """Where an image comes from."""
        return str(self.origin[place.split][place.row].as_py())

    def pixels(self, place: Place) -> Array:
        """An image as the model sees it: (H, W, C) uint8."""
        found: Array = self.stores[place.split].take(np.array([place.row]))[0]
        return found

    def label(self, place: Place) -> str:
        """The label that the data has for an image; empty in the pool."""
        return self.classes[self.given[place.row]] if place.split == "train" else ""

    def digest_of(self, split: Split, row: int) -> str:
        """The digest of an image's pixels, as `prepare` computes it."""
        place = Place(split, row)
        if place not in self.digests:
            self.digests[place] = digest(np.ascontiguousarray(self.pixels(place))).hex()
        return self.digests[place]

    def places(self, answers: Sequence[Answer]) -> list[Place | None]:
        """The image of each answer; None where it is neither in the pool nor in train."""
        found: list[Place | None] = [None] * len(answers)
        for split in FOLDERS:
            rows = find_examples(answers, self.origin[split], partial(self.digest_of, split), self.decoded)
            found = [Place(split, row) if row != NO_EXAMPLE else old for row, old in zip(rows, found, strict=True)]
        return found


def open_images(download: Download, prepare: Prepare) -> Images:
    """Open what the last build has prepared.

    Args:
        download: where it comes from.
        prepare: how it was prepared.

    Raises:
        UserError: there is nothing to label: no build, no classes, or rows of a table.
    """
    described, stores = describe(PREPARED), {split: open_store(PREPARED / name) for split, name in FOLDERS.items()}
    if len(stores["pool"].shape) != 3:
        raise UserError(f"{PREPARED}: has rows of a table, and sprout label shows images; label them in the table")
    if not described.classes:
        raise UserError(f"{PREPARED}: has no classes, so there is nothing to answer; give some images a label first")
    return Images(
        stores=stores,
        origin={split: origins(PREPARED / name) for split, name in FOLDERS.items()},
        given=class_indices(stores["train"].columns("label")),
        classes=described.classes,
        held_out=frozenset(name for split in ("val", "test") for name in origins(PREPARED / split).to_pylist()),
        decoded=decoded_as(stores["pool"].shape, prepare),
        folder=SOURCE / download.name if isinstance(download, Local) else None,
        prepare=prepare,
    )


def origins(folder: Path) -> pa.Array:
    """The origin of each example of a store, in one piece."""
    return read_labels(folder, ["origin"])["origin"].combine_chunks()
