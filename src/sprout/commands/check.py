"""`sprout check`: a report on a user's own data."""

import shlex

from sprout.commands.terminal import CONF, DataPath, Group, MinClassSize, Missing, Pattern, Target, print_all


def check(
    path: DataPath,
    target: Target = None,
    group: Group = None,
    missing: Missing = None,
    min_class_size: MinClassSize = None,
    pattern: Pattern = None,
) -> None:
    """Report on your own data without writing anything. Ends with 2 if it cannot be built."""
    from sprout.data.importing.check_report import check_report
    from sprout.data.importing.create_experiment import left_out_by_new
    from sprout.data.importing.draft import draft_experiment, too_many_faults
    from sprout.data.importing.table_sample import Columns
    from sprout.data.importing.user_data import open_user_data
    from sprout.runtime.errors import UserError
    from sprout.runtime.workspace import enter_workspace

    path, columns = enter_workspace() / path, Columns(target, group, missing, pattern)
    with open_user_data(CONF, path, columns, min_class_size) as data:
        print_all(check_report(data))
        draft = draft_experiment(CONF, "NAME", data)
        if warning := too_many_faults(draft, data, left_out_by_new(data)):
            raise UserError(warning)
    print(f"splits: {draft.splits}")
    print(f"the model {draft.learns}")
    options = [*columns.options, *([f"--min-class-size={min_class_size}"] if min_class_size else [])]
    print(f"this can be built: {shlex.join(['sprout', 'new', 'NAME', '--from', str(path), *options])}")
