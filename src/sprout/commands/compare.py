"""`sprout compare`: what differs between runs, and whether the difference is real."""

import json as json_format
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from sprout.commands.terminal import print_all

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from sprout.tracking.reading.compare import Comparison, Paired

MOST = 10
"""Runs that a filter stands for."""


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="ids, beginnings of ids, or names; or filters, as of `sprout runs`"),
    ],
    json: Annotated[bool, typer.Option("--json", help="print all as one JSON object")] = False,
) -> None:
    """Compare runs: settings, data, code, figures, and their models on the same test examples.

    Further runs are compared with the first.
    """
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    with waiting("importing MLflow"):
        from sprout.tracking.reading import compare as reading
        from sprout.tracking.reading.store import open_store

        client = open_store()
    with waiting("reading the runs"):
        comparison = reading.compare(client, asked(client, runs))
    if json:
        print(json_format.dumps(asdict(comparison), ensure_ascii=False, indent=2))
    else:
        print_all(lines(comparison))


def asked(client: "MlflowClient", words: Sequence[str]) -> "list[Run]":
    """Return the runs that are named, or that filters find, at most ten, the best or newest first."""
    from sprout.tracking.reading.find import find_run
    from sprout.tracking.reading.found import find_runs
    from sprout.tracking.reading.query import TERM, parse

    if all(TERM.fullmatch(word) for word in words):
        return [client.get_run(found.id) for found in find_runs(client, parse(words), MOST)]
    return [find_run(client, word) for word in words]


def lines(comparison: "Comparison") -> "Iterator[Table | str]":
    """Yield what is printed."""
    names = [chr(ord("A") + number) for number in range(len(comparison.runs))]
    for name, facts in zip(names, comparison.runs, strict=True):
        run = facts.run
        yield f"{name}  {run.id[:8]}  {run.started[:16].replace('T', ' ')}  {run.name}: {run.result or run.state}"
    for title, rows in sections(comparison).items():
        yield ""
        yield table_of(title, names, rows) if rows else f"{title}: equal"
    yield ""
    for name, each in zip(names[1:], comparison.paired, strict=True):
        yield f"{name} against A: {each if isinstance(each, str) else sentence(each, name)}"


def sections(comparison: "Comparison") -> dict[str, Mapping[str, Sequence[Any]]]:
    """Return the tables that are printed, each with its title."""
    data = {path: [hash_of(value) for value in values] for path, values in comparison.data.items()}
    code = {} if comparison.code is None else {"commit": [commit(*each) for each in comparison.code]}
    return {"settings": comparison.settings, "data": data, "code": code, "figures": comparison.figures}


def table_of(title: str, names: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> Table:
    """Return rows with a column for each run."""
    table = Table(title, *names, box=None, pad_edge=False)
    for key, values in rows.items():
        table.add_row(key, *("" if value is None else written(value) for value in values))
    return table


def written(value: Any) -> str:
    """Return a value as it is printed."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def hash_of(value: str | None) -> str | None:
    """Return the first digits of a hash."""
    return value and value[:12]


def commit(name: str | None, dirty: bool) -> str:
    """Return a commit, and whether the code differed from it."""
    return (name or "not in git")[:12] + (" and changes" if dirty else "")


def sentence(found: "Paired", name: str) -> str:
    """Return whether the model of a run differs from that of A beyond chance."""
    points = 100 * found.difference
    how = f"{abs(points):.1f} points {'less' if points < 0 else 'more'} error" if points else "the same error"
    real = "beyond chance" if found.low > 0 or found.high < 0 else "within chance"
    return (
        f"{how} on the same {found.examples:,} test examples, 95% interval {100 * found.low:+.1f} to "
        f"{100 * found.high:+.1f} points, {real}; only A is right on {found.worse:,}, only {name} on {found.better:,} "
        f"(McNemar's p = {found.p:.3g})"
    )
