"""Several processes that train together: which one this is, and how they are started.

Lightning's own launcher would run the whole command again for each of them; torchrun starts them all
alike, ends them together, and leaves none behind.
"""

import os
import signal
import subprocess
import sys

from sprout.core.signals import Killed


def rank() -> int:
    """This process's place among all that train together; 0 is the one that writes."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def started_as_ranks(devices: int) -> bool:
    """Run this very command once per device of this machine, and wait for all of them.

    Returns False at once where there is nothing to start: one device, or torchrun or SLURM has started
    this process as one of several.

    Raises:
        SystemExit: a rank failed; with its exit code.
        Killed: this process was asked to end; the ranks have ended.
    """
    if devices == 1 or "RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        return False
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    # torchrun would set one thread and say so; the training sets its own number.
    process = subprocess.Popen([*launcher, *sys.argv], env={"OMP_NUM_THREADS": "1", **os.environ})
    try:
        code = process.wait()
    except Killed:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    if code:
        sys.exit(code)
    return True
