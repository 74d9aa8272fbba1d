"""The command `sprout`: assembles the commands, each a file in `commands/`."""

from typing import Annotated

import typer

from sprout import __version__
from sprout.commands.check import check
from sprout.commands.compare import compare
from sprout.commands.config import config
from sprout.commands.experiments import experiments
from sprout.commands.explain import explain
from sprout.commands.export import export
from sprout.commands.gc import gc
from sprout.commands.label import label
from sprout.commands.lineage import lineage
from sprout.commands.new import new
from sprout.commands.outbox import outbox
from sprout.commands.predict import predict
from sprout.commands.promote import promote
from sprout.commands.reproduce import reproduce
from sprout.commands.result import result
from sprout.commands.runs import runs
from sprout.commands.serve import serve
from sprout.commands.show import show
from sprout.commands.summary import summary
from sprout.commands.sweep import sweep
from sprout.commands.train import train
from sprout.commands.ui import ui
from sprout.runtime.signals import whole_process

app = typer.Typer(
    help="Train classifiers from few labels, tracked and reproducible. `dvc repro` builds; these commands assist.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Each command imports what it needs when it runs, so that `--help` and shell completion answer at once.
COMMANDS = (
    config,
    experiments,
    train,
    sweep,
    summary,
    result,
    check,
    new,
    label,
    predict,
    explain,
    export,
    serve,
    runs,
    show,
    compare,
    reproduce,
    lineage,
    promote,
    ui,
    outbox,
    gc,
)
for command in COMMANDS:
    app.command()(command)


def print_version(requested: bool) -> None:
    """Print the version and exit, if requested."""
    if requested:
        print(f"sprout {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Define the options of `sprout` itself."""


def main() -> None:
    """Run the program."""
    with whole_process():
        app()


if __name__ == "__main__":
    main()
