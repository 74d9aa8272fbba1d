"""The process of a worker: it imports everything once and then runs the trials that the supervisor sends.

It talks to the supervisor over a socket that it inherits, and never touches the study.
"""

import gc
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sprout.runtime.errors import Pruned, TrainingFailedError, UserError, one_line
from sprout.runtime.signals import die_with_parent, whole_process
from sprout.sweep.messages import Message, TrialSpec, ask, receive, send
from sprout.sweep.results import keep_result
from sprout.tracking import all_sent

if TYPE_CHECKING:
    from sprout.tracking.trial import Decision
from sprout.runtime.run_context import Row

REASON_LENGTH = 500
"""Characters of the reason for a failure, at most."""


def main() -> None:
    """Run trials until the supervisor closes the socket or ends; the argument is the number of the socket."""
    channel = Connection(int(sys.argv[1]))
    with whole_process():
        die_with_parent()
        import_all()
        send(channel, {"event": "ready"})
        with all_sent():
            while (message := receive(channel)) is not None:
                send(channel, run(channel, TrialSpec.from_dict(message["trial"])))


def import_all() -> None:
    """Import what trainings need; signals are already handled by then."""
    from sprout.engine import fit_estimator, train_network
    from sprout.sweep import run_trial
    from sprout.tracking.connection import load_mlflow

    load_mlflow()
    del run_trial, fit_estimator, train_network
    # Without this, garbage collection at the end of each trial would take 0.3 s to search what is imported.
    gc.freeze()


def run(channel: "Connection[Any, Any]", spec: TrialSpec) -> Message:
    """Run a trial; return the event it ended with."""
    from sprout.sweep.run_trial import run_trial

    def report(row: "Row", epoch: int) -> "Decision":
        decision: Decision = ask(channel, {"event": "epoch", "epoch": epoch, "row": row})["decision"]
        return decision

    print(f"trial {spec.number}", file=sys.stderr, flush=True)
    try:
        result, trainings = run_trial(spec, report)
    except Pruned:
        return {"event": "pruned"}
    except UserError as error:
        event = "failed" if isinstance(error, TrainingFailedError) else "refused"
        return {"event": event, "reason": one_line(error)[:REASON_LENGTH]}
    except Exception as error:
        traceback.print_exc()
        return {"event": "failed", "reason": f"{type(error).__name__}: {one_line(error)}"[:REASON_LENGTH]}
    finally:
        free_memory()
    # Written before the message is sent: whichever process dies next, the result is not lost.
    keep_result(Path(spec.results), spec.number, result)
    return {"event": "complete", "trainings": trainings}


def free_memory() -> None:
    """Return unused memory, also on the GPU: the next trial may need all of it."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
