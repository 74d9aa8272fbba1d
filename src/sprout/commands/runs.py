"""`sprout runs`: the tracked runs."""

import json as json_format
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sprout.commands.terminal import print_table

if TYPE_CHECKING:
    from sprout.tracking.reading.found import Found


def runs(
    terms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILTER...]",
            help="such as experiment=digits, kind=trial, state=failed, name~augment, since=2026-01-31, train.lr=0.01, "
            "'student.error_rate<0.05', best=5",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50_000, help="runs at most")] = 20,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object per line")] = False,
) -> None:
    """List builds, trainings and sweeps, newest first."""
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace
    from sprout.tracking.reading.query import parse

    enter_workspace()
    query = parse(terms or [])
    with waiting("importing MLflow"):
        from sprout.tracking.reading.store import open_store

        client = open_store()
    with waiting("searching"):
        from sprout.tracking.reading.found import find_runs

        found = find_runs(client, query, limit)
    if json:
        for each in found:
            print(json_format.dumps(asdict(each), ensure_ascii=False))
    elif found:
        print_table(table_of(found))
    else:
        print("no such run" if terms else "nothing was tracked yet; `dvc repro` builds and tracks")


def table_of(found: "list[Found]") -> Table:
    """Return the runs as a table."""
    table = Table("started", "run", "kind", "what", "state", "took", "result", box=None, pad_edge=False)
    for each in found:
        started = each.started[:16].replace("T", " ")
        table.add_row(started, each.id[:8], each.kind, each.name, each.state, each.took, each.result)
    return table
