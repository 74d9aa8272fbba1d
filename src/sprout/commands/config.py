"""`sprout config`: the composed config with the origin of each value."""

from rich.table import Table

from sprout.commands.terminal import CONF, Overrides, print_table


def config(overrides: Overrides = None) -> None:
    """Print the config, with the origin of each value. An origin is a file or an override."""
    from sprout.config.compose import compose_config
    from sprout.config.origin import origins
    from sprout.config.validate import written
    from sprout.config.workspace import read_params
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    params, extra = read_params(), overrides or []
    composed = compose_config(CONF, params.experiment, [*params.overrides, *extra])
    sources = dict.fromkeys(params.overrides, "params.yaml") | dict.fromkeys(extra, "override")
    table = Table("key", "value", "from", box=None, pad_edge=False)
    for origin in origins(CONF, composed, sources):
        value = origin.value if isinstance(origin.value, str) else written(origin.value)
        table.add_row(origin.key, value, origin.source)
    print_table(table)
