"""One trial in a worker: a training for each seed, in the worker itself or, on several devices, in ranks.

Rank 0 reports each epoch to the worker over a socket, and the worker reports it to the supervisor.
"""

import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Client, Listener
from pathlib import Path
from tempfile import TemporaryDirectory

from sprout.engine.checkpoints import only_one
from sprout.engine.tracked import train_beside
from sprout.runtime.errors import Pruned, TrainingFailedError, UserError
from sprout.runtime.files import read_json, write_json
from sprout.runtime.launch import rank, run_ranks
from sprout.runtime.run_context import Row
from sprout.runtime.signals import Killed, die_with_parent, whole_process
from sprout.sweep.messages import TrialSpec, ask, receive, send
from sprout.sweep.results import Result, checkpoints_of, kept_training
from sprout.tracking import all_sent
from sprout.tracking.trial import Decision, Report


def run_trial(spec: TrialSpec, report: Report) -> tuple[Result, int]:
    """Train once for each seed; a training whose result is known is not repeated.

    Args:
        spec: the trial.
        report: called after each epoch of the first seed; the trainings of further seeds are not pruned.

    Returns:
        The values of the objectives, and the number of trainings run.

    Raises:
        Pruned: the sweep has pruned the trial.
        TrainingFailedError: a training has failed.
        UserError: the settings do not fit the data.
    """
    results, values, trainings = Path(spec.results), [], 0
    for index, build in enumerate(spec.builds):
        with only_one(checkpoints_of(results, build)):  # two trials may have the same settings
            if kept_training(results, build) is None:
                train(spec, index, report if index == 0 else always_continue)
                trainings += 1
            known = kept_training(results, build)
        assert known is not None, "a training that has ended well keeps its values"
        values.append(known)
    return Result(values), trainings


def always_continue(row: Row, epoch: int) -> Decision:
    """Report of a training that is not pruned."""
    return "continue"


def train(spec: TrialSpec, index: int, report: Report) -> None:
    """Run the training of one seed."""
    with TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        if spec.devices == 1:
            train_beside(model, spec.build(index), "trial", spec.trial(index, report))
        else:
            train_as_ranks(spec, index, model, report)


def train_as_ranks(spec: TrialSpec, index: int, model: Path, report: Report) -> None:
    """Run the training of one seed on several devices, with one rank for each.

    Raises:
        Pruned: the sweep has pruned the trial.
        TrainingFailedError: a rank raised a `UserError`; its message is passed on.
        RuntimeError: a rank failed otherwise.
    """
    with TemporaryDirectory() as scratch, Listener(str(Path(scratch, "socket"))) as listener:
        task = Path(scratch, "task.json")
        write_json(task, {"trial": spec.as_dict(), "index": index, "model": str(model), "socket": listener.address})
        decisions: list[Decision] = []
        relay = threading.Thread(target=relay_reports, args=(listener, report, decisions), daemon=True)
        relay.start()
        try:
            code = run_ranks(spec.devices, ["-m", "sprout.sweep.run_trial", str(task)])
        except UserError as error:
            raise TrainingFailedError(str(error)) from None
        finally:
            Client(listener.address).close()  # ends the relay if rank 0 never connected
            relay.join()
    if decisions and decisions[-1] == "prune":
        raise Pruned(f"after epoch {len(decisions)}")
    if code:
        raise RuntimeError(f"its ranks ended with exit code {code}; the log of the worker has the reason")


def relay_reports(listener: Listener, report: Report, decisions: list[Decision]) -> None:
    """Pass the reports of rank 0 to the sweep and the decisions back, until rank 0 ends."""
    # A signal raises Killed in the main thread; here it only means that the supervisor has ended.
    with suppress(Killed), listener.accept() as channel:
        while (message := receive(channel)) is not None:
            decisions.append(report(message["row"], message["epoch"]))
            send(channel, {"decision": decisions[-1]})


def main() -> None:
    """Run one rank; its argument is the file of its task."""
    with whole_process():
        die_with_parent()
        task = read_json(Path(sys.argv[1]))
        spec, index = TrialSpec.from_dict(task["trial"]), task["index"]
        if rank() == 0:  # the only rank that reports
            channel = Client(task["socket"])

        def report(row: Row, epoch: int) -> Decision:
            decision: Decision = ask(channel, {"row": row, "epoch": epoch})["decision"]
            return decision

        with all_sent():
            train_beside(Path(task["model"]), spec.build(index), "trial", spec.trial(index, report))


if __name__ == "__main__":
    main()
