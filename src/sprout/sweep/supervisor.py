"""The supervisor of a sweep: draws trials, hands them to workers and records in the study how they end.

It is the only process that touches the study. No worker waits for another.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import Trial, TrialState

from sprout.runtime.errors import UserError
from sprout.sweep import trials
from sprout.sweep.board import Board
from sprout.sweep.messages import Message, TrialSpec
from sprout.sweep.results import discard_checkpoints, kept_result
from sprout.sweep.workers import Worker, end_workers, wait_for_messages

if TYPE_CHECKING:
    from sprout.tracking.trial import Decision

MAX_FAILURES, MAX_REFUSALS = 5, 50
"""Consecutive failed trials, and consecutive trials whose settings do not fit one another, that a sweep survives; one
more for each further worker."""


class SweepFailedError(Exception):
    """The sweep cannot continue, such as after too many failures in a row; the message has the last reason."""


@dataclass(frozen=True)
class SweepPlan:
    """How a sweep runs."""

    space: dict[str, BaseDistribution]
    """The parameters without a condition."""
    conditional: Callable[[Trial], None]
    """Draws the others; raises `UserError` where the settings drawn so far do not fit one another."""
    sampler: Callable[[int], BaseSampler]
    """Returns the sampler of a draw, from the number of earlier draws."""
    spec: Callable[[int, dict[str, Any]], TrialSpec]
    """Returns what a worker is sent, from a trial's number and params; raises `UserError` where these do not fit."""
    epochs: Callable[[dict[str, Any]], int]
    """Returns the epochs of a full training, from a trial's params."""
    metric: str | None
    """The objective that trials are pruned by; None if there are several."""
    workers: int
    """Trials that run at the same time, at most."""
    threads: int
    """CPU threads of each process of a trial."""
    total: int
    """Trials to complete or prune, including those of earlier runs."""
    deadline: float | None
    """No trial starts after this time of the monotonic clock."""


