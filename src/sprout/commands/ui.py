"""`sprout ui`: the MLflow UI."""

from typing import Annotated

import typer


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="on 127.0.0.1")] = 5000) -> None:
    """Open the MLflow UI on the tracked runs. Only this machine can reach it."""
    from sprout.runtime.workspace import enter_workspace
    from sprout.tracking import serve_ui, tracking_uri

    enter_workspace()
    serve_ui(tracking_uri(), port)
