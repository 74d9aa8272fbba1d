"""`sprout new`: an experiment from a user's own data."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sprout.commands.data_options import DataOptions, with_data_options
from sprout.commands.terminal import CONF, print_all


@with_data_options
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="of the experiment")],
    path: Annotated[Path, typer.Option("--from", help="a folder, a table, arrays or an archive")],
    data_options: DataOptions,
) -> None:
    """Make an experiment of your own data. Reports on it, links it to data/source and writes its config files."""
    from sprout.data.importing.check_report import check_report
    from sprout.data.importing.create_experiment import (
        create_experiment,
        left_out_by_new,
        refuse_name,
        refuse_taken,
        result_lines,
    )
    from sprout.data.importing.draft import draft_experiment, too_many_faults
    from sprout.data.importing.user_data import open_user_data
    from sprout.runtime.workspace import enter_workspace

    path = enter_workspace() / path
    refuse_name(name)
    refuse_taken(CONF, name, path)
    with open_user_data(CONF, path, data_options.columns, data_options.min_class_size) as data:
        print_all(check_report(data))
        draft = draft_experiment(CONF, name, data)
        warning = too_many_faults(draft, data, left_out_by_new(data))
        linked = create_experiment(CONF, draft, data)
    print_all(result_lines(draft, linked))
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
