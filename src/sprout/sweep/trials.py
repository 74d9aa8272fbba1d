"""The trials of a study, from one draw to what became of it; only the supervisor comes here."""

from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sprout.sweep.results import kept_result

REASON, ATTEMPT, RETRY_OF, EARLIER_REASON = "reason", "attempt", "retry_of", "earlier_reason"
"""Attributes of a trial: why it failed; which attempt at its settings it is; the trial of the attempt before, and why
that failed."""
THREADS, AS_BEFORE, PAUSED = "threads", "as_before", "paused"
"""Further ones: the CPU threads that it has, without which its value cannot be had again; whether its trainings had
all been done for other trials; whether it waits at a rung."""
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
INTERRUPTED = "the sweep was ended"
ATTEMPTS = 2


def asked(study: Study) -> int:
    """How many trials have been drawn so far."""
    return sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def ask(study: Study, space: dict[str, BaseDistribution], sampler: BaseSampler, threads: int) -> Trial:
    """The next trial: one that waits to be tried again, or a new draw."""
    study.sampler = sampler
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if not waiting and isinstance(sampler, TPESampler) and len(study.directions) == 1:
        study.enqueue_trial(estimated(study, space, sampler))
    trial = study.ask(space)
    trial.set_user_attr(THREADS, threads)
    return trial


def estimated(study: Study, space: dict[str, BaseDistribution], sampler: TPESampler) -> dict[str, Any]:
    """What the estimator draws if it takes trials that run or wait at a rung for pruned ones, as far as they have come.

    It would pass over the values that they have so far, and draw by chance until trials have ended, which with
    successive halving are few.
    """
    seen = optuna.create_study(direction=study.direction, sampler=sampler)
    for trial in study.get_trials(deepcopy=False, states=(*DONE, TrialState.RUNNING)):
        seen.add_trial(
            create_trial(
                state=TrialState.COMPLETE if trial.state == TrialState.COMPLETE else TrialState.PRUNED,
                value=trial.value if trial.state == TrialState.COMPLETE else None,
                params=trial.params,
                distributions=trial.distributions,
                intermediate_values=trial.intermediate_values,
            )
        )
    return seen.ask(space).params


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


def refuse(study: Study, trial: Trial, reason: str) -> None:
    """Note that settings do not fit one another; another try would come to the same."""
    trial.set_user_attr(ATTEMPT, ATTEMPTS)
    trial.set_user_attr(REASON, reason)
    study.tell(trial, state=TrialState.FAIL)


def interrupt(study: Study, results: Path, number: int) -> None:
    """A trial that ran when the sweep was ended: it counts if it had finished, else it begins again the next time.

    One that was waiting at a rung is pruned: others were better.
    """
    if (result := kept_result(results, number)) is not None:
        study.tell(number, result.values)
        return
    had = of_number(study, number).user_attrs
    if had.get(PAUSED):
        study.tell(number, state=TrialState.PRUNED)
        return
    attempt = had.get(ATTEMPT, 1)
    if REASON in had:  # killed while its failure was noted
        attempt += 1
    # In this order: a kill between the two leaves it to be found, and it is enqueued once all the same.
    if attempt <= ATTEMPTS:
        enqueue(study, number, attempt, had.get(REASON, INTERRUPTED))
    study.tell(number, state=TrialState.FAIL)


def recover(study: Study, results: Path) -> tuple[list[int], list[int]]:
    """Settle the trials that are running on paper: nobody runs them, as this process holds the study.

    Returns:
        the numbers of those that were at work, and of those that waited at a rung.
    """
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        interrupt(study, results, trial.number)
    waited = [trial.number for trial in left if trial.user_attrs.get(PAUSED)]
    return [trial.number for trial in left if trial.number not in waited], waited


def enqueue(study: Study, number: int, attempt: int, reason: str) -> None:
    """Have the settings of a trial tried again; once, however often this is said."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    trial = of_number(study, number)
    # One that was killed while it was drawn has not all its params; what it was to have, it shall have.
    params = trial.system_attrs.get("fixed_params", {}) | trial.params
    if params and not any(each.user_attrs.get(RETRY_OF) == number for each in waiting):
        study.enqueue_trial(params, {ATTEMPT: attempt, RETRY_OF: number, EARLIER_REASON: reason})


def of_number(study: Study, number: int) -> FrozenTrial:
    """The trial of that number."""
    return study.get_trials(deepcopy=False)[number]


def done(study: Study) -> list[FrozenTrial]:
    """The trials that count: complete or pruned."""
    return study.get_trials(deepcopy=False, states=DONE)


def best(study: Study) -> list[FrozenTrial]:
    """The best trial, the first of several; with several objectives, those that none beats in all, by number."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    found = sorted(study.best_trials, key=lambda trial: trial.number)
    return found[:1] if len(study.directions) == 1 else found
