"""A worker of a sweep: a process that imports once and runs trial after trial, as the supervisor tells it.

It speaks with the supervisor alone, over a socket that it is born with; it does not touch the study.
"""

import gc
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sprout.runtime.errors import Paused, Pruned, TrainingFailedError, UserError, one_line
from sprout.runtime.signals import die_with_parent, exit_codes
from sprout.sweep.channel import Message, ask, receive, send
from sprout.sweep.plan import TrialSpec
from sprout.sweep.results import keep_result
from sprout.tracking import all_sent

REASON = 500
"""Characters of a reason, at most."""


def main() -> None:
    """Run until the supervisor says no more, or is gone."""
    channel = Connection(int(sys.argv[1]))
    with exit_codes():
        die_with_parent()
        import_all()
        send(channel, {"say": "ready"})
        with all_sent():
            while (told := receive(channel)) is not None:
                send(channel, carry_out(channel, told))


def import_all() -> None:
    """Once, before the first trial; a signal is heard from before."""
    from sprout.engine import estimate, train_model
    from sprout.sweep import trial
    from sprout.tracking.connection import load_mlflow

    load_mlflow()
    del trial, estimate, train_model
    # What is imported stays: without this each trial's end would look through all of it for garbage, for 0.3 s.
    gc.freeze()


def carry_out(channel: "Connection[Any, Any]", told: Message) -> Message:
    """Run a trial; what became of it."""
    from sprout.sweep.trial import run_trial

    order = TrialSpec.from_dict(told["order"])
    print(f"trial {order.number}", file=sys.stderr, flush=True)

    def report(row: dict[str, float], epoch: int) -> Any:
        return ask(channel, {"say": "epoch", "epoch": epoch, "row": row})["answer"]

    try:
        result, trained = run_trial(order, report)
    except Paused:
        return {"say": "paused"}
    except Pruned:
        return {"say": "pruned"}
    except UserError as error:
        said = "failed" if isinstance(error, TrainingFailedError) else "refused"
        return {"say": said, "reason": one_line(error)[:REASON]}
    except Exception as error:
        traceback.print_exc()
        return {"say": "failed", "reason": f"{type(error).__name__}: {one_line(error)}"[:REASON]}
    finally:
        free_memory()
    # Before anyone is told: whoever dies next, it is not lost.
    keep_result(Path(order.results), order.number, result)
    return {"say": "complete", "trained": trained}


def free_memory() -> None:
    """The next trial may need all, also on the GPU."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
