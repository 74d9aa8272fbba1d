"""`sprout explain`: why a model predicts what it does, as a page."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sprout.commands.predict import Resize, student

if TYPE_CHECKING:
    from sprout.data.store import Array
    from sprout.predict.folder_model import FolderModel
    from sprout.predict.image_files import ImageFile


def explain(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH...]", help="image files, and folders of them")
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
        from sprout.models.predictor import load_predictor
        from sprout.predict.explain_page import labelled_examples, write_page
        from sprout.predict.folder_model import FolderModel
        from sprout.predict.image_files import find_images
        from sprout.predict.named_model import model_folder
        from sprout.runtime.workspace import find_workspace

    files = find_images(paths or [])
    name = model or student()
    with model_folder(name) as folder:
        opened = FolderModel(folder, resize, None) if files else None
        predictor = opened.predictor if opened else load_predictor(folder)
        images = read_images(opened, files) if opened else []
        workspace = find_workspace(folder.resolve()) or find_workspace(Path.cwd())
        train = labelled_examples(predictor.card, workspace / "data/prepared") if workspace else None
        write_page(out, name, predictor, images, train)
    print(out)
    raise typer.Exit(int(len(images) < len(files)))


def read_images(model: "FolderModel", files: "list[ImageFile]") -> "list[tuple[str, Array]]":
    """Return the images that can be read, by name; what is wrong with another goes to standard error.

    Raises:
        UserError: none can be read.
    """
    from sprout.data.prepare.fault import Fault
    from sprout.predict.predict import read_image
    from sprout.runtime.errors import UserError, printable

    read = [(file.name, read_image(model, file)) for file in files]
    for name, each in read:
        if isinstance(each, Fault):
            print(f"{printable(name)}: {each}", file=sys.stderr)
    images = [(name, each) for name, each in read if not isinstance(each, Fault)]
    if not images:
        raise UserError("nothing could be explained, as said above; explain takes image files, and folders of them")
    return images
