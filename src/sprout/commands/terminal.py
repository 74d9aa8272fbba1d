"""What the commands share: the types of common arguments, and printing."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

CONF = Path("conf")
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[OVERRIDE...]", help="such as train.lr=0.01")]
DataPath = Annotated[Path, typer.Argument(metavar="PATH", help="a folder, a table, arrays or an archive")]
PROSE_WIDTH = 120
"""Characters of a line of a table with sentences, where there is no terminal."""


def print_all(items: Iterable[Table | str]) -> None:
    """Print tables, and plain lines unchanged."""
    for item in items:
        if isinstance(item, str):
            print(item)
        else:
            print_table(item)


def print_table(table: Table, *, prose: bool = False) -> None:
    """Print a table without cutting anything: a terminal folds long cells, other output has lines of any length.

    Args:
        table: the table.
        prose: whether its cells hold sentences, which are folded in any output.
    """
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PROSE_WIDTH if prose else sys.maxsize
    for column in table.columns:
        column.overflow = "fold"
    console.print(table)


def print_error(error: object) -> None:
    """Print one line to standard error."""
    print("error:", error, file=sys.stderr)
