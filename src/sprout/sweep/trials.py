"""The trials of a study, from one draw to what became of it; only the supervisor comes here."""

from pathlib import Path

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sprout.sweep.results import kept_result

REASON, ATTEMPT, AGAIN, BEFORE = "reason", "attempt", "again", "before"
"""Attributes of a trial: why it failed; which attempt at its settings it is; the trial of the attempt before, and what
became of that."""
THREADS, REPEATS = "threads", "repeats"
"""Further ones: the CPU threads that it has, without which its value cannot be had again; the trial whose result it
has taken over."""
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
INTERRUPTED = "the sweep was ended"
ATTEMPTS = 2


def ask(study: Study, space: dict[str, BaseDistribution], sampler: BaseSampler, threads: int) -> Trial:
    """The next trial: one that waits to be tried again, or a new draw."""
    study.sampler = sampler
    trial = study.ask(space)
    trial.set_user_attr(THREADS, threads)
    return trial


def repeated(study: Study, trial: Trial) -> FrozenTrial | None:
    """A complete trial of the same settings: trained again, with the same seeds, it would come to the same."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((each for each in complete if each.params == trial.params), None)


def fail(study: Study, trial: Trial, reason: str) -> bool:
    """Note that a trial failed; its settings are tried once again, and go on where it left a checkpoint.

    Returns:
        whether they are.
    """
    attempt = trial.user_attrs.get(ATTEMPT, 1)
    trial.set_user_attr(REASON, reason)
    if attempt < ATTEMPTS:
        enqueue(study, trial.number, attempt + 1, reason)
    study.tell(trial, state=TrialState.FAIL)
    return bool(attempt < ATTEMPTS)


def interrupt(study: Study, results: Path, number: int) -> None:
    """A trial that ran when the sweep was ended: it counts if it had finished, else it begins again the next time."""
    if (result := kept_result(results, number)) is not None:
        study.tell(number, result.values)
        return
    # In this order: a kill between the two leaves it to be found, and it is enqueued once all the same.
    enqueue(study, number, of_number(study, number).user_attrs.get(ATTEMPT, 1), INTERRUPTED)
    study.tell(number, state=TrialState.FAIL)


def recover(study: Study, results: Path) -> list[int]:
    """Settle the trials that a killed sweep left running; nobody runs them, as this process holds the study.

    Returns:
        their numbers.
    """
    left = [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]
    for number in left:
        interrupt(study, results, number)
    return left


def enqueue(study: Study, number: int, attempt: int, before: str) -> None:
    """Have the settings of a trial tried again; once, however often this is said."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if not any(trial.user_attrs.get(AGAIN) == number for trial in waiting):
        attributes = {ATTEMPT: attempt, AGAIN: number, BEFORE: before}
        study.enqueue_trial(of_number(study, number).params, attributes)


def of_number(study: Study, number: int) -> FrozenTrial:
    """The trial of that number."""
    return study.get_trials(deepcopy=False)[number]


def done(study: Study) -> list[FrozenTrial]:
    """The trials that count: complete or pruned."""
    return study.get_trials(deepcopy=False, states=DONE)


def best(study: Study) -> list[FrozenTrial]:
    """The best trial; with several objectives, those that none beats in all, by number."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    return sorted(study.best_trials, key=lambda trial: trial.number)
