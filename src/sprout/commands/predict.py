"""`sprout predict`: a model's predictions for images."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from sprout.commands.terminal import print_error, print_table

if TYPE_CHECKING:
    from sprout.predict.image_files import ImageFile
    from sprout.predict.predict import ImageModel

Resize = Literal["fit", "crop", "stretch", "none"]


def predict(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="image files, and folders of them")],
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
    json: Annotated[bool, typer.Option("--json", help="print one JSON object per line")] = False,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="for torchvision:NAME: a state dict, .pth, .pt or .safetensors")
    ] = None,
    resize: Annotated[
        Resize | None, typer.Option(help="for images of another size; default: as the model's data was prepared")
    ] = None,
) -> None:
    """Print a model's predictions for images. Ends with 1 if some could not be read, with 2 if none could."""
    from sprout.runtime.progress import waiting

    with waiting("importing PyTorch"):
        from sprout.data.sources.transfer import UnreachableError
        from sprout.predict.image_files import find_images
        from sprout.predict.predict import open_model
        from sprout.runtime.errors import UserError

    files = find_images(paths)
    try:
        opened = open_model(model or student(), weights, resize, top)
    except UnreachableError as error:
        print_error(error)
        raise typer.Exit(1) from None
    count = print_predictions(opened, files, json=json)
    if not count:
        raise UserError("nothing could be predicted, as said above; predict takes image files, and folders of them")
    raise typer.Exit(int(count < len(files)))


def student() -> str:
    """The folder of the workspace's student, relative to where the user stands."""
    from sprout.runtime.workspace import find_workspace

    here = Path.cwd()
    return os.path.relpath((find_workspace(here) or here) / "models" / "student")


def print_predictions(model: "ImageModel", files: "list[ImageFile]", *, json: bool) -> int:
    """Print the prediction for each file, as JSON, as lines, or on a terminal as one table at the end.

    What is wrong with a file goes to standard error.

    Returns:
        the number of files that could be read.
    """
    from sprout.data.prepare.fault import Fault
    from sprout.predict.predict import predict_files
    from sprout.predict.predictions import Prediction, as_json, as_line, as_table, max_width
    from sprout.runtime.errors import printable

    widths = max_width([file.name for file in files]), max_width(model.classes)
    rows: list[tuple[str, Prediction]] = []
    count, terminal = 0, Console().is_terminal
    for file, result in predict_files(model, files):
        if isinstance(result, Fault):
            print(f"{printable(file.name)}: {result}", file=sys.stderr)
            continue
        count += 1
        if json:
            print(as_json(file.name, result))
        elif terminal:
            rows.append((file.name, result))
        else:
            print(as_line(file.name, result, widths))
    if rows:
        print_table(as_table(rows, model.columns))
    return count
