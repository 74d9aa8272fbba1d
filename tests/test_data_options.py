"""The options that `sprout check` and `sprout new` share."""

import inspect
from pathlib import Path

from sprout.commands.check import check
from sprout.commands.data_options import DataOptions, with_data_options
from sprout.commands.new import new
from sprout.commands.terminal import DataPath
from sprout.data.importing.table_sample import Columns

GIVEN = DataOptions("price=number", None, "-1", 5, None)


def test_each_command_has_its_own_parameters_and_then_the_options() -> None:
    of_check, of_new = (list(inspect.signature(command).parameters) for command in (check, new))
    assert (of_check, of_new) == (["path", *DataOptions._fields], ["name", "path", *DataOptions._fields])
    assert inspect.signature(check).parameters["path"].annotation == DataPath
    assert check.__doc__ == "Report on your own data without writing anything. Ends with 2 if it cannot be built."


def test_they_reach_the_command_together() -> None:
    taken: list[tuple[Path, DataOptions]] = []

    @with_data_options
    def command(path: DataPath, data_options: DataOptions) -> None:
        taken.append((path, data_options))

    command(path=Path("a"), **GIVEN._asdict())
    assert taken == [(Path("a"), GIVEN)]


def test_what_was_given_is_written_as_it_was() -> None:
    assert GIVEN.columns == Columns("price=number", None, "-1", None)
    assert GIVEN.given == ["--target=price=number", "--missing=-1", "--min-class-size=5"]
    assert DataOptions().given == []
