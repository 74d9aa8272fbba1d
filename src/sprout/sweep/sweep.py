"""`sprout sweep`: search settings of the current experiment, on data that the pipeline has prepared."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from types import FrameType

import optuna
from optuna.exceptions import StorageInternalError
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState
from rich.table import Table

from sprout.commands.train import STORES, refuse_other_data, refuse_without_effect
from sprout.config.compose import compose_config
from sprout.config.made_with import made_with
from sprout.config.workspace import Build, Params
from sprout.data.store import open_store
from sprout.runtime.errors import one_line
from sprout.runtime.signals import Killed, raise_killed
from sprout.sweep import trials
from sprout.sweep.adopt import adopt, refuse_unadoptable, winner
from sprout.sweep.board import Board
from sprout.sweep.conclusion import conclude
from sprout.sweep.plan import SweepPlan
from sprout.sweep.search import DATA, Search
from sprout.sweep.space import distributions
from sprout.sweep.strategies import make_pruner, make_sampler
from sprout.sweep.study import KEY, Place, held, open_study
from sprout.sweep.supervisor import Supervisor, SweepFailedError
from sprout.sweep.workers import Worker, shares_of_devices
from sprout.tracking import InSweep, Run, data_hashes, git_state, tracked_run, tracking_uri
from sprout.tracking.connection import workspace

TAKES = ("model", "train", "sweep")
"""The sections whose overrides a sweep takes."""


def sweep(
    conf: Path, params: Params, overrides: Sequence[str], *, fresh: bool, adopt_as: str | None, number: int | None
) -> Iterator[Table | str]:
    """Search until the total is reached, going on with the study that is there.

    Args:
        conf: the folder of config groups.
        params: what this workspace builds.
        overrides: changes for all trials, and of the section `sweep`.
        fresh: whether to begin a new study.
        adopt_as: the name of an experiment to write from the winner.
        number: of the trial that is the winner; None for the best one.

    Yields:
        what is to be said at the end.

    Raises:
        UserError: what was given does not fit.
        SweepFailedError: trial after trial failed.
        Killed: Ctrl-C, or another signal; what runs has been saved or has ended.
    """
    composed = compose_config(conf, params.experiment, [*params.overrides, *overrides])
    refuse_without_effect(composed, len(params.overrides), "sprout sweep", TAKES)
    refuse_other_data(composed, made_with(), params)
    for folder in STORES:
        open_store(Path(folder))
    search = Search(conf, composed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = f"{composed.experiment}-{search.sweep.name}"
    with held(workspace() / "mlruns" / "sweeps", name, fresh) as place:
        study = open_study(place, search.definition(), search.directions)
        if adopt_as is not None:
            refuse_unadoptable(conf, composed, study, number)
        yield from run(search, study, place)
        if adopt_as is not None:
            yield adopted(search, study, adopt_as, number)


def run(search: Search, study: Study, place: Place) -> list[Table | str]:
    """Run what is missing of a study, as one MLflow run, and sum it up."""
    key = InSweep(study.user_attrs[KEY], place.name)
    build = Build(search.composed.text, search.composed.whole)
    at_work, waited = trials.recover(study, place.results)
    board = board_of(search, study, place)
    if at_work or waited:
        parts = [f"trials {', '.join(map(str, at_work))} are taken up again"] if at_work else []
        parts += [f"{len(waited)} that waited are pruned"] if waited else []
        board.say(f"{place.name}: an earlier sweep was killed; {', '.join(parts)}")
    git, data = git_state(Path.cwd()), data_hashes(Path.cwd(), DATA)
    with tracked_run(build, "sweep", tracking_uri(), data=data, git=git, sweep=key) as tracked:
        supervisor = supervisor_of(search, study, place, key, board)
        try:
            with board.shown(), ends_softly(supervisor):
                supervisor.run()
        except StorageInternalError as error:
            reason = one_line(error.__cause__ or error)[:200]
            raise SweepFailedError(f"{place.database}: cannot be written any more: {reason}") from None
        except Killed:
            board.say(f"{place.name}: {board.standing()}; what ran is saved, the same command goes on")
            raise
        said, pictures = conclude(study, search.metrics, place.pictures, place.results)
        log(tracked, study, search.metrics, pictures)
        if supervisor.done < supervisor.terms.total:
            why = "" if supervisor.asked_to_end else f" after {search.sweep.timeout:g} minutes"
            board.say(f"{place.name}: {board.standing()}{why}; the same command goes on")
            if supervisor.asked_to_end:
                raise Killed(signal.SIGINT)
    return said


def board_of(search: Search, study: Study, place: Place) -> Board:
    """The board, with what is done already."""
    maximize = search.directions[0] == "maximize" if len(search.metrics) == 1 else None
    done = trials.done(study)
    board = Board(place.name, search.metrics, maximize, search.sweep.trials, len(done))
    for best in trials.best(study):
        board.note_best(best.values[0], best.number)
    return board


def supervisor_of(search: Search, study: Study, place: Place, key: InSweep, board: Board) -> Supervisor:
    """The supervisor, with all that it needs."""
    settings = search.sweep
    study.pruner = make_pruner(settings.pruner, search.epochs)
    devices = shares_of_devices(
        settings.workers, getattr(search.training, "accelerator", "cpu"), search.training.processes[0]
    )
    terms = SweepPlan(
        space=distributions(search.space),
        sampler=lambda drawn: make_sampler(
            settings.sampler, (settings.seed * 1_000_003 + drawn) % 2**32, settings.trials, settings.workers
        ),
        order=partial(search.order, key, place.results),
        epochs=search.epochs_of,
        metric=search.metrics[0] if len(search.metrics) == 1 else None,
        halving=settings.pruner == "successive_halving",
        workers=settings.workers,
        threads=search.threads,
        total=settings.trials,
        deadline=None if settings.timeout is None else time.monotonic() + 60 * settings.timeout,
    )
    return Supervisor(
        study,
        place.results,
        terms,
        lambda number: Worker(place.logs / f"worker-{number}.log", devices[number]),
        board,
    )


@contextmanager
def ends_softly(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C lets what runs end and begins nothing more; a second one, or another signal, ends all at once."""

    def soon(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, raise_killed)
        supervisor.end_soon()

    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:  # as of a job in the background
        signal.signal(signal.SIGINT, soon)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def log(tracked: Run, study: Study, metrics: list[str], pictures: list[Path]) -> None:
    """Give the sweep's run its pictures, its best values and the course of them."""
    for picture in pictures:
        tracked.log_artifact(picture, "pictures")
    done = trials.done(study)
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    if len(metrics) == 1:
        better = max if study.direction == StudyDirection.MAXIMIZE else min
        course = accumulate((trial.values[0] for trial in complete), better)
        for trial, best in zip(complete, course, strict=True):
            tracked.log_metrics({f"best_{metrics[0]}": best}, step=trial.number)
    tracked.log_metrics({"trials": len(done), "pruned": len(done) - len(complete)})


def adopted(search: Search, study: Study, name: str, number: int | None) -> str:
    """Write the winner as an experiment; what is said of it.

    Raises:
        UserError: there is no winner, or several, or that trial is not complete.
    """
    trial = winner(study, number)
    figures = ", ".join(f"{metric} {value:.5g}" for metric, value in zip(search.metrics, trial.values, strict=True))
    path = adopt(
        search.conf,
        name,
        search.config_of(trial.params, 0, trial.user_attrs[trials.THREADS]),
        f"Trial {trial.number} of the sweep {study.study_name}, {len(trials.done(study))} trials.",
        f"{figures} on val, {search.sweep.seeds} seed{'s' if search.sweep.seeds > 1 else ''}",
    )
    return f"{path} builds it: dvc exp run -S experiment={name}"
