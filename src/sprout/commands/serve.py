"""`sprout serve`: a model behind HTTP."""

from typing import Annotated

import typer

from sprout.commands.predict import Resize
from sprout.runtime.workspace import student_folder


def serve(
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="as of `sprout predict`, but for torchvision:NAME")
    ] = None,
    host: Annotated[str, typer.Option(help="the address to listen on; 0.0.0.0 is all of this machine")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8000,
    resize: Annotated[
        Resize | None, typer.Option(help="for images of another size; default: as the model's data was prepared")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="until a request must be answered")] = 30.0,
) -> None:
    """Answer POST /predict with a model's predictions, until Ctrl-C. See /docs for what is accepted."""
    from sprout.runtime.progress import waiting

    with waiting("importing PyTorch"):
        from sprout.serve.server import run

    run(model or student_folder(), host, port, resize, seconds)
