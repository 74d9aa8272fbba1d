"""`sprout experiments`: the experiments of `conf/experiment/`."""

from rich.table import Table

from sprout.commands.terminal import CONF, print_table


def experiments() -> None:
    """List the experiments: data, model, result, time."""
    from sprout.config.catalogue import catalogue
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    table = Table("experiment", "data", "labels", "model", "expected result", "time", pad_edge=False)
    with waiting("reading the experiments"):
        for entry in catalogue(CONF):
            table.add_row(entry.name, entry.data, entry.labels, entry.model, entry.result, entry.time)
    print_table(table, prose=True)
