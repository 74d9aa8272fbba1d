"""Commands in the checked-out workspace: their environment, their output, and that they end with this process."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from sprout.runtime.launch import imports_from

STDERR = 2
"""The file descriptor."""
PATIENCE = 30.0
"""Seconds that a process has to end by itself."""
OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Variables that would lead git to the user's repository; git sets them for its hooks."""
OF_TRACKING = ("DVC_ROOT", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
"""Variables that would lead sprout to the user's workspace, or MLflow to another experiment."""


class ReproduceError(Exception):
    """The run could not be made again; the message is one line."""


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"reproduce: {text}", file=sys.stderr, flush=True)


def without_git() -> dict[str, str]:
    """Return this process's environment without what git sets for its hooks."""
    return {name: value for name, value in os.environ.items() if name not in OF_GIT}


def store_of(workspace: Path) -> str:
    """Return the URI of the store in a checked-out workspace, which goes with it."""
    return f"sqlite:///{workspace}/mlruns/mlflow.db"


def surroundings(workspace: Path) -> dict[str, str]:
    """Return the environment of a command that runs the code of a checked-out workspace and tracks into it."""
    kept = {name: value for name, value in without_git().items() if name not in OF_TRACKING}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return kept | {"PATH": path, "MLFLOW_TRACKING_URI": store_of(workspace)} | imports_from(workspace / "src")


def run(workspace: Path, *command: str) -> None:
    """Run a command in a checked-out workspace; what it prints goes to stderr.

    Raises:
        ReproduceError: it fails.
    """
    code = wait(command, workspace, surroundings(workspace))
    if code:
        words = " ".join(command).removeprefix(f"{sys.executable} ").removeprefix("-m ")
        raise ReproduceError(f"`{words}` failed with exit code {code}; the reason stands above")


def wait(command: Sequence[str], workspace: Path, environment: Mapping[str, str]) -> int:
    """Run a command and return its exit code; if this process is to end, it and all that it has started end before."""
    process = subprocess.Popen(command, cwd=workspace, env=environment, stdin=subprocess.DEVNULL, stdout=STDERR)
    try:
        return process.wait()
    except BaseException:
        end(process.pid)
        process.wait()
        raise


def end(pid: int) -> None:
    """End a process and all that it has started."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        _, alive = psutil.wait_procs(family, PATIENCE)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()
