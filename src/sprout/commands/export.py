"""`sprout export`: a trained model as one file for other programs."""

import json as json_format
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sprout.commands.terminal import print_error
from sprout.runtime.workspace import student_folder

if TYPE_CHECKING:
    from sprout.export.export import Exported


def export(
    to: Annotated[Literal["onnx", "torch"], typer.Option(help="the kind of file")],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="as of `sprout predict`, but for torchvision:NAME")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="default: the model's name, with .onnx or .pt2")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="a prepared split to check the file on; default: val, without one train"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print what was written as one JSON object")] = False,
) -> None:
    """Write a model as one file, preprocessing included, and check it on real examples."""
    from sprout.runtime.progress import waiting

    with waiting("importing PyTorch"):
        from sprout.export.export import KINDS, DifferentError, check_split
        from sprout.export.export import export as write
        from sprout.predict.named_model import model_folder

    name = model or student_folder()
    with model_folder(name) as folder:
        path = out or Path(file_name(name, folder) + KINDS[to].suffix)
        with waiting(f"writing {path}"):
            try:
                done = write(name, folder, to, path, examples or check_split(folder))
            except DifferentError as error:
                print_error(f"{path}: {error}")
                raise typer.Exit(1) from None
    print(json_format.dumps(asdict(done), default=str) if json else sentence(done))


def file_name(name: str, folder: Path) -> str:
    """Return what the file is called: as the folder, or for `models:/digits@champion` digits-champion."""
    place = name.partition(":/")[2]
    return re.sub(r"[^\w.-]", "-", place) if place else folder.resolve().name


def sentence(done: "Exported") -> str:
    """Return what was written."""
    return (
        f"{done.path}: {done.bytes / 1e6:.1f} MB, takes {done.takes}, gives {done.gives}; the largest difference from "
        f"the model on {done.examples} examples of {done.split}: {done.difference:.2g}"
    )
