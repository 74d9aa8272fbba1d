"""The tags of runs: which build and sweep a run belongs to, and which process owns it."""

import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil

from sprout.runtime.launch import stage_pid

BUILD = "build"
"""The role of a build's own run."""
SWEEP = "sweep"
"""The role of a sweep's own run."""

HIDDEN = "mlflow.sprout."
"""How the tags begin that only programs read: MLflow's page shows no tag that begins with `mlflow.`."""
ROLE = "sprout.role"
"""What a run is to its build: build, teacher, control, student, train, sweep, trial and so on."""
KEY = HIDDEN + "key"
"""The key of the journal that a run or a logged model comes from."""
DATA = HIDDEN + "data."
"""Followed by a path that the run reads: DVC's hash of it."""
PID, PROCESS_CREATED = HIDDEN + "pid", HIDDEN + "process_created"
"""The process that a run belongs to."""
HOST, MACHINE = "sprout.host", HIDDEN + "machine"
BUILD_TAG = "sprout.build"
"""The name of the build, on each of its runs."""
SWEEP_TAG = HIDDEN + "sweep"
"""The key of the sweep, on its own run and its trials'."""
TRIAL_STATE = "sprout.trial_state"
"""On a trial's run: COMPLETE or PRUNED; absent where it failed."""
RESTORED = "sprout.restored"
"""On a run that was not trained here: DVC restored its result from the cache."""
REASON = "sprout.reason"
"""Why a run failed or was killed, in one line."""
EVALUATED = HIDDEN + "evaluated"
"""On a build's run: an evaluation of it has finished."""
HANDED_ON = "sprout.handed_on"
"""On a build's run: which of its models is in `models/student`: student, or the control or teacher in its place."""
OVERRIDES = HIDDEN + "overrides"
"""The overrides that the run was composed with, as a JSON list."""
DIRTY = "sprout.git.dirty"
"""Whether the code differed from the commit; the artifact git.diff says how."""
WEIGHTS = HIDDEN + "weights"
"""On the run of a training: the SHA-256 of its `model.safetensors`."""
CPU, CAPABILITY, THREADS = HIDDEN + "cpu", HIDDEN + "cpu_capability", HIDDEN + "threads"
"""The model of the CPU, its instructions that PyTorch uses, and the threads of a training."""
CORES = HIDDEN + "cores"
"""The cores that a process may use; no result depends on them."""
GPU, VERSIONS = HIDDEN + "gpu", HIDDEN + "versions"
"""The GPUs that a training used, and the versions of Python, of the libraries and of CUDA, as JSON."""
WEIGHTS_TAG = "sprout.weights"
"""On a logged model and a registered version: the SHA-256 of `model.safetensors`."""
DECIDED = "sprout.verdict"
"""On a registered version: the alias that it got when it was compared with the champion."""
LAST_END = HIDDEN + "last_end"
"""On a build's run: when the last of its runs ended, in ms, and the build's status since."""

MACHINE_ID = Path("/etc/machine-id")


def machine_tags() -> dict[str, str]:
    """The tags that name this machine; its host name alone may not be unique among those that share a server."""
    known = MACHINE_ID.is_file()
    machine = MACHINE_ID.read_text(encoding="utf-8").strip() if known else f"{uuid.getnode():012x}"
    return {HOST: socket.gethostname(), MACHINE: machine}


def owner_tags() -> dict[str, str]:
    """The tags that name this process."""
    return _process_tags(psutil.Process())


def builder_tags() -> dict[str, str]:
    """The tags that name the process which started this stage and will start the next one, such as `dvc`.

    Where this process is one of several ranks, it is the stage that started them.
    """
    try:
        stage = psutil.Process(stage_pid() or os.getpid())
        return _process_tags(stage.parent() or psutil.Process())
    except psutil.NoSuchProcess:  # it has just died
        return owner_tags()


def is_owner_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process of this machine that these tags name still runs."""
    try:
        process = psutil.Process(int(tags[PID]))
        same: bool = abs(process.create_time() - float(tags[PROCESS_CREATED])) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _process_tags(process: psutil.Process) -> dict[str, str]:
    # The system reuses process ids; id and creation time together are unique.
    return machine_tags() | {PID: str(process.pid), PROCESS_CREATED: repr(process.create_time())}
