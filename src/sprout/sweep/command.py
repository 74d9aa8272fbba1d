"""`sprout sweep`: search settings of the current experiment on data that the pipeline has prepared."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Literal

import optuna
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from rich.table import Table

from sprout.config.cluster import SECTION, Ray, chosen
from sprout.config.compose import Composed, compose_config
from sprout.config.exp_run import exp_run_file, rebuild_data
from sprout.config.made_with import made_with, refuse_other_data, refuse_without_effect
from sprout.config.workspace import Build, Params
from sprout.data.store import STORES, open_store
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import waiting
from sprout.runtime.signals import Killed, raise_killed
from sprout.runtime.workspace import main_workspace
from sprout.sweep import trials
from sprout.sweep.adopt import adopt, refuse_unadoptable, winner
from sprout.sweep.board import Board
from sprout.sweep.conclusion import conclude, log, values_of_trial
from sprout.sweep.extend import extend
from sprout.sweep.search import DATA, Search
from sprout.sweep.space import distributions, powers_of_two
from sprout.sweep.strategies import PowersOfTwo, make_pruner, make_sampler
from sprout.sweep.study import open_study
from sprout.sweep.study_folder import KEY, StudyFolder, existing, hold_study, readable
from sprout.sweep.supervisor import Supervisor, SweepFailedError, SweepPlan
from sprout.sweep.workers import Workplace, local_workplace
from sprout.tracking import InSweep, RunInfo, data_hashes, git_state, tracked_run, tracking_uri

Start = Literal["resume", "fresh", "extend"]
SECTIONS = ("model", "train", "sweep", SECTION)
"""The sections that overrides of a sweep may change."""


def sweep(
    conf: Path,
    params: Params,
    overrides: Sequence[str],
    *,
    start: Start,
    adopt_as: str | None,
    number: int | None,
) -> Iterator[Table | str]:
    """Run trials until the total is reached, resuming the study if there is one.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        overrides: changes for all trials, and of the section `sweep`.
        start: whether to start a new study, and whether it takes over finished trials of the existing one.
        adopt_as: the name of an experiment to write from the winner.
        number: of the trial that wins; None for the best one.

    Yields:
        What to print at the end.

    Raises:
        UserError: the arguments do not fit the workspace or the study.
        SweepFailedError: too many trials failed in a row, or the study cannot be written.
        Killed: Ctrl-C, or another signal; running trials have been saved or have ended.
    """
    composed = compose_config(conf, params.experiment, [*params.overrides, *overrides])
    chosen(composed.outside[SECTION], conf).with_kernels()
    refuse_without_effect(composed, len(params.overrides), "sprout sweep", SECTIONS)
    refuse_folds(composed, params)
    refuse_other_data(composed, made_with(), params)
    for store in STORES:
        open_store(Path(store))
    with waiting("checking the search space"):
        search = Search(conf, composed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = f"{composed.experiment}-{search.sweep.name}"
    root = main_workspace() / "mlruns" / "sweeps"
    with hold_study(root, name, start != "resume", search.sweep.storage) as folder:
        if start == "extend":
            yield extend(existing(root, name, folder.server), folder, search)
        with waiting("opening the study"):
            study = open_study(folder, search.definition(), search.directions)
        if adopt_as is not None:
            refuse_unadoptable(conf, composed, study, number)
        yield from run(search, study, folder)
        if adopt_as is not None:
            yield write_experiment(search, study, adopt_as, number)


def refuse_folds(composed: Composed, params: Params) -> None:
    """Refuse to search without a validation split.

    Raises:
        UserError: there are folds in its place; the message has the command that draws a split.
    """
    folds = composed.config["prepare"]["folds"]
    if folds is None:
        return
    drawn = {"prepare.folds": "null", "prepare.val": "0.2"}
    if composed.config["prepare"]["test"] is None:
        drawn["prepare.test"] = "0.2"
    raise UserError(
        f"prepare.folds={folds}: a sweep compares trials on a validation split; to draw one: "
        f"{rebuild_data(composed, params, drawn)} (leave prepare.test out if the data has a test split)"
    )


def run(search: Search, study: Study, folder: StudyFolder) -> list[Table | str]:
    """Run the missing trials of a study, as one MLflow run; return its summary."""
    key = InSweep(study.user_attrs[KEY], f"sweep {folder.name}")
    given = tuple(str(each.input_line) for each in search.composed.overrides)
    build = Build(search.composed.text, search.composed.whole, given)
    with readable(folder.kept):
        interrupted = trials.recover(study, folder.results)
        board = make_board(search, study, folder)
    if interrupted:
        numbers = ", ".join(map(str, interrupted))
        board.say(f"{folder.name}: an earlier sweep was killed; its trials {numbers} are resumed")
    git, data = git_state(Path.cwd()), data_hashes(Path.cwd(), DATA)
    info = RunInfo(build, "sweep", tracking_uri(), data, git, sweep=key)
    with workplace(search, folder.logs) as place, tracked_run(info) as tracked:
        supervisor = make_supervisor(search, study, folder, key, board, place)
        try:
            with board.shown(), first_ctrl_c_stops(supervisor):
                supervisor.run()
        except StorageInternalError as error:
            reason = one_line(error.__cause__ or error)[:200]
            raise SweepFailedError(f"{folder.kept}: cannot be written: {reason}") from None
        except Killed:
            board.say(f"{folder.name}: {board.progress()}; running trials are saved, the same command resumes them")
            raise
        with waiting("drawing the pictures"):
            summary, pictures = conclude(study, search.metrics, folder.pictures, folder.results)
        log(tracked, study, search.metrics, pictures)
        if supervisor.done < supervisor.plan.total:
            why = "" if supervisor.stop_requested else f" after {search.sweep.timeout:g} minutes"
            board.say(f"{folder.name}: {board.progress()}{why}; the same command resumes it")
            if supervisor.stop_requested:
                raise Killed(signal.SIGINT)
    return summary


def make_board(search: Search, study: Study, folder: StudyFolder) -> Board:
    """Return the board, with the trials that are done already."""
    maximize = search.directions[0] == "maximize" if len(search.metrics) == 1 else None
    board = Board(folder.name, search.metrics, maximize, search.sweep.trials, len(trials.done(study)))
    for best in trials.best(study):
        board.update_best(best.values[0], best.number)
    return board


def workplace(search: Search, logs: Path) -> AbstractContextManager[Workplace]:
    """Return where the workers run, as the section `cluster` says or the environment variable over it.

    Args:
        search: has the settings.
        logs: the folder of the workers' logs.

    Raises:
        UserError: the variable names no engine, there are too few GPUs, or, once it is entered, no cluster answers.
    """
    cluster = chosen(search.composed.outside[SECTION], search.conf)
    workers, training = search.sweep.workers, search.training
    if isinstance(cluster, Ray):
        from sprout.sweep.ray_workers import ray_workplace

        return ray_workplace(cluster.address, workers, training, logs)
    return nullcontext(local_workplace(workers, training, logs))


def make_supervisor(
    search: Search, study: Study, folder: StudyFolder, key: InSweep, board: Board, place: Workplace
) -> Supervisor:
    """Return the supervisor of a search."""
    settings = search.sweep
    study.pruner = make_pruner(settings.pruner, search.epochs)
    plan = SweepPlan(
        space=distributions(search.space),
        conditional=search.draw_conditional,
        sampler=lambda drawn: PowersOfTwo(
            make_sampler(
                settings.sampler, (settings.seed * 1_000_003 + drawn) % 2**32, settings.trials, settings.workers
            ),
            powers_of_two(search.space),
        ),
        spec=partial(search.spec, key, folder.results, place.threads),
        epochs=search.epochs_of,
        metric=search.metrics[0] if len(search.metrics) == 1 else None,
        workers=settings.workers,
        threads=place.threads,
        total=settings.trials,
        deadline=None if settings.timeout is None else time.monotonic() + 60 * settings.timeout,
    )
    return Supervisor(study, folder.results, plan, place.start, board)


@contextmanager
def first_ctrl_c_stops(supervisor: Supervisor) -> Iterator[None]:
    """Let the first Ctrl-C stop the start of trials; a second one, or another signal, ends the process."""

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, raise_killed)
        supervisor.stop()

    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:  # as of a job in the background
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def write_experiment(search: Search, study: Study, name: str, number: int | None) -> str:
    """Write the winner as an experiment; return the line that tells how to build it.

    Raises:
        UserError: there is no winner, or several, or the trial is not complete.
    """
    trial = winner(study, number)
    values = values_of_trial(trial, search.metrics)
    path = adopt(
        search.conf,
        name,
        search.config_of(trial.params, 0, trial.user_attrs[trials.THREADS]),
        f"Trial {trial.number} of the sweep {study.study_name}, {len(trials.done(study))} trials.",
        f"{values} on val, {search.sweep.seeds} seed{'s' if search.sweep.seeds > 1 else ''}",
    )
    return f"{path} builds it: {exp_run_file(name)}"
