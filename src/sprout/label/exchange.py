"""Images for other tools to label, and their answers: CSV, and the JSON of Label Studio.

The format of Label Studio's tasks and annotations: https://labelstud.io/guide/task_format
"""

import base64
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from sprout.config.label import Label
from sprout.data.prepare.answers import Answer
from sprout.label.images import Images, Place
from sprout.label.knowledge import Learning
from sprout.label.picture import own_file, png
from sprout.label.queue import Queue
from sprout.label.standing import New, Standing
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import atomic_write, write_json, write_rows

Format = Literal["csv", "label-studio"]
SUFFIXES: dict[str, Format] = {".csv": "csv", ".json": "label-studio"}
COLUMNS = ("image", "digest", "decoded", "path", "label")
NONE = "none of these"
"""What stands for no class, unless a class has this name."""


@dataclass(frozen=True)
class Imported:
    """What another tool says of an image."""

    place: str
    """File and line, or number of the task."""
    image: str
    digest: str
    decoded: str
    label: str
    """Empty where there is no answer."""


def format_of(path: Path, given: Format | None) -> Format:
    """Return the format of a file: as given, else by its suffix.

    Raises:
        UserError: neither says it.
    """
    found = given or SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UserError(f"{path}: neither .csv nor .json; add --format csv or --format label-studio")
    return found


def write_tasks(path: Path, kind: Format, standing: Standing, strategy: Label, count: int) -> str:
    """Write images to label, those that would teach most first; return what was written, for the user.

    Raises:
        UserError: every image of the pool has an answer, or an earlier build's list is damaged.
    """
    if path.is_dir():
        raise UserError(f"--export {path}: is a folder; name a file")
    images, knowledge = standing.images, Learning(standing.images).learn()
    chosen = Queue(standing, strategy).choose(knowledge, count)
    if not len(images.stores["pool"]):
        raise UserError(f"{path}: the data has no unlabelled images; there is nothing to export")
    if not chosen:
        raise UserError(f"{path}: every image of the pool has an answer; there is nothing to export")
    write = write_csv if kind == "csv" else write_label_studio
    further = write(path, images, chosen)
    return f"{path}: {len(chosen)} images to label ({knowledge.source}){further}"


def write_csv(path: Path, images: Images, places: Sequence[Place]) -> str:
    """Write a table with an empty column `label`; images that are no file of the user are written beside it."""
    folder = path.with_name(f"{path.stem}_images")

    def file_of(place: Place) -> Path:
        if (own := own_file(images, place)) is not None:
            return own.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f"{place.row:06}.png"
        written.write_bytes(png(images, place))
        return written.resolve()

    rows = [{**identity(images, place), "path": file_of(place), "label": ""} for place in places]
    with atomic_write(path) as beside:
        write_rows(beside, COLUMNS, rows)
    return f"; fill the column label with a class, or with {NONE!r}"


def write_label_studio(path: Path, images: Images, places: Sequence[Place]) -> str:
    """Write tasks with the images in them, and the labelling configuration beside them."""

    def task(place: Place) -> dict[str, Any]:
        known = identity(images, place)
        uri = f"data:image/png;base64,{base64.b64encode(png(images, place)).decode()}"
        return {"data": known | {"image": uri, "origin": known["image"]}}

    with atomic_write(path) as beside:
        write_json(beside, [task(place) for place in places])
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in [*images.classes, NONE])
    configuration = path.with_suffix(".xml")
    with atomic_write(configuration) as beside:
        beside.write_text(
            f'<View>\n  <Image name="image" value="$image"/>\n  <Choices name="label" toName="image">\n{choices}'
            "  </Choices>\n</View>\n",
            encoding="utf-8",
        )
    return f"; the labelling configuration is in {configuration}"


def identity(images: Images, place: Place) -> dict[str, str]:
    """What tells which image it is."""
    return {"image": images.name(place), "digest": images.digest_of(*place), "decoded": images.decoded}


def read_tasks(path: Path, kind: Format, standing: Standing) -> str:
    """Take the answers of another tool, all or none; return what was taken, for the user.

    Raises:
        UserError: the file is damaged, names an unknown image or class, or an image of val or test.
        DiskError: the answers cannot be written.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    found = list(from_csv(path) if kind == "csv" else from_label_studio(path))
    told = [each for each in found if each.label]
    wanted = list(to_answers(told, standing.images))
    written = standing.give_all(wanted)
    return (
        f"{path}: {len(written)} answers are new, {len(wanted) - len(written)} were known, {len(found) - len(told)} "
        f"images have none; the answers are in {standing.file.path}"
    )


def to_answers(told: Sequence[Imported], images: Images) -> Iterator[New]:
    """Yield the answers.

    Raises:
        UserError: there is no such image or class, or the image is in val or test.
    """
    asked = [Answer(each.image, each.digest, each.decoded, "none", "", "", "") for each in told]
    for each, place in zip(told, images.places(asked), strict=True):
        if place is None:
            held = each.image in images.held_out
            why = "is in val or test, which keep their labels" if held else "no such image in the pool or in train"
            raise UserError(f"{each.place}: image={each.image!r}: {why}; remove the row. Nothing was taken")
        if each.label in images.classes:
            yield New(place, "class", each.label)
        elif each.label == NONE:
            yield New(place, "none", "")
        else:
            raise UserError(
                f"{each.place}: label={each.label!r}: no such class; accepted: {', '.join(images.classes)}, {NONE}. "
                "Nothing was taken"
            )


def from_csv(path: Path) -> Iterator[Imported]:
    """Yield the rows of a table.

    Raises:
        UserError: it is no CSV, or lacks the columns image and label.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if missing := {"image", "label"} - {*(reader.fieldnames or ())}:
                raise UserError(f"{path}: has no column {', '.join(sorted(missing))}")
            for row in reader:
                digest, decoded, label = ((row.get(name) or "").strip() for name in ("digest", "decoded", "label"))
                yield Imported(f"{path}:{reader.line_num}", row["image"] or "", digest, decoded, label)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as CSV in UTF-8 ({one_line(error)})") from None


def from_label_studio(path: Path) -> Iterator[Imported]:
    """Yield the tasks of an export in the format JSON; of several annotations the last one counts.

    Raises:
        UserError: it has another format, or a task was not exported from here.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({one_line(error)})") from None
    if not isinstance(tasks, list):
        raise UserError(f"{path}: should be a list of tasks; export as JSON")
    for number, task in enumerate(tasks, 1):
        place = f"{path}: task {number}"
        try:
            data, chosen = task["data"], choice(task["annotations"])
            yield Imported(place, str(data["origin"]), str(data["digest"]), str(data["decoded"]), chosen)
        except (KeyError, TypeError, IndexError, ValueError, AttributeError):
            raise UserError(
                f"{place}: needs data with origin, digest and decoded, as exported, and annotations with one choice "
                "each; export as JSON, not JSON-MIN"
            ) from None


def choice(annotations: Sequence[dict[str, Any]]) -> str:
    """The choice of the last annotation that was not cancelled; empty without one.

    Raises:
        ValueError: there are several.
    """
    kept = [each for each in annotations if not each.get("was_cancelled")]
    results = [each for each in kept[-1]["result"] if each["type"] == "choices"] if kept else []
    if not results:
        return ""
    (label,) = results[-1]["value"]["choices"]
    return str(label)
