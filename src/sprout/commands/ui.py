"""`sprout ui`: the MLflow UI."""

from typing import Annotated

import typer


def ui(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="a run to open: its id, the beginning of it, or its name")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="on 127.0.0.1")] = 5000,
) -> None:
    """Serve the MLflow UI on the tracked runs, and print its address. Only this machine can reach it."""
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace
    from sprout.tracking import experiment_name, serve_ui, tracking_uri

    enter_workspace()
    with waiting("importing MLflow"):
        from sprout.tracking.connection import load_mlflow

        load_mlflow()
    raise typer.Exit(serve_ui(tracking_uri(), port, experiment_name(), run))
