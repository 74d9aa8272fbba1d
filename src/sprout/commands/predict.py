"""`sprout predict`: a model's predictions for images and rows."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import typer
from rich.console import Console

from sprout.commands.terminal import print_error, print_table
from sprout.runtime.workspace import student_folder

if TYPE_CHECKING:
    from sprout.data.listing import Array
    from sprout.predict.predict import AnyModel
    from sprout.predict.predictions import Prediction
    from sprout.predict.writers import Answers

Resize = Literal["fit", "crop", "stretch", "none"]
Format = Literal["table", "json", "csv", "parquet"]
TOP, TOP_OF_TORCHVISION = 3, 5


class Writer(Protocol):
    """What takes predictions."""

    def write(self, names: "list[str]", predictions: "Array", width: int) -> None:
        """Take a batch; `width` are the terminal cells of the longest name of all."""


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="images, folders and archives of them, tables (CSV, Parquet, …) of paths or of features; - reads a "
            "list of paths from standard input",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="a model folder; models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN of the tracking store; or "
            "torchvision:NAME such as torchvision:resnet50; default: the workspace's student",
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="classes to name, most likely first; default: 3, for torchvision 5")
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            help="table, json (an object on each line), csv or parquet (with the probability of every class); "
            "default: by the name of --out, else table"
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="the same as --format json")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="write there, not to standard output")] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="for torchvision:NAME: a state dict, .pth, .pt or .safetensors")
    ] = None,
    resize: Annotated[
        Resize | None,
        typer.Option(help="for images of another size; default: as the model's data was prepared, else fit"),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto (all GPUs, or the CPU where there is none), cpu, cuda:1, mps")
    ] = "auto",
) -> None:
    """Print a model's predictions. Ends with 1 if some examples could not be read, with 2 if none could."""
    from sprout.runtime.progress import waiting

    with waiting("importing PyTorch"):
        from sprout.config.pretrained import TORCHVISION
        from sprout.data.sources.transfer import UnreachableError
        from sprout.predict.predict import open_model
        from sprout.predict.predictions import classes_to_name
        from sprout.predict.writers import Answers
        from sprout.runtime.errors import UserError

    if json and format not in (None, "json"):
        raise UserError(f"--json --format {format}: choose one of them")
    chosen = chosen_format("json" if json else format, out)
    if out is not None:
        check_out(out, paths)
    name = model or student_folder()
    try:
        opened = open_model(name, weights, resize, device, top)
    except UnreachableError as error:
        print_error(error)
        raise typer.Exit(1) from None
    default = TOP_OF_TORCHVISION if name.startswith(TORCHVISION) else TOP
    named = classes_to_name(name, opened.task.target, len(opened.classes), top, default)
    answers = Answers(opened.task, opened.classes, named)
    predicted, faulty = predict_all(paths, opened, answers, chosen, out)
    if out is not None:
        more = f"; {faulty:,} could not be read, as said above" if faulty else ""
        print(f"{predicted:,} predictions: {out}{more}")
    raise typer.Exit(int(faulty > 0))


def chosen_format(given: Format | None, out: Path | None) -> Format:
    """The format of the output.

    Raises:
        UserError: Parquet without a file.
    """
    from sprout.predict.writers import SUFFIXES
    from sprout.runtime.errors import UserError

    by_name = "table" if out is None else SUFFIXES.get(out.suffix.lower())
    if given is None and by_name is None:
        raise UserError(
            f"--out {out}: its ending tells no format; add --format, or name it .csv, .json, .parquet or .txt"
        )
    chosen: Format = given or by_name  # type: ignore[assignment]
    if chosen == "parquet" and out is None:
        raise UserError("--format parquet: is not text; add --out FILE")
    return chosen


def check_out(out: Path, inputs: list[str]) -> None:
    """Check that a file can be written where the user wants it.

    Raises:
        UserError: it is a folder, lies in no folder that can be written, or is one of the inputs.
    """
    from sprout.runtime.errors import UserError

    above = next(each for each in (out.parent, *out.parent.parents) if each.exists())
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; name a file")
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise UserError(f"--out {out}: {above} is no folder that can be written to; name a file elsewhere")
    if out.exists() and any(os.path.exists(each) and os.path.samefile(out, each) for each in inputs):
        raise UserError(f"--out {out}: is one of the inputs; name another file")


def predict_all(
    paths: list[str], model: "AnyModel", answers: "Answers", format: Format, out: Path | None
) -> tuple[int, int]:
    """Predict everything, and name on standard error what could not be read.

    Returns:
        how many could be predicted, and how many could not.

    Raises:
        UserError: none could; nothing is written then.
    """
    from sprout.predict.predict import predict_items
    from sprout.predict.sources import find_sources
    from sprout.runtime.errors import UserError, printable

    predicted = faulty = 0
    with TemporaryDirectory() as scratch, writer(format, out, answers) as into:
        for source in find_sources(paths, model, Path(scratch)):
            for batch in predict_items(model, source.tracked()):
                for name, fault in batch.faults:
                    print(f"{printable(name)}: {fault}", file=sys.stderr)
                if batch.names:
                    into.write(batch.names, batch.predictions, source.width)
                predicted, faulty = predicted + len(batch.names), faulty + len(batch.faults)
        if not predicted:
            what = "image files, folders and archives of them, and tables" if model.takes_images else "tables"
            raise UserError(f"nothing could be predicted; {model.name} takes {what}")
    return predicted, faulty


@contextmanager
def writer(format: Format, out: Path | None, answers: "Answers") -> "Iterator[Writer]":
    """Yield what takes the predictions; a file is there when the block has ended without an exception."""
    from sprout.predict.writers import ParquetTable, text_writer
    from sprout.runtime.files import atomic_write

    if out is None:
        if format != "table" or not Console().is_terminal:
            yield text_writer(format, sys.stdout, answers)
            return
        collected = TerminalTable(answers)
        yield collected
        collected.print()
    elif out.exists() and not out.is_file() and format != "parquet":  # such as /dev/stdout, which is not replaced
        with out.open("w", encoding="utf-8", newline="") as file:
            yield text_writer(format, file, answers)
    elif format == "parquet":
        with atomic_write(out) as beside, ParquetTable(beside, answers) as made:
            yield made
    else:
        with atomic_write(out) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            yield text_writer(format, file, answers)


class TerminalTable:
    """One table, printed at the end."""

    def __init__(self, answers: "Answers") -> None:
        """Collect what will be printed."""
        self.answers = answers
        self.rows: list[tuple[str, Prediction]] = []

    def write(self, names: "list[str]", predictions: "Array", width: int) -> None:
        """Take a batch."""
        self.rows += zip(names, self.answers.printed(predictions), strict=True)

    def print(self) -> None:
        """Print the table, if there is a row."""
        from sprout.predict.predictions import as_table

        if self.rows:
            print_table(as_table(self.rows, self.answers.headings))
