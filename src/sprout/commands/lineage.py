"""`sprout lineage`: from which data, labels and models a model was made."""

import json as json_format
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sprout.commands.terminal import print_all

if TYPE_CHECKING:
    from sprout.tracking.reading.lineage import Lineage, Node

WIDTH = 80
NAME, PLACE, HASH = 18, 21, 14
"""Characters of the columns."""


def lineage(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RUN",
            help="a model folder, such as models/student; a run: its id, the beginning of it, or its name; or a "
            "registered model, such as models:/digits@champion",
        ),
    ],
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="write the graph to this file as well")] = None,
    json: Annotated[bool, typer.Option("--json", help="print the graph as one JSON object")] = False,
) -> None:
    """Print what a model was made from: data, splits, teacher, pseudo-labels, student, evaluation."""
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    before = enter_workspace()
    with waiting("importing MLflow"):
        from sprout.tracking.reading.asked import lineage_of
    with waiting("reading the run"):
        found = lineage_of(model, before)
    if svg is not None:
        draw(before / svg, found)
    if json:
        print(json_format.dumps(asdict(found), ensure_ascii=False, indent=2))
    else:
        print_all(lines(found))


def draw(file: Path, found: "Lineage") -> None:
    """Write the drawing.

    Raises:
        UserError: the file cannot be written.
    """
    from sprout.runtime.errors import UserError, one_line
    from sprout.tracking.reading.lineage_svg import write_svg

    try:
        write_svg(file, found)
    except OSError as error:
        raise UserError(f"--svg {file}: cannot be written ({one_line(error)}); give the name of a file") from None


def lines(found: "Lineage") -> Iterator[str]:
    """Yield what is printed: each node after those that it was made from."""
    run = f", run {found.run[:8]}" if found.run else ""
    yield from textwrap.wrap(f"{found.asked} of {found.title}{run}" if found.asked else f"{found.title}{run}", WIDTH)
    for node in found.nodes:
        yield ""
        yield from of_node(node)


def of_node(node: "Node") -> Iterator[str]:
    """Yield the lines of a node: name, place, hash and runs, then what else is known, then its sources."""
    runs = ("run " if len(node.runs) == 1 else "runs ") + ", ".join(run[:8] for run in node.runs) if node.runs else ""
    head = f"{node.name:<{NAME}}{node.path or '':<{PLACE}}{(node.hash or '')[:12]:<{HASH}}"
    yield from textwrap.wrap(head + runs, WIDTH, subsequent_indent=" " * NAME) or [node.name]
    rest = [*node.details, *(["from " + ", ".join(node.sources)] if node.sources else [])]
    for text in rest:
        yield from textwrap.wrap(text, WIDTH, initial_indent=" " * NAME, subsequent_indent=" " * NAME)
