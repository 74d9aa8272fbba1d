"""`sprout outbox`: the records that no MLflow store has taken yet."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sprout.commands.terminal import print_table

if TYPE_CHECKING:
    from sprout.tracking.outbox.contents import Waiting


def outbox(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY...]", help="journals; default: all")] = None,
    send: Annotated[bool, typer.Option("--send", help="send them now, however long it takes")] = False,
    to: Annotated[
        str | None, typer.Option(metavar="URI", help="send them now, to this store (as in MLFLOW_TRACKING_URI)")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="remove them for good; needs KEY")] = False,
) -> None:
    """List the records that MLflow has not got yet, and send or drop them. Ends with 1 if some cannot be sent."""
    from sprout.runtime.errors import UserError
    from sprout.runtime.workspace import enter_workspace
    from sprout.tracking.outbox import contents

    enter_workspace()
    if send + (to is not None) + drop > 1:
        raise UserError("--send, --to and --drop exclude each other; give one")
    if drop and not keys:
        raise UserError("--drop: name the journals, as `sprout outbox` lists them")
    if to is not None and not keys:
        raise UserError(f"--to={to}: name the journals that go there, as `sprout outbox` lists them")
    folders = contents.find_journals(keys or [])
    if drop:
        for folder in folders:
            contents.drop(folder)
    elif send or to is not None:
        if to is not None:
            contents.redirect(folders, to)
        left = contents.send_now(folders)
        print(f"{len(folders) - len(left)} of {len(folders)} journals sent")
        raise typer.Exit(int(bool(left)))
    else:
        print_waiting([each for each in contents.waiting() if not keys or each.key in keys])


def print_waiting(journals: "list[Waiting]") -> None:
    """Print the journals as a table, or that there are none."""
    if not journals:
        print("every record has been sent")
        return
    table = Table("journal", "experiment", "run", "unsent records", "store", "", box=None, pad_edge=False)
    for each in journals:
        state = "in use" if each.in_use else ("" if each.store else "cannot be read")
        table.add_row(each.key, each.experiment, each.run, str(each.unsent), each.store, state)
    print_table(table)
