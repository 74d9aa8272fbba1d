"""The supervisor, with workers that are threads of this test and send the messages of real ones."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.study import Study

from sprout.runtime.errors import UserError
from sprout.sweep import workers
from sprout.sweep.board import Board
from sprout.sweep.messages import TrialSpec, receive, send
from sprout.sweep.results import Result, keep_result
from sprout.sweep.strategies import make_pruner
from sprout.sweep.supervisor import MAX_FAILURES, MAX_REFUSALS, Supervisor, SweepFailedError, SweepPlan
from sprout.tracking import InSweep

EPOCHS = 4
Play = Callable[["Stage", int], dict[str, Any] | None]
"""What a worker does with the trial of that number; None is its death."""


class Stage:
    """What a worker of this test can do."""

    def __init__(self, channel: Connection, results: Path) -> None:
        self.channel, self.results = channel, results

    def epoch(self, epoch: int, value: float) -> str | None:
        """Report an epoch, counted from 0 here."""
        send(self.channel, {"event": "epoch", "epoch": epoch + 1, "row": {"val_loss": 1.0, "val_accuracy": value}})
        answer = receive(self.channel)
        return answer and answer["decision"]

    def complete(self, number: int, value: float) -> dict[str, Any]:
        keep_result(self.results, number, Result([[value]]))
        return {"event": "complete", "trainings": 1}


class Played(workers.Worker):
    """A worker whose process is a thread."""

    def __init__(self, play: Play, results: Path, log: Path) -> None:
        self.channel, theirs = Pipe()
        self.log, self.ready, self.waits_for = log, False, None
        threading.Thread(target=self.work, args=(play, theirs, results), daemon=True).start()

    def work(self, play: Play, channel: Connection, results: Path) -> None:
        with channel, suppress(OSError):  # the supervisor has ended it
            send(channel, {"event": "ready"})
            while (message := receive(channel)) is not None:
                event = play(Stage(channel, results), TrialSpec.from_dict(message["trial"]).number)
                if event is None:
                    break
                send(channel, event)

    def has_ended(self) -> bool:
        return False

    def terminate(self) -> None:
        self.channel.close()

    def wait(self) -> str:
        self.channel.close()
        return "by SIGKILL"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(storage=RDBStorage(f"sqlite:///{tmp_path}/study.db"), directions=["maximize"])


def supervisor(study: Study, results: Path, play: Play, **changes: Any) -> Supervisor:
    results.mkdir(exist_ok=True)

    def spec(number: int, params: dict[str, Any]) -> TrialSpec:
        return TrialSpec(number, ["{}"], [], 1, ["val_accuracy"], InSweep("key", "name"), str(results))

    board = changes.pop("board", Board("s", ["val_accuracy"], True, 6, 0))
    start_worker = changes.pop("start_worker", lambda number: Played(play, results, results / f"{number}.log"))
    given: dict[str, Any] = {
        "space": {"train.lr": FloatDistribution(0.0, 1.0)},
        "conditional": lambda trial: None,
        "sampler": lambda number: RandomSampler(seed=number),
        "spec": spec,
        "workers": 2,
        "threads": 1,
        "total": 6,
        "epochs": lambda params: EPOCHS,
        "metric": "val_accuracy",
        "deadline": None,
    }
    return Supervisor(study, results, SweepPlan(**(given | changes)), start_worker, board)


def count(study: Study) -> dict[str, int]:
    states = [trial.state.name for trial in study.trials]
    return {state: states.count(state) for state in sorted(set(states))}


def well(stage: Stage, number: int) -> dict[str, Any]:
    for epoch in range(EPOCHS):
        assert stage.epoch(epoch, 0.5) == "continue"
    return stage.complete(number, number / 10)


def test_it_ends_with_the_total(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor(study, tmp_path / "results", well).run()
    assert count(study) == {"COMPLETE": 6}
    assert study.best_value == 0.5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert "6 of 6, best 0.5 (trial 5)" in lines[-1]


def test_it_resumes_to_a_total(study: Study, tmp_path: Path) -> None:
    supervisor(study, tmp_path / "results", well, total=2).run()
    supervisor(study, tmp_path / "results", well, total=5).run()
    supervisor(study, tmp_path / "results", well, total=5).run()
    assert count(study) == {"COMPLETE": 5}


def test_no_trial_waits_for_another(study: Study, tmp_path: Path) -> None:
    """The first trial ends when all others have."""
    others = threading.Event()

    def play(stage: Stage, number: int) -> dict[str, Any]:
        if number == 0:
            assert others.wait(60)
        elif number == 5:
            others.set()
        return stage.complete(number, 0.1)

    supervisor(study, tmp_path / "results", play).run()
    assert count(study) == {"COMPLETE": 6}


def test_the_bad_are_pruned_and_count(study: Study, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []

    def play(stage: Stage, number: int) -> dict[str, Any]:
        for epoch in range(EPOCHS):
            if stage.epoch(epoch, 1.0 - number / 10) == "prune":
                said.append((number, epoch))
                return {"event": "pruned"}
        return stage.complete(number, 1.0 - number / 10)

    study.pruner = make_pruner("successive_halving", EPOCHS)
    supervisor(study, tmp_path / "results", play, workers=1).run()
    assert count(study) == {"COMPLETE": 1, "PRUNED": 5}
    assert said == [(number, 0) for number in range(1, 6)]


def test_a_retried_trial_reports_each_epoch_once(study: Study, tmp_path: Path) -> None:
    """Its worker dies after two epochs; the next attempt resumes, and reports these again as epochs of its own."""

    def play(stage: Stage, number: int) -> dict[str, Any] | None:
        for epoch in range(2 if number == 0 else EPOCHS):
            assert stage.epoch(epoch, 0.5) == "continue"
        return None if number == 0 else stage.complete(number, 0.5)

    supervisor(study, tmp_path / "results", play, workers=1, total=1).run()
    first, second = study.trials
    assert (first.state.name, list(first.intermediate_values)) == ("FAIL", [1, 2])
    assert (second.state.name, list(second.intermediate_values)) == ("COMPLETE", [1, 2, 3, 4])
    assert second.params == first.params


def test_a_trial_is_not_pruned_after_its_last_epoch(study: Study, tmp_path: Path) -> None:
    study.pruner = make_pruner("median", 1)

    def play(stage: Stage, number: int) -> dict[str, Any]:
        assert stage.epoch(0, -number) == "continue"
        return stage.complete(number, -number)

    supervisor(study, tmp_path / "results", play, epochs=lambda params: 1).run()
    assert count(study) == {"COMPLETE": 6}


def test_a_worker_that_dies_costs_one_trial(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def play(stage: Stage, number: int) -> dict[str, Any] | None:
        return None if number in (1, 4) else stage.complete(number, 0.1)

    supervisor(study, tmp_path / "results", play).run()
    assert count(study) == {"COMPLETE": 6, "FAIL": 2}
    assert study.trials[1].user_attrs["reason"] == "its worker ended by SIGKILL"
    assert "trial 1 failed" in capsys.readouterr().err


def test_what_a_worker_finished_before_it_died_is_not_lost(study: Study, tmp_path: Path) -> None:
    def play(stage: Stage, number: int) -> dict[str, Any] | None:
        stage.complete(number, 0.25)
        return None

    supervisor(study, tmp_path / "results", play).run()
    assert count(study) == {"COMPLETE": 6}


def test_too_many_failures_in_a_row_end_the_sweep(study: Study, tmp_path: Path) -> None:
    def play(stage: Stage, number: int) -> dict[str, Any]:
        return {"event": "failed", "reason": "no such luck"}

    with pytest.raises(SweepFailedError, match=rf"^{MAX_FAILURES + 1} failures .* trial \d+: no such luck"):
        supervisor(study, tmp_path / "results", play, workers=1).run()
    assert count(study)["FAIL"] == MAX_FAILURES + 1
    assert "RUNNING" not in count(study)


def test_failures_with_successes_between_do_not_end_it(study: Study, tmp_path: Path) -> None:
    def play(stage: Stage, number: int) -> dict[str, Any]:
        return {"event": "failed", "reason": "odd"} if number % 2 else stage.complete(number, 0.1)

    supervisor(study, tmp_path / "results", play, total=12, workers=1).run()
    assert count(study)["COMPLETE"] == 12
    assert count(study)["FAIL"] > MAX_FAILURES


def test_workers_that_never_start_end_the_sweep(study: Study, tmp_path: Path) -> None:
    def start(number: int) -> workers.Worker:
        worker = Played(well, tmp_path, tmp_path / "log")
        worker.log.write_text("one\nImportError: no torch\n")
        worker.channel.close()
        worker.channel, theirs = Pipe()
        theirs.close()
        return worker

    with pytest.raises(SweepFailedError, match=r"SIGKILL .*: ImportError: no torch"):
        supervisor(study, tmp_path / "results", well, start_worker=start).run()
    assert count(study) == {}


def test_settings_that_do_not_fit_one_another_are_not_tried_again(study: Study, tmp_path: Path) -> None:
    """Also many of them, with others between."""

    def spec(number: int, params: dict[str, Any]) -> TrialSpec:
        if number % 10 and number < 40:
            raise UserError("model.kernel=4: is even")
        return TrialSpec(number, ["{}"], [], 1, ["val_accuracy"], InSweep("key", "name"), str(tmp_path / "results"))

    supervisor(study, tmp_path / "results", well, spec=spec).run()
    assert count(study) == {"COMPLETE": 6, "FAIL": 36}
    assert study.trials[1].user_attrs["reason"] == "model.kernel=4: is even"


def test_settings_that_never_fit_one_another_end_the_sweep(study: Study, tmp_path: Path) -> None:
    def play(stage: Stage, number: int) -> dict[str, Any]:
        return {"event": "refused", "reason": "the images are too small"}

    with pytest.raises(SweepFailedError, match=rf"^{MAX_REFUSALS + 1} trials .*: the images are too small"):
        supervisor(study, tmp_path / "results", play, workers=1).run()
    assert count(study) == {"FAIL": MAX_REFUSALS + 1}


def test_a_trial_of_fewer_epochs_is_not_pruned_after_its_last(study: Study, tmp_path: Path) -> None:
    study.pruner = make_pruner("median", EPOCHS)

    def play(stage: Stage, number: int) -> dict[str, Any]:
        assert stage.epoch(0, 0.5) == "continue"
        assert stage.epoch(1, -number) == "continue"
        return stage.complete(number, -number)

    supervisor(study, tmp_path / "results", play, epochs=lambda params: 2).run()
    assert count(study) == {"COMPLETE": 6}


def test_no_more_workers_start_than_there_are_trials(study: Study, tmp_path: Path) -> None:
    """The first one dies when all trials have started; it is not replaced."""
    started: list[int] = []
    died = threading.Event()

    def play(stage: Stage, number: int) -> dict[str, Any] | None:
        if number == 0:
            stage.complete(number, 0.1)
            died.set()
            return None
        assert died.wait(60)
        time.sleep(1.0)
        return stage.complete(number, 0.1)

    def start(number: int) -> workers.Worker:
        started.append(number)
        return Played(play, tmp_path / "results", tmp_path / "log")

    supervisor(study, tmp_path / "results", play, start_worker=start, workers=4, total=2).run()
    assert count(study) == {"COMPLETE": 2}
    assert sorted(started) == [0, 1]


class Waiting(Played):
    """A worker that never gets what it needs."""

    def __init__(self, log: Path) -> None:
        self.channel, self.far = Pipe()
        self.log, self.ready, self.waits_for = log, False, "a slot (2 CPUs)"


def test_trials_go_on_while_a_worker_waits_for_a_slot(study: Study, tmp_path: Path) -> None:
    shown: list[str] = []

    class Watched(Board):
        def show(self) -> None:
            shown.append(self.running())

    def start(number: int) -> workers.Worker:
        return Waiting(tmp_path / "1.log") if number else Played(well, tmp_path / "results", tmp_path / "0.log")

    board = Watched("s", ["val_accuracy"], True, 6, 0)
    supervisor(study, tmp_path / "results", well, start_worker=start, board=board).run()
    assert count(study) == {"COMPLETE": 6}
    assert any("trial 0 epoch" in line and ", worker 1 is waiting for a slot (2 CPUs); " in line for line in shown)
    assert board.waiting == []


def test_a_sweep_whose_workers_wait_for_a_slot_stops_at_once(study: Study, tmp_path: Path) -> None:
    searching = supervisor(
        study, tmp_path / "results", well, start_worker=lambda number: Waiting(tmp_path / f"{number}.log")
    )
    threading.Timer(1.0, searching.stop).start()
    began = time.monotonic()
    searching.run()
    assert time.monotonic() - began < 20
    assert count(study) == {}


def test_a_stopped_sweep_waits_for_running_trials(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = threading.Barrier(3)

    def play(stage: Stage, number: int) -> dict[str, Any]:
        both.wait(60)
        time.sleep(2.0)
        return stage.complete(number, 0.1)

    searching = supervisor(study, tmp_path / "results", play)

    def ask_to_end() -> None:
        both.wait(60)
        searching.stop()

    threading.Thread(target=ask_to_end).start()
    searching.run()
    assert count(study) == {"COMPLETE": 2}
    assert "waiting for 2" in capsys.readouterr().err


def test_an_error_leaves_nothing_running(study: Study, tmp_path: Path) -> None:
    def play(stage: Stage, number: int) -> dict[str, Any] | None:
        if number == 1:
            return stage.complete(number, 0.1)
        receive(stage.channel)  # never ends, as far as the sweep knows
        return None

    class Broken(Board):
        def ended(self, *args: Any) -> None:
            raise OSError("no terminal")

    board = Broken("s", ["val_accuracy"], True, 6, 0)
    with pytest.raises(OSError, match="no terminal"):
        supervisor(study, tmp_path / "results", play, board=board).run()
    assert count(study) == {"COMPLETE": 1, "FAIL": 1, "WAITING": 1}


def test_no_trial_starts_after_the_deadline(study: Study, tmp_path: Path) -> None:
    supervisor(study, tmp_path / "results", well, deadline=time.monotonic() - 1).run()
    assert count(study) == {}


def test_a_trial_spec_survives_json() -> None:
    spec = TrialSpec(3, ["a: 1\n", "b: [x, 'é']\n"], ["a=1"], 2, ["val_loss"], InSweep("k", "n"), "results")
    assert TrialSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    assert spec.build(1).config == {"b": ["x", "é"]}


def test_a_retry_has_the_checkpoints_of_the_attempt_before(tmp_path: Path) -> None:
    """They belong to the settings and the seed, whatever the number of the trial."""

    def checkpoints(number: int, index: int) -> Path:
        spec = TrialSpec(number, ["a: 1\n", "a: 2\n"], [], 1, ["val_loss"], InSweep("k", "n"), str(tmp_path))
        return spec.trial(index, lambda row, epoch: "continue").checkpoints

    assert checkpoints(3, 0) == checkpoints(4, 0) != checkpoints(3, 1)
