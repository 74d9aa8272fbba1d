"""Runs on real MLflow stores, and their content in the store."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

import sprout
from sprout.config.workspace import Build
from sprout.tracking import Run, RunInfo, tracked_run
from sprout.tracking.connection import connect
from sprout.tracking.outbox.journal import waiting_journals

SOURCE = Path(sprout.__file__).parent
LONG = 240.0  # seconds; guards against hanging alone
SLACK = 30.0  # seconds that a loaded machine may take for what is done at once
DIGEST = "0123456789abcdef0123456789abcdef.dir"
CONFIG = {"experiment": "digits", "train": {"lr": 0.1, "widths": [8, 16], "warm": None}, "sweep": None}


def make_build(seed: int = 0) -> Build:
    config = {**CONFIG, "seed": seed}
    return Build(config_text=yaml.safe_dump(config), config=config)


def track(
    build: Build, role: str, uri: str, *rest: Any, waits: bool = True, **changes: Any
) -> AbstractContextManager[Run]:
    """Track a block; `rest` and `changes` are fields of `RunInfo`."""
    return tracked_run(RunInfo(build, role, uri, *rest, **changes), waits=waits)


def runs_of(uri: str, **tags: object) -> list[Any]:
    """The runs that carry the tags `sprout.<name>`, oldest first."""
    client = connect(uri)
    terms = " and ".join(f"tags.`sprout.{key}` = '{value}'" for key, value in tags.items())
    experiments = [each.experiment_id for each in client.search_experiments()]
    return list(client.search_runs(experiments, terms, order_by=["attributes.start_time ASC"]))


def builds_status(uri: str) -> str:
    (parent,) = runs_of(uri, role="build")
    return str(parent.info.status)


def points(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in connect(uri).get_metric_history(run.info.run_id, metric)]


def artifacts(uri: str, run: Any, folder: str | None = None) -> set[str]:
    return {each.path for each in connect(uri).list_artifacts(run.info.run_id, folder)}


def outbox(root: Path) -> list[Path]:
    return waiting_journals(root / "mlruns" / "outbox")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for what the sender does in the background."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def raise_os_error(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def start_process(code: str, root: Path, python: str = sys.executable, **environment: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent), "DVC_ROOT": str(root), **environment}
    command, pipe = [python, "-c", code], subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=root, stdout=pipe, stderr=pipe, text=True)


SCRIPT = """
import sys, time
from sprout.config.workspace import Build
from sprout.tracking import RunInfo, tracked_run, tracking_uri
build = Build(config_text="experiment: digits", config={"experiment": "digits"})
role = sys.argv[1] if len(sys.argv) > 1 else "teacher"
with tracked_run(RunInfo(build, role, tracking_uri())) as run:
    run.log_metrics({"loss": 1.0}, step=1)
"""


def model_folder(root: Path) -> Path:
    """A model folder, as far as tracking reads it."""
    folder = root / "model"
    folder.mkdir()
    card = {"task": "classify", "classes": ["no", "yes"], "input_shape": [4, 4, 1]}
    (folder / "model.json").write_text(json.dumps(card))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder
