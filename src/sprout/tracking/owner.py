"""Whose a run is: the process that speaks for it, named so that others can tell whether it still lives."""

import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil

MACHINE_ID = Path("/etc/machine-id")


def here() -> dict[str, str]:
    """The tags that name this machine: machines that share a server may share their names too."""
    known = MACHINE_ID.is_file()
    machine = MACHINE_ID.read_text(encoding="utf-8").strip() if known else f"{uuid.getnode():012x}"
    return {"sprout.host": socket.gethostname(), "sprout.machine": machine}


def owner_tags() -> dict[str, str]:
    """The tags that name this process."""
    return _name(psutil.Process())


def builder_tags() -> dict[str, str]:
    """The tags that name the process that has started this stage, `dvc` say, and will start the next one.

    STAGE_PID names the stage where this process is one of several ranks.
    """
    try:
        return _name(psutil.Process(int(os.environ.get("STAGE_PID", os.getpid()))).parent() or psutil.Process())
    except psutil.NoSuchProcess:  # it has just died
        return owner_tags()


def alive(tags: Mapping[str, str]) -> bool:
    """Whether the process of this machine that these tags name still runs."""
    try:
        process = psutil.Process(int(tags["sprout.pid"]))
        same: bool = abs(process.create_time() - float(tags["sprout.process_created"])) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> dict[str, str]:
    """A pid alone is used again; with its creation time it is not."""
    return here() | {"sprout.pid": str(process.pid), "sprout.process_created": repr(process.create_time())}
