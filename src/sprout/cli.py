"""The command `sprout`: what stands beside the DVC pipeline."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sprout.core.signals import exit_codes

CONF = Path("conf")
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[OVERRIDE...]", help="such as train.lr=0.01")]

app = typer.Typer(
    help="Few labels in, a trained, tracked, reproducible classifier out. `dvc repro` builds; these stand beside it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Each command imports what it needs: `--help` shall answer at once.


@app.command()
def config(overrides: Overrides = None) -> None:
    """Print the composed config, with the file or override that each value came from."""
    from sprout.core.validate import written
    from sprout.core.workspace import read_params
    from sprout.settings.compose import compose_config
    from sprout.settings.origin import origins

    params, given = read_params(), overrides or []
    composed = compose_config(CONF, params.experiment, [*params.overrides, *given])
    given_in = dict.fromkeys(params.overrides, "params.yaml") | dict.fromkeys(given, "override")
    table = Table("key", "value", "from", box=None, pad_edge=False)
    for origin in origins(CONF, composed, given_in):
        value = origin.value if isinstance(origin.value, str) else written(origin.value)
        table.add_row(origin.key, value, origin.source)
    print_table(table)


@app.command()
def experiments() -> None:
    """List the experiments: data, labels, model, the result to expect and the time it takes."""
    from sprout.settings.catalogue import catalogue

    table = Table("experiment", "data", "labels", "model", "expected result", "time", pad_edge=False)
    for entry in catalogue(CONF):
        table.add_row(entry.name, entry.data, entry.labels, entry.model, entry.result, entry.time)
    print_table(table)


@app.command()
def train(overrides: Overrides = None) -> None:
    """Run one more tracked training on the prepared data; DVC's outputs stay as they are."""
    from sprout.core.workspace import read_params
    from sprout.extra_training import train_once

    train_once(CONF, read_params(), overrides or [])


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="on 127.0.0.1")] = 5000) -> None:
    """Open the MLflow UI on the tracked runs, for this machine only."""
    from sprout.tracking import tracking_uri
    from sprout.tracking import ui as serve

    serve(tracking_uri(), port)


def print_table(table: Table) -> None:
    """Print a table; nothing is cut: a terminal's lines are folded, other lines are as long as it takes."""
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.width = sys.maxsize
    for column in table.columns:
        column.overflow = "fold"
    console.print(table)


def main() -> None:
    """The program's entry."""
    with exit_codes():
        app()


if __name__ == "__main__":
    main()
