"""Several processes that train together: which one this is, and how they are started.

Lightning's own launcher would run the whole command again for each of them; torchrun starts them all
alike, ends them together, and leaves none behind.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sprout.runtime.errors import UserError
from sprout.runtime.signals import Killed


def is_rank() -> bool:
    """Whether torchrun or SLURM has started this process as one of several."""
    return "RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) > 1


def rank() -> int:
    """This process's place among all that train together; 0 is the one that writes."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def started_as_ranks(devices: int, nodes: int) -> bool:
    """Run this very command once per device of this machine, and wait for all of them.

    Returns False at once where there is nothing to start: one device, or this process is a rank itself.

    Raises:
        UserError: what the first rank to fail said; or several nodes, which only torchrun or SLURM can start; or
            these have started another number of processes than there are devices.
        SystemExit: a rank failed otherwise; with its launcher's exit code.
        Killed: this process was asked to end; the ranks have ended.
    """
    if is_rank():
        check_count(devices, nodes)
        return False
    if nodes > 1:
        raise UserError(f"train.nodes={nodes}: start this command on each node under torchrun or SLURM")
    if devices == 1:
        return False
    if code := run_ranks(devices, sys.argv):
        sys.exit(code)
    return True


def check_count(devices: int, nodes: int) -> None:
    """Check that there are as many ranks as devices: others would each train by themselves."""
    name = "WORLD_SIZE" if "RANK" in os.environ else "SLURM_NTASKS"
    started = os.environ.get(name)
    if started is not None and int(started) != devices * nodes:
        raise UserError(
            f"train.devices={devices}, train.nodes={nodes}: {name}={started} processes were started; accepted: as many "
            "as devices on all nodes together"
        )


def run_ranks(devices: int, command: Sequence[str]) -> int:
    """Run a Python command once per device, by torchrun; its exit code.

    Raises:
        UserError: what the first rank to fail said.
        Killed: this process was asked to end; the ranks have ended.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    with TemporaryDirectory() as folder:
        told = Path(folder) / "error"
        # torchrun would set one thread and say so; the training sets its own number.
        ours = {"OMP_NUM_THREADS": "1", **os.environ, "STAGE_PID": str(os.getpid()), "RANK_ERROR": str(told)}
        process = subprocess.Popen([*launcher, *command], env=ours)
        try:
            code = process.wait()
        except Killed:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
        if told.exists():
            raise UserError(told.read_text(encoding="utf-8"))
    return code
