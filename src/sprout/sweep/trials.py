"""The states of a study's trials: drawn, failed, tried again, done. Only the supervisor's process uses this."""

from pathlib import Path

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sprout.sweep.results import kept_result

REASON, ATTEMPT, RETRY_OF, EARLIER_REASON = "reason", "attempt", "retry_of", "earlier_reason"
"""User attributes of a trial: why it failed, which attempt at its settings it is, the number of the trial of the
previous attempt, and why that one failed."""
THREADS, REUSED = "threads", "reused"
"""Further ones: its CPU threads, without which its value cannot be reproduced; whether all of its trainings had been
run for other trials."""
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
INTERRUPTED = "the sweep was ended"
ATTEMPTS = 2


def count_drawn(study: Study) -> int:
    """Return how many trials have been drawn so far."""
    return sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def draw(study: Study, space: dict[str, BaseDistribution], sampler: BaseSampler, threads: int) -> Trial:
    """Return the next trial: one that is queued for another attempt, or a new draw."""
    study.sampler = sampler
    trial = study.ask(space)
    trial.set_user_attr(THREADS, threads)
    return trial


def fail(study: Study, trial: Trial, reason: str) -> bool:
    """Record that a trial failed. Its settings are queued for one more attempt, which resumes from its checkpoint.

    Returns:
        Whether there is another attempt.
    """
    attempt = trial.user_attrs.get(ATTEMPT, 1)
    trial.set_user_attr(REASON, reason)
    if attempt < ATTEMPTS:
        enqueue(study, trial.number, attempt + 1, reason)
    study.tell(trial, state=TrialState.FAIL)
    return bool(attempt < ATTEMPTS)


def refuse(study: Study, trial: Trial, reason: str) -> None:
    """Record that the settings of a trial do not fit one another; another attempt would end the same way."""
    trial.set_user_attr(ATTEMPT, ATTEMPTS)
    trial.set_user_attr(REASON, reason)
    study.tell(trial, state=TrialState.FAIL)


def interrupt(study: Study, results: Path, number: int) -> None:
    """Settle a trial that was running when the sweep ended: complete if its result is there, else queued again."""
    if (result := kept_result(results, number)) is not None:
        study.tell(number, result.values)
        return
    attributes = by_number(study, number).user_attrs
    attempt = attributes.get(ATTEMPT, 1)
    if REASON in attributes:  # killed while its failure was recorded
        attempt += 1
    # In this order: a kill between the two steps leaves a running trial, and `enqueue` never queues it twice.
    if attempt <= ATTEMPTS:
        enqueue(study, number, attempt, attributes.get(REASON, INTERRUPTED))
    study.tell(number, state=TrialState.FAIL)


def recover(study: Study, results: Path) -> list[int]:
    """Settle the trials that the study has as running; none is, as this process holds the study.

    Returns:
        Their numbers.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        interrupt(study, results, trial.number)
    return [trial.number for trial in running]


def enqueue(study: Study, number: int, attempt: int, reason: str) -> None:
    """Queue the settings of a trial for another attempt, unless that is done already."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    trial = by_number(study, number)
    # A trial that was killed while it was drawn lacks params; those it was queued with are fixed.
    params = trial.system_attrs.get("fixed_params", {}) | trial.params
    if params and not any(each.user_attrs.get(RETRY_OF) == number for each in waiting):
        study.enqueue_trial(params, {ATTEMPT: attempt, RETRY_OF: number, EARLIER_REASON: reason})


def by_number(study: Study, number: int) -> FrozenTrial:
    """Return the trial of a number."""
    return study.get_trials(deepcopy=False)[number]


def done(study: Study) -> list[FrozenTrial]:
    """Return the trials that count towards the total: complete or pruned."""
    return study.get_trials(deepcopy=False, states=DONE)


def best(study: Study) -> list[FrozenTrial]:
    """Return the best trial, the first of equals; with several objectives the Pareto front, by number."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    front = sorted(study.best_trials, key=lambda trial: trial.number)
    return front[:1] if len(study.directions) == 1 else front
