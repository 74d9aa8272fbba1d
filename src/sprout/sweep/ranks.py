"""A trial on several devices: a process for each, which torchrun starts, and the first one reports to the worker."""

import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Client, Listener
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sprout.commands.train import train_beside
from sprout.engine.trial import Decision, Report
from sprout.runtime.errors import Paused, Pruned, TrainingFailedError, UserError
from sprout.runtime.files import read_json, write_json
from sprout.runtime.launch import rank, run_ranks
from sprout.runtime.signals import Killed, die_with_parent, exit_codes
from sprout.sweep.channel import ask, receive, send
from sprout.sweep.plan import TrialSpec
from sprout.tracking import all_sent

LEFT = {"pause": Paused, "prune": Pruned}


def train_as_ranks(order: TrialSpec, index: int, model: Path, report: Report) -> None:
    """Train the model of one seed.

    Raises:
        Paused, Pruned: the sweep has left it.
        TrainingFailedError: what the first process to fail said.
        RuntimeError: they ended otherwise.
    """
    with TemporaryDirectory() as scratch, Listener(str(Path(scratch, "socket"))) as listener:
        place = Path(scratch, "order.json")
        write_json(place, {"order": order.as_dict(), "index": index, "model": str(model), "socket": listener.address})
        answers: list[Decision] = []
        reporter = threading.Thread(target=pass_on, args=(listener, report, answers), daemon=True)
        reporter.start()
        try:
            code = run_ranks(order.devices, ["-m", "sprout.sweep.ranks", str(place)])
        except UserError as error:
            raise TrainingFailedError(str(error)) from None
        finally:
            Client(listener.address).close()  # where no process came so far as to call
            reporter.join()
    if answers and answers[-1] in LEFT:
        raise LEFT[answers[-1]](f"after epoch {len(answers)}")
    if code:
        raise RuntimeError(f"its processes ended with {code}; the worker's log says why")


def pass_on(listener: Listener, report: Report, answers: list[Decision]) -> None:
    """Pass on what the first process reports, and what the sweep says to it, until that process ends."""
    # Killed is for the main thread, which a signal will reach.
    with suppress(Killed), listener.accept() as channel:
        while (told := receive(channel)) is not None:
            answers.append(report(told["row"], told["epoch"]))
            send(channel, {"answer": answers[-1]})


def main() -> None:
    """One of the processes."""
    with exit_codes():
        die_with_parent()
        given = read_json(Path(sys.argv[1]))
        order = TrialSpec.from_dict(given["order"])
        if rank() == 0:
            channel = Client(given["socket"])

        def report(row: dict[str, float], epoch: int) -> Any:
            return ask(channel, {"row": row, "epoch": epoch})["answer"]

        # Only the first process is asked to report.
        with all_sent():
            train_beside(
                Path(given["model"]), order.build(given["index"]), "trial", order.trial(given["index"], report)
            )


if __name__ == "__main__":
    main()