class Supervisor:
    """Runs a sweep until its total is reached."""

    def __init__(
        self, study: Study, results: Path, plan: SweepPlan, start_worker: Callable[[int], Worker], board: Board
    ) -> None:
        """Create a supervisor.

        Args:
            study: held by this process; none of its trials is running.
            results: the folder of results.
            plan: how the sweep runs.
            start_worker: starts the worker of a number.
            board: shows the progress.
        """
        self.study, self.results, self.plan, self.start_worker, self.board = study, results, plan, start_worker, board
        self.workers: dict[int, Worker] = {}
        self.running: dict[Worker, Trial] = {}
        self.failures = self.refusals = 0
        self.stop_requested = self.stop_announced = False
        self.done = len(trials.done(study))

    def stop(self) -> None:
        """Start no further trial; may be called from a signal handler."""
        self.stop_requested = True

    @property
    def to_start(self) -> int:
        """How many more trials are to start."""
        late = self.plan.deadline is not None and time.monotonic() > self.plan.deadline
        if self.stop_requested or late:
            return 0
        return max(0, self.plan.total - self.done - len(self.running))

    def run(self) -> None:
        """Run trials until the total is reached, or no more are to start and the running ones have ended.

        Raises:
            SweepFailedError: too many trials failed in a row.
        """
        try:
            while self.running or self.to_start:
                self.assign()
                for worker in wait_for_messages(self.workers.values()):
                    self.handle(worker, worker.receive())
                if self.stop_requested and not self.stop_announced:
                    self.stop_announced = True
                    self.board.say(
                        f"no more trials start; waiting for {len(self.running)}; Ctrl-C again saves and ends them"
                    )
                self.show()
            if self.done >= self.plan.total:
                discard_checkpoints(self.results)
        finally:
            self.board.waiting = []
            end_workers(self.workers.values(), self.running)
            trials.recover(self.study, self.results)

    def show(self) -> None:
        """Show what the trials and the workers do."""
        self.board.waiting = [
            f"worker {number} is waiting for {worker.waits_for}"
            for number, worker in self.workers.items()
            if worker.waits_for is not None
        ]
        self.board.show()

    def assign(self) -> None:
        """Start missing workers and give each idle one a trial."""
        needed = len(self.running) + self.to_start
        for number in range(self.plan.workers):
            if number not in self.workers and len(self.workers) < needed:
                self.workers[number] = self.start_worker(number)
        for worker in self.workers.values():
            while worker.ready and worker not in self.running and self.to_start:
                self.start_trial(worker)

    def start_trial(self, worker: Worker) -> None:
        """Draw a trial and send it to a worker."""
        sampler = self.plan.sampler(trials.count_drawn(self.study))
        trial = trials.draw(self.study, self.plan.space, sampler, self.plan.threads)
        try:
            self.plan.conditional(trial)
            spec = self.plan.spec(trial.number, trial.params)
        except UserError as error:
            self.refused(trial, str(error))
            return
        self.board.started(trial)
        self.running[worker] = trial
        worker.send({"trial": spec.as_dict()})

    def handle(self, worker: Worker, message: Message | None) -> None:
        """Act on a worker's message; None is its death."""
        if message is None:
            self.worker_died(worker)
        elif message["event"] == "ready":
            worker.ready = True
        elif message["event"] == "epoch":
            worker.send({"decision": self.decide(self.running[worker], message)})
        else:
            self.trial_ended(self.running.pop(worker), message)

    def decide(self, trial: Trial, message: Message) -> "Decision":
        """Record the metrics of an epoch; return whether the trial continues."""
        epochs, last = message["epoch"], self.plan.epochs(trial.params)
        self.board.epoch(trial, epochs, last, message["row"])
        if self.plan.metric not in message["row"]:
            return "continue"
        trial.report(message["row"][self.plan.metric], epochs)
        return "prune" if epochs < last and trial.should_prune() else "continue"

    def trial_ended(self, trial: Trial, message: Message) -> None:
        """Record how a trial ended."""
        match message["event"]:
            case "complete":
                if not message["trainings"]:
                    trial.set_user_attr(trials.REUSED, True)
                self.completed(trial)
            case "pruned":
                self.count(trial, state=TrialState.PRUNED)
            case "refused":
                self.refused(trial, message["reason"])
            case _:
                self.failed(trial, message["reason"])

    def completed(self, trial: Trial) -> None:
        """Record the result that a worker has written."""
        result = kept_result(self.results, trial.number)
        assert result is not None, "a worker writes it before it reports"
        self.count(trial, result.values)

    def count(self, trial: Trial, values: list[float] | None = None, state: TrialState | None = None) -> None:
        """Count a trial towards the total."""
        self.study.tell(trial, values, state)
        self.done, self.failures, self.refusals = self.done + 1, 0, 0
        self.board.ended(trials.by_number(self.study, trial.number), self.done)

    def worker_died(self, worker: Worker) -> None:
        """Settle the trial of a worker that has died; `assign` starts another worker."""
        number = next(number for number, each in self.workers.items() if each is worker)
        del self.workers[number]
        how = worker.wait()
        trial = self.running.pop(worker, None)
        if trial is None:
            self.count_failure(f"a worker ended {how} before its trial: {last_line(worker.log)}")
        elif kept_result(self.results, trial.number) is not None:
            self.completed(trial)
        else:
            self.failed(trial, f"its worker ended {how}")

    def failed(self, trial: Trial, reason: str) -> None:
        """Record that a trial failed; its settings are tried once more."""
        again = trials.fail(self.study, trial, reason)
        self.board.failed(trials.by_number(self.study, trial.number), reason, again)
        self.count_failure(f"trial {trial.number}: {reason}")

    def count_failure(self, reason: str) -> None:
        """Count one more failure in a row."""
        self.failures += 1
        if self.failures >= MAX_FAILURES + self.plan.workers:
            raise SweepFailedError(f"{self.failures} failures in a row, the last: {reason}")

    def refused(self, trial: Trial, reason: str) -> None:
        """Record that the settings of a trial do not fit one another; others are drawn instead."""
        trials.refuse(self.study, trial, reason)
        self.board.failed(trials.by_number(self.study, trial.number), reason, again=False)
        self.refusals += 1
        if self.refusals >= MAX_REFUSALS + self.plan.workers:
            raise SweepFailedError(
                f"{self.refusals} trials in a row whose settings do not fit one another, the last: {reason}"
            )


def last_line(path: Path) -> str:
    """Return the last line that is not empty of a worker's log."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
