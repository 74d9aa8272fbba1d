"""`sprout sweep`: a hyperparameter search on the prepared data."""

from typing import Annotated

import typer

from sprout.commands.terminal import CONF, print_all, print_error

SweepOverrides = Annotated[
    list[str] | None, typer.Argument(metavar="[OVERRIDE...]", help="such as sweep.trials=50, or train.epochs=4")
]


def sweep(
    overrides: SweepOverrides = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="start a new study; the existing one is kept")] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="start a new study with the finished trials that fit its search space")
    ] = False,
    adopt: Annotated[
        str | None, typer.Option(metavar="NAME", help="write conf/experiment/NAME.yaml from the best trial")
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, metavar="NUMBER", help="the trial for --adopt; default: the best one")
    ] = None,
) -> None:
    """Search settings on the prepared data. The same command resumes its study."""
    from sprout.config.workspace import read_params
    from sprout.data.importing.create_experiment import refuse_name
    from sprout.runtime.errors import UserError
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace
    from sprout.sweep.adopt import refuse_taken

    with waiting("importing Optuna"):
        from sprout.sweep.command import Start
        from sprout.sweep.command import sweep as search
        from sprout.sweep.supervisor import SweepFailedError

    if fresh and extend:
        raise UserError("--fresh and --extend: both start a new study, and only --extend takes over trials; choose one")
    if trial is not None and adopt is None:
        raise UserError(f"--trial {trial}: has no effect without --adopt NAME; add it")
    enter_workspace()
    if adopt is not None:
        refuse_name(adopt)
        refuse_taken(CONF, adopt)
    start: Start = "fresh" if fresh else "extend" if extend else "resume"
    try:
        print_all(search(CONF, read_params(), overrides or [], start=start, adopt_as=adopt, number=trial))
    except SweepFailedError as error:
        print_error(error)
        raise typer.Exit(1) from None
