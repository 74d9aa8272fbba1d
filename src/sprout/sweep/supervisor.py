"""The supervisor of a sweep: draws trials, gives them to workers, and notes what became of them.

It alone touches the study. Workers do not wait for one another, nor does it for any.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.study import Study, StudyDirection
from optuna.trial import Trial, TrialState

from sprout.runtime.errors import UserError
from sprout.sweep import trials
from sprout.sweep.board import Board
from sprout.sweep.channel import Message
from sprout.sweep.halving import leaders, next_past, rungs
from sprout.sweep.plan import SweepPlan, TrialSpec
from sprout.sweep.results import discard_checkpoints, kept_result
from sprout.sweep.workers import Worker, end_all, speaking

if TYPE_CHECKING:
    from sprout.engine.trial import Decision

FAILURES, REFUSALS = 5, 50
"""So many in a row, and one for each worker, are no chance: trials that failed, and settings that do not fit."""


class SweepFailedError(Exception):
    """Trial after trial fails; the message says why the last one did."""


class Supervisor:
    """One sweep, from where it stands to its total."""

    def __init__(
        self, study: Study, results: Path, terms: SweepPlan, start_worker: Callable[[int], Worker], board: Board
    ) -> None:
        """Take the parts of a sweep.

        Args:
            study: held by this process; nothing of it runs.
            results: the folder of results.
            terms: what it runs by.
            start_worker: starts the worker of that number.
            board: shows what happens.
        """
        self.study, self.results, self.terms, self.start_worker, self.board = study, results, terms, start_worker, board
        self.workers: dict[int, Worker] = {}
        self.running: dict[Worker, Trial] = {}
        self.paused: dict[int, Trial] = {}
        self.failures = self.refusals = 0
        self.asked_to_end = self.said_so = False
        self.done = len(trials.done(study))

    @property
    def maximize(self) -> bool:
        """Whether more is better, of one objective."""
        return self.study.direction == StudyDirection.MAXIMIZE

    def end_soon(self) -> None:
        """Begin no further trial; may be called from a signal's handler."""
        self.asked_to_end = True

    @property
    def ending(self) -> bool:
        """Whether what runs is the last."""
        return self.asked_to_end or (self.terms.deadline is not None and time.monotonic() > self.terms.deadline)

    @property
    def open(self) -> int:
        """How many more trials are to begin."""
        begun = self.done + len(self.running) + len(self.paused)
        return 0 if self.ending else max(0, self.terms.total - begun)

    @property
    def next_past(self) -> int | None:
        """The paused trial that is to go on."""
        if self.ending or not self.paused:
            return None
        return next_past(self.study.get_trials(deepcopy=False), self.paused, maximize=self.maximize)

    def run(self) -> None:
        """Go on until the total is reached or no more is to begin, and all that runs has ended.

        Raises:
            SweepFailedError: so many trials failed in a row that it cannot be chance.
        """
        try:
            while self.running or self.open or self.next_past is not None:
                self.assign()
                for worker in speaking(self.workers.values()):
                    self.listen(worker)
                if self.asked_to_end and not self.said_so:
                    self.said_so = True
                    self.board.say(
                        f"no more trials begin; waiting for {len(self.running)}; Ctrl-C again saves and ends them"
                    )
                self.board.show()
            for trial in self.paused.values():
                self.counted(trial, state=TrialState.PRUNED)
            if self.done >= self.terms.total:
                discard_checkpoints(self.results)
        finally:
            end_all(self.workers.values(), self.running)
            trials.recover(self.study, self.results)

    def assign(self) -> None:
        """Start workers where there are too few, and give trials to those that have none."""
        wanted = len(self.running) + self.open + (self.next_past is not None)
        for number in range(self.terms.workers):
            if number not in self.workers and len(self.workers) < wanted:
                self.workers[number] = self.start_worker(number)
        for worker in self.workers.values():
            while worker.ready and worker not in self.running:
                if (best := self.next_past) is not None:
                    self.take_up(worker, self.paused.pop(best))
                elif self.open:
                    self.begin(worker)
                else:
                    break

    def take_up(self, worker: Worker, trial: Trial) -> None:
        """Have a paused trial go on."""
        trial.set_user_attr(trials.PAUSED, False)
        self.give(worker, trial, self.terms.order(trial.number, trial.params))

    def begin(self, worker: Worker) -> None:
        """Draw a trial, and have it run."""
        sampler = self.terms.sampler(trials.asked(self.study))
        trial = trials.ask(self.study, self.terms.space, sampler, self.terms.threads)
        try:
            order = self.terms.order(trial.number, trial.params)
        except UserError as error:
            self.refused(trial, str(error))
            return
        self.give(worker, trial, order)

    def give(self, worker: Worker, trial: Trial, order: TrialSpec) -> None:
        """Have a trial run."""
        self.board.begun(trial)
        self.running[worker] = trial
        worker.tell({"order": order.as_dict()})

    def listen(self, worker: Worker) -> None:
        """Act on what a worker says, or on its death."""
        message = worker.hear()
        if message is None:
            self.lost(worker)
        elif message["say"] == "ready":
            worker.ready = True
        elif message["say"] == "epoch":
            worker.tell({"answer": self.answer(self.running[worker], message)})
        else:
            self.ended(self.running.pop(worker), message)

    def answer(self, trial: Trial, message: Message) -> "Decision":
        """Note an epoch's figures; what becomes of the trial."""
        epochs, most = message["epoch"] + 1, self.terms.epochs(trial.params)
        self.board.epoch(trial, epochs, most, message["row"])
        if self.terms.metric not in message["row"]:
            return "go"
        if epochs in trials.of_number(self.study, trial.number).intermediate_values:
            return "known"
        trial.report(message["row"][self.terms.metric], epochs)
        if epochs >= most:
            return "go"
        if not self.terms.halving:
            return "prune" if trial.should_prune() else "go"
        known = self.study.get_trials(deepcopy=False)
        waits = epochs in rungs(most) and trial.number not in leaders(known, epochs, maximize=self.maximize)
        return "pause" if waits else "go"

    def ended(self, trial: Trial, message: Message) -> None:
        """A worker says that its trial is over."""
        match message["say"]:
            case "complete":
                if not message["trained"]:
                    trial.set_user_attr(trials.AS_BEFORE, True)
                self.finished(trial)
            case "paused":
                trial.set_user_attr(trials.PAUSED, True)
                self.paused[trial.number] = trial
                self.board.paused(trial)
            case "pruned":
                self.counted(trial, state=TrialState.PRUNED)
            case "refused":
                self.refused(trial, message["reason"])
            case _:
                self.failed(trial, message["reason"])

    def finished(self, trial: Trial) -> None:
        """A trial's result lies there."""
        result = kept_result(self.results, trial.number)
        assert result is not None, "it is written before it is told"
        self.counted(trial, result.values)

    def counted(self, trial: Trial, values: list[float] | None = None, state: TrialState | None = None) -> None:
        """One more trial of the total."""
        self.study.tell(trial, values, state)
        self.done, self.failures, self.refusals = self.done + 1, 0, 0
        self.board.ended(trials.of_number(self.study, trial.number), self.done)

    def lost(self, worker: Worker) -> None:
        """A worker has died: another one takes its place."""
        number = next(number for number, each in self.workers.items() if each is worker)
        del self.workers[number]
        how = worker.bury()
        trial = self.running.pop(worker, None)
        if trial is None:
            self.note_failure(f"a worker ended {how} before its trial: {last_line(worker.log)}")
        elif kept_result(self.results, trial.number) is not None:
            self.finished(trial)
        else:
            self.failed(trial, f"its worker ended {how}")

    def failed(self, trial: Trial, reason: str) -> None:
        """A trial has failed; it is tried once more."""
        again = trials.fail(self.study, trial, reason)
        self.board.failed(trials.of_number(self.study, trial.number), reason, again)
        self.note_failure(f"trial {trial.number}: {reason}")

    def note_failure(self, reason: str) -> None:
        """One more failure in a row."""
        self.failures += 1
        if self.failures >= FAILURES + self.terms.workers:
            raise SweepFailedError(f"{self.failures} failures in a row, the last: {reason}")

    def refused(self, trial: Trial, reason: str) -> None:
        """The settings of a trial do not fit one another; others are drawn."""
        trials.refuse(self.study, trial, reason)
        self.board.failed(trials.of_number(self.study, trial.number), reason, again=False)
        self.refusals += 1
        if self.refusals >= REFUSALS + self.terms.workers:
            raise SweepFailedError(
                f"{self.refusals} trials in a row whose settings do not fit one another, the last: {reason}"
            )


def last_line(path: Path) -> str:
    """What a worker said last."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
