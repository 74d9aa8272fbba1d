"""The command `sprout`: what stands beside the DVC pipeline."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from sprout.runtime.signals import exit_codes

CONF = Path("conf")
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[OVERRIDE...]", help="such as train.lr=0.01")]
Target = Annotated[str | None, typer.Option(help="of a table: the column to learn", show_default=False)]
Resize = Literal["fit", "crop", "stretch", "none"]

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
    from sprout.config.compose import compose_config
    from sprout.config.origin import origins
    from sprout.config.validate import written
    from sprout.config.workspace import read_params

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
    from sprout.config.catalogue import catalogue

    table = Table("experiment", "data", "labels", "model", "expected result", "time", pad_edge=False)
    for entry in catalogue(CONF):
        table.add_row(entry.name, entry.data, entry.labels, entry.model, entry.result, entry.time)
    print_table(table)


@app.command()
def train(overrides: Overrides = None) -> None:
    """Run one more tracked training on the prepared data; DVC's outputs stay as they are."""
    from sprout.commands.train import train_once
    from sprout.config.workspace import read_params

    train_once(CONF, read_params(), overrides or [])


@app.command()
def sweep(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[OVERRIDE...]", help="such as sweep.trials=50, or train.epochs=4")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin anew; the study that is there is kept")] = False,
    adopt: Annotated[
        str | None, typer.Option(metavar="NAME", help="write conf/experiment/NAME.yaml from the winner")
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, metavar="NUMBER", help="the trial that --adopt takes; the best, if not given")
    ] = None,
) -> None:
    """Search settings of the current experiment on the prepared data; the same command goes on with its study."""
    from sprout.config.workspace import read_params
    from sprout.data.importing.new import refuse_name
    from sprout.runtime.errors import UserError
    from sprout.sweep.adopt import refuse_taken
    from sprout.sweep.supervisor import SweepFailedError
    from sprout.sweep.sweep import sweep as search

    if trial is not None and adopt is None:
        raise UserError(f"--trial {trial}: says which trial --adopt takes; add --adopt NAME")
    if adopt is not None:
        refuse_name(adopt)
        refuse_taken(CONF, adopt)
    try:
        print_all(search(CONF, read_params(), overrides or [], fresh=fresh, adopt_as=adopt, number=trial))
    except SweepFailedError as error:
        print("error:", error, file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
def summary(overrides: Overrides = None) -> None:
    """Print the network layer by layer, with what leaves each layer and how many numbers it trains."""
    from sprout.commands import summary as network_summary
    from sprout.config.workspace import read_params

    print_all(network_summary.summary(CONF, read_params(), overrides or []))


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="a folder, a table, arrays or an archive")], target: Target = None
) -> None:
    """Look at your own data and say what is found; nothing is written. Ends with 2 if it cannot be built."""
    from sprout.data.importing.draft import drafted, too_many_faults
    from sprout.data.importing.examine import examined
    from sprout.data.importing.findings import findings
    from sprout.runtime.errors import UserError

    with examined(CONF, path, target) as data:
        print_all(findings(data.found, data.listing, data.seen))
        draft = drafted(CONF, "NAME", data)
        if loud := too_many_faults(draft, data.seen):
            raise UserError(loud)
    print(f"this can be built, with a model that {draft.learns}: sprout new NAME --from {shlex.quote(str(path))}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="of the experiment")],
    path: Annotated[Path, typer.Option("--from", help="a folder, a table, arrays or an archive")],
    target: Target = None,
) -> None:
    """Make an experiment of your own data: look at it, bring it to data/source, write its config files."""
    from sprout.config.workspace import read_params
    from sprout.data.importing.draft import drafted, too_many_faults
    from sprout.data.importing.examine import examined
    from sprout.data.importing.findings import findings
    from sprout.data.importing.new import refuse_name, refuse_taken, said, write_experiment

    refuse_name(name)
    refuse_taken(CONF, name, path)
    with examined(CONF, path, target) as data:
        print_all(findings(data.found, data.listing, data.seen))
        draft = drafted(CONF, name, data)
        load = write_experiment(CONF, draft, data)
        loud = too_many_faults(draft, data.seen)
    print_all(said(draft, load, read_params().overrides))
    if loud:
        print(f"warning: {loud}", file=sys.stderr)


@app.command()
def predict(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="image files, and folders of them")],
    model: Annotated[
        str, typer.Option(metavar="FOLDER", help="a model folder, or torchvision:NAME such as torchvision:resnet50")
    ] = "models/student",
    top: Annotated[
        int | None, typer.Option(help="classes to name, the likeliest first; 3, of torchvision's networks 5")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object per line")] = False,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="of torchvision:NAME: a state dict, .pth, .pt or .safetensors")
    ] = None,
    resize: Annotated[
        Resize | None, typer.Option(help="for images of another size; what the data was prepared with, if not given")
    ] = None,
) -> None:
    """Say what a model sees in images. Ends with 1 if some could not be read, with 2 if none could."""
    from sprout.models.weights.torchvision import UnreachableError
    from sprout.predict.predict import predict as predict_images

    try:
        code = predict_images(
            paths,
            model=model,
            weights=weights,
            resize=resize,
            top=top,
            json=json,
            terminal=Console().is_terminal,
            show=print_table,
        )
    except UnreachableError as error:
        print("error:", error, file=sys.stderr)
        code = 1
    raise typer.Exit(code)


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="on 127.0.0.1")] = 5000) -> None:
    """Open the MLflow UI on the tracked runs, for this machine only."""
    from sprout.tracking import tracking_uri
    from sprout.tracking import ui as serve

    serve(tracking_uri(), port)


def print_all(parts: Iterable[Table | str]) -> None:
    """Print tables, and lines as they are."""
    for part in parts:
        if isinstance(part, str):
            print(part)
        else:
            print_table(part)


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
