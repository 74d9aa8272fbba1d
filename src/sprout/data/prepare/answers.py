"""What people have said of images: the file `data/source/NAME.labels.csv`, one row for each answer; later rows win.

`sprout label` writes it. It lies beside the folder of the data, not in it: what is in the folder is data, and DVC takes
no folder that has files of git.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.download import S3, Download, Local, Target, Url
from sprout.config.prepare import Prepare
from sprout.data.listing import Array
from sprout.data.sources.local import SOURCE
from sprout.runtime.errors import UserError, one_line

COLUMNS = ("image", "digest", "decoded", "answer", "label", "by", "at", "replaces")
Kind = Literal["class", "none", "undone"]
"""An image is of a class, or of none of them; or the answer before is taken back, so that the one before that holds."""
NO_EXAMPLE = -1


@dataclass(frozen=True)
class Answer:
    """One row of the file."""

    image: str
    """Where the example comes from: `origin` in the label tables."""
    digest: str
    """BLAKE2b of the decoded pixels, 16 bytes in hexadecimal; empty where it is not known."""
    decoded: str
    """How the pixels were decoded: see `decoded_as`. Other digests cannot be compared."""
    answer: Kind
    label: str
    """The name of the class; empty for another answer."""
    by: str
    at: str
    """ISO 8601, UTC."""
    replaces: str = ""
    """The label before, for a reader of the file."""
    place: str = ""
    """File and line, for messages."""


def answers_file(source: Download) -> Path:
    """Return the file with the answers to a source's images, which all experiments with this source share."""
    match source:
        case Local():
            name = source.name
        case Url():
            name = f"url-{source.file or source.urls[0].rpartition('/')[2]}"
        case S3():
            name = source.url.rstrip("/").replace("://", "-").replace("/", "-")
        case Target():
            name = f"target-{source.target}"
        case _:
            name = f"{source.source}-{source.name}"
    return SOURCE / f"{name}.labels.csv"


def decoded_as(shape: Sequence[int], settings: Prepare) -> str:
    """Return in words how images become arrays of this shape, (H, W, C)."""
    levels = "" if settings.levels is None else " levels {:g} to {:g}".format(*settings.levels)
    return f"{'x'.join(map(str, shape))} {settings.resize} page {settings.page}{levels}"


def read_answers(path: Path) -> list[Answer]:
    """Return all rows of a file, in order; none where there is no file.

    Raises:
        UserError: the file is damaged; the line is named.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(parse(path, file))
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: is not UTF-8; save the file as UTF-8, or take it from git") from None


def parse(path: Path, lines: Iterator[str]) -> Iterator[Answer]:
    """Yield the rows of a file.

    Raises:
        UserError: a row is damaged.
    """
    reader = csv.reader(lines, strict=True)
    try:
        if (head := next(reader, None)) != [*COLUMNS]:
            raise UserError(f"{path}:1: {one_line(head)} should be the line {','.join(COLUMNS)}")
        for cells in reader:
            if cells:
                yield to_answer(f"{path}:{reader.line_num}", cells)
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: damaged ({one_line(error)}); correct or remove the line") from None


def to_answer(place: str, cells: Sequence[str]) -> Answer:
    """Return one row.

    Raises:
        UserError: it has other cells.
    """
    if len(cells) != len(COLUMNS):
        raise UserError(f"{place}: {len(cells)} cells, not {len(COLUMNS)}; correct or remove the line")
    image, digest, decoded, answer, label, by, at, replaces = cells
    if answer not in get_args(Kind):
        raise UserError(f"{place}: answer={one_line(answer)!r}; accepted: {', '.join(get_args(Kind))}")
    if not image or bool(label) != (answer == "class"):
        raise UserError(f"{place}: needs an image, and a label where the answer is class, nowhere else")
    return Answer(image, digest, decoded, answer, label, by, at, replaces, place)  # type: ignore[arg-type]


def holding(answers: Iterable[Answer]) -> Answer | None:
    """Return the answer that holds after these to one image, in their order; None without one."""
    stack: list[Answer] = []
    for answer in answers:
        if answer.answer != "undone":
            stack.append(answer)
        elif stack:
            stack.pop()
    return stack[-1] if stack else None


def find_examples(
    answers: Sequence[Answer], origin: pa.Array, digest_of: Callable[[int], str], decoded: str
) -> list[int]:
    """Return the example of each answer, by its origin: its row, or `NO_EXAMPLE`.

    An image whose pixels have changed since is another one. They are compared only if they were decoded alike.

    Args:
        answers: A of them.
        origin: (N,) string.
        digest_of: row → digest of its pixels; empty where they have none.
        decoded: how the pixels were decoded.
    """
    if not answers:
        return []
    asked = pa.array({answer.image for answer in answers}, origin.type)
    places = np.flatnonzero(pc.is_in(origin, value_set=asked).to_numpy(zero_copy_only=False))
    rows = defaultdict(list)
    for row, name in zip(places.tolist(), origin.take(pa.array(places)).to_pylist(), strict=True):
        rows[name].append(row)

    def find(answer: Answer) -> int:
        comparable = answer.digest and answer.decoded == decoded
        same = [row for row in rows[answer.image] if not comparable or digest_of(row) in ("", answer.digest)]
        return same[0] if same else NO_EXAMPLE

    return [find(answer) for answer in answers]


def find_moved(
    answers: Sequence[Answer], rows: Sequence[int], usable: Array, digests: Array, decoded: str
) -> list[int]:
    """Return the rows of `find_examples`, also of images that have another origin now, such as a renamed file.

    Args:
        answers: A of them.
        rows: of each answer.
        usable: (n,) the examples to look among.
        digests: (N, 16) uint8.
        decoded: how the pixels were decoded.
    """
    if NO_EXAMPLE not in rows:
        return list(rows)
    by_digest = {digests[row].tobytes().hex(): row for row in reversed(usable.tolist())}
    return [
        by_digest.get(answer.digest, NO_EXAMPLE) if row == NO_EXAMPLE and answer.decoded == decoded else row
        for answer, row in zip(answers, rows, strict=True)
    ]
