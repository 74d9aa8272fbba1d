"""The options of `sprout check` and `sprout new` that say what a user's data is: defined here alone."""

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

if TYPE_CHECKING:
    from sprout.data.importing.table_sample import Columns


class DataOptions(NamedTuple):
    """What the user says of the data; each field is an option."""

    target: Annotated[
        str | None,
        typer.Option(help="the column of a table to learn, also COLUMN=class or COLUMN=number", show_default=False),
    ] = None
    group: Annotated[
        str | None, typer.Option(help="the column of a table whose equal values stay in one split", show_default=False)
    ] = None
    missing: Annotated[
        str | None, typer.Option(help="what stands for a missing label, such as -1", show_default=False)
    ] = None
    min_class_size: Annotated[
        int | None, typer.Option(min=1, help="leave out classes with fewer examples to learn from", show_default=False)
    ] = None
    pattern: Annotated[
        str | None,
        typer.Option(help="how images are named that tell their class, such as '{label}_*.jpg'", show_default=False),
    ] = None

    @property
    def columns(self) -> "Columns":
        """Those that say how the data is read."""
        from sprout.data.importing.table_sample import Columns

        return Columns(self.target, self.group, self.missing, self.pattern)

    @property
    def given(self) -> list[str]:
        """As they were written on the command line."""
        return [*self.columns.options, *([f"--min-class-size={self.min_class_size}"] if self.min_class_size else [])]


def with_data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the options, and hands them on as `data_options`: typer has no groups of options."""

    def run(**given: Any) -> None:
        data_options = DataOptions(*(given.pop(name) for name in DataOptions._fields))
        command(**given, data_options=data_options)

    own = [each for each in inspect.signature(command).parameters.values() if each.name != "data_options"]
    hints = get_type_hints(DataOptions, include_extras=True)
    options = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=hints[name])
        for name in DataOptions._fields
    ]
    update_wrapper(run, command)
    run.__annotations__ = {each.name: each.annotation for each in (*own, *options)}
    run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    return run
