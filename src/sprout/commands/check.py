"""`sprout check`: a report on a user's own data."""

import shlex

from sprout.commands.data_options import DataOptions, with_data_options
from sprout.commands.terminal import CONF, DataPath, print_all


@with_data_options
def check(path: DataPath, data_options: DataOptions) -> None:
    """Report on your own data without writing anything. Ends with 2 if it cannot be built."""
    from sprout.data.importing.check_report import check_report
    from sprout.data.importing.create_experiment import left_out_by_new
    from sprout.data.importing.draft import draft_experiment, too_many_faults
    from sprout.data.importing.user_data import open_user_data
    from sprout.runtime.errors import UserError
    from sprout.runtime.workspace import enter_workspace

    path = enter_workspace() / path
    with open_user_data(CONF, path, data_options.columns, data_options.min_class_size) as data:
        print_all(check_report(data))
        draft = draft_experiment(CONF, "NAME", data)
        if warning := too_many_faults(draft, data, left_out_by_new(data)):
            raise UserError(warning)
    print(f"splits: {draft.splits}")
    print(f"the model {draft.learns}")
    print(f"this can be built: {shlex.join(['sprout', 'new', 'NAME', '--from', str(path), *data_options.given])}")
