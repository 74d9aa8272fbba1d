"""`sprout compare`: what differs between runs, and whether the difference is real."""

import json as json_format
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from sprout.commands.terminal import print_all, print_error
from sprout.comparison import words

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from sprout.tracking.reading.compare import Comparison, Subject

MOST = 10
"""Runs that a filter stands for."""
SUFFIXES = (".html", ".htm")
"""Of a page."""


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="ids, beginnings of ids, or names; or filters, as of `sprout runs`"),
    ],
    json: Annotated[bool, typer.Option("--json", help="print all as one JSON object")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write a page as well, and log it as an artifact of the first run"),
    ] = None,
) -> None:
    """Compare runs: settings, data, code, figures, and their models on the same test examples.

    Further runs are compared with the first. Ends with 1 if the store does not take the page.
    """
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    here = enter_workspace()
    page = None if html is None else page_path(here, html)
    with waiting("importing MLflow"):
        from sprout.tracking.reading import compare as reading
        from sprout.tracking.reading.store import open_store

        client = open_store()
    with waiting("reading the runs"):
        subjects = reading.read_runs(client, asked(client, runs))
        comparison = reading.compare(subjects)
    if json:
        print(json_format.dumps(asdict(comparison), ensure_ascii=False, indent=2))
    else:
        print_all(lines(comparison))
    if page is not None:
        save_page(client, subjects, comparison, page)


def page_path(here: Path, given: Path) -> Path:
    """Return where the page is written, from where the user stands.

    Raises:
        UserError: it is no name of a page.
    """
    from sprout.runtime.errors import UserError

    path = here / given
    if path.suffix not in SUFFIXES or path.is_dir():
        why = "is a folder" if path.is_dir() else "is no page"
        raise UserError(f"--html={given}: {why}; give a file that ends in {' or '.join(SUFFIXES)}")
    return path


def asked(client: "MlflowClient", words: Sequence[str]) -> "list[Run]":
    """Return the runs that are named, or that filters find, at most ten, the best or newest first."""
    from sprout.tracking.reading.find import find_run
    from sprout.tracking.reading.found import find_runs
    from sprout.tracking.reading.query import TERM, parse

    if all(TERM.fullmatch(word) for word in words):
        return [client.get_run(found.id) for found in find_runs(client, parse(words), MOST)]
    return [find_run(client, word) for word in words]


def save_page(client: "MlflowClient", subjects: "Sequence[Subject]", comparison: "Comparison", path: Path) -> None:
    """Write the page, log it as an artifact of the first run, and say on stderr where it is.

    Raises:
        UserError: the file cannot be written.
        Exit: the store did not take it; the file is there all the same.
    """
    from sprout.comparison.page import log_page, write_page
    from sprout.runtime.errors import UserError, one_line
    from sprout.runtime.progress import waiting
    from sprout.tracking.connection import reason
    from sprout.tracking.reading.curves import curves_of

    with waiting("writing the page"):
        curves = [curves_of(client, each.facts) for each in subjects]
        try:
            write_page(path, subjects, comparison, curves)
        except OSError as error:
            raise UserError(f"--html={path}: cannot be written: {one_line(error.strerror or error)}") from None
    print(f"written to {path}", file=sys.stderr)
    first = comparison.runs[0].run
    try:
        with waiting("logging the page"):
            artifact = log_page(client, comparison, path)
    except Exception as error:  # MLflow raises many types
        print_error(f"run {first.id[:8]}: the store does not take the page: {reason(error, client.tracking_uri)}")
        raise typer.Exit(1) from None
    print(f"logged as {artifact} of run {first.id[:8]} ({first.name})", file=sys.stderr)


def lines(comparison: "Comparison") -> "Iterator[Table | str]":
    """Yield what is printed."""
    names = words.letters(len(comparison.runs))
    for name, facts in zip(names, comparison.runs, strict=True):
        run = facts.run
        yield f"{name}  {run.id[:8]}  {run.started[:16].replace('T', ' ')}  {run.name}: {run.result or run.state}"
    for title, rows in words.differing_rows(comparison).items():
        yield ""
        yield table_of(title, names, rows) if rows else f"{title}: equal"
    if equal := words.equal_figures(comparison):
        yield words.equal_in_words(equal)
    if comparison.classes:
        yield ""
        yield from class_lines(comparison, names)
    yield ""
    for name, each, cells in zip(names[1:], comparison.paired, comparison.confusions, strict=True):
        yield f"{name} against A: {each if isinstance(each, str) else words.sentence(each, name)}"
        if cells:
            yield f"  most changed: {words.cells_in_words(cells, name)}"


def class_lines(comparison: "Comparison", names: Sequence[str]) -> "Iterator[Table | str]":
    """Yield the errors of the classes that differ most."""
    shown = words.most_different(comparison.classes, words.CLASSES)
    if not shown:
        yield "errors of the classes: equal"
        return
    against = ["B - A, points"] if len(names) == 2 else []
    table = Table("error of class", "examples", *names, *against, box=None, pad_edge=False)
    for each in shown:
        table.add_row(*words.class_cells(each))
    yield table
    if any(each is not None and each.is_real for row in shown for each in row.differences):
        yield "*: differs from A beyond chance"
    if left := len(comparison.classes) - len(shown):
        yield f"classes that differ less or not at all: {left:,}; --json and --html have all"


def table_of(title: str, names: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> Table:
    """Return rows with a column for each run."""
    table = Table(title, *names, box=None, pad_edge=False)
    for key, values in rows.items():
        table.add_row(key, *map(words.written, values))
    return table
