"""`sprout explain`: why a model predicts what it does, as a page."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from sprout.commands.predict import Resize, check_out
from sprout.runtime.workspace import student_folder

if TYPE_CHECKING:
    from sprout.data.store import Array
    from sprout.predict.model import Model


def explain(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH...]", help="images, as of `sprout predict`")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="as of `sprout predict`, but for torchvision:NAME")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="the page")] = Path("explain.html"),
    resize: Annotated[
        Resize | None, typer.Option(help="for images of another size; default: as the model's data was prepared")
    ] = None,
) -> None:
    """Write a page with a model's predictions for images, what speaks for them, and what its filters look for.

    Ends with 1 if some could not be read, with 2 if none could.
    """
    from sprout.runtime.progress import waiting

    with waiting("importing PyTorch"):
        from sprout.predict.explain_page import labelled_examples, write_page
        from sprout.predict.load import load
        from sprout.runtime.workspace import find_workspace

    check_out(out, paths or [])
    name = model or student_folder()
    opened = load(name, resize=resize, device="cpu")
    images, faulty = read_images(opened, paths) if paths else ([], 0)
    workspace = find_workspace(Path(name).resolve()) or find_workspace(Path.cwd())
    train = labelled_examples(opened.card, workspace / "data/prepared") if workspace else None
    write_page(out, name, opened.predictor, images, train)
    print(out)
    raise typer.Exit(int(faulty > 0))


def read_images(model: "Model", paths: list[str]) -> "tuple[list[tuple[str, Array]], int]":
    """Return the images that can be read, by name, and how many cannot; what is wrong goes to standard error.

    Raises:
        UserError: none can be read, or the model takes rows of a table.
    """
    from sprout.data.prepare.fault import Fault, without_pillow_limits
    from sprout.predict.predict import read
    from sprout.predict.sources import find_sources
    from sprout.runtime.errors import UserError, printable

    model.image_format()
    with TemporaryDirectory() as scratch, without_pillow_limits():
        sources = find_sources(paths, model, Path(scratch))
        done = [(item.name, read(item)) for source in sources for item in source.tracked()]
    for name, each in done:
        if isinstance(each, Fault):
            print(f"{printable(name)}: {each}", file=sys.stderr)
    images = [(name, each) for name, each in done if not isinstance(each, Fault)]
    if not images:
        raise UserError("nothing could be explained; explain takes image files, folders and archives of them")
    return images, len(done) - len(images)
