"""Several processes in one training: the same steps as with one process; they stop and resume together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from sprout.engine import fit as fit_module
from trainings import CONSISTENCY, MLP, SGD, STILL, data_in, train
from warm_python import warm_python

pytestmark = pytest.mark.slow
SIZES = {
    "ALIKE": {"train": 65, "val": 31},
    "POOLED": {"train": 12, "val": 31, "pool": 41},
    "LONG": {"train": 68, "val": 31},
}
"""65 by 16, and 31 by 10 in validation, leave one for the last batch: one process has none of its own."""
ALIKE: dict[str, Any] = {
    "architecture": MLP | {"dropout": 0.0},
    "precision": "64-true",
    "optimizer": SGD | {"args": {"momentum": 0.9}},
    "lr": 0.1,
    "epochs": 3,
    "accumulate_grad_batches": 2,
    "gradient_clip_norm": 1.0,
    "transforms": STILL | {"shift": 0.1, "rotate": 20.0, "flip": 0.5},
}
POOLED: dict[str, Any] = ALIKE | {
    "method": CONSISTENCY | {"threshold": "flexmatch", "alignment": "labels"},
    "ema": 0.8,
    "steps_per_epoch": 5,
    "accumulate_grad_batches": 1,
    "strong": STILL | {"shift": 0.2, "rotate": 20.0},
}
"""Consistency training, in which the processes share class means and what each example's prediction has reached."""
LONG: dict[str, Any] = {
    "architecture": MLP | {"batch_norm": True},
    "optimizer": SGD | {"args": {"momentum": 0.9}},
    "batch_size": 4,
    "epochs": 2,
    "ema": 0.8,
    "log_steps": 1,
}
"""Seventeen steps to an epoch, with dropout and batch norm, which needs two examples for each process."""
SCRIPT = """
import os, sys, time
from pathlib import Path
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.launch import rank, started_as_ranks
from sprout.runtime.run_context import RunContext, log_nothing
from sprout.runtime.stage import run_stage

def slowly(metrics, step):
    if "step_loss" in metrics:
        Path(f"step-{step}").touch()
        time.sleep(0.1)

def main():
    if started_as_ranks(2, 1, LocalProcesses().run_nodes):
        return
    # Here, as the process that starts the others needs none of them.
    import torch
    import test_loop_ranks
    from sprout.engine import fit as fit_module
    from trainings import config_of, data_in, trainee

    Path(f"pid-{rank()}").write_text(str(os.getpid()))
    fit_module.VAL_BATCH = 10
    settings = dict(getattr(test_loop_ranks, sys.argv[1]))
    model = trainee(settings.pop("architecture"))
    data = data_in(Path(f"data-{rank()}"), **test_loop_ranks.SIZES[sys.argv[1]])
    context = RunContext("test", Path("c").absolute(), slowly if "slowly" in sys.argv else log_nothing)
    found = fit_module.fit(model, data, config_of(devices=2, **settings), context)
    if found is not None:
        torch.save([found.weights, found.history, found.best_epoch], "found")

run_stage(main)
"""


def start(folder: Path, *words: str, python: str = sys.executable) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    for left in [*folder.glob("pid-*"), *folder.glob("step-*")]:
        left.unlink()
    (folder / "script.py").write_text(SCRIPT)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    paths = os.pathsep.join(str(Path(name).absolute()) for name in ("src", "tests"))
    env = kept | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [python, "script.py", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True)


def result(folder: Path, settings: str) -> Any:
    """What two processes come to: weights, history, best epoch."""
    process = start(folder, settings, python=warm_python())
    printed = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    return torch.load(folder / "found", weights_only=True)


def same(one: Any, other: Any) -> bool:
    return one[1:] == other[1:] and all(torch.equal(one[0][name], other[0][name]) for name in one[0])


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 200
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize("settings", ["ALIKE", "POOLED"])
def test_two_take_the_steps_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str) -> None:
    monkeypatch.setattr(fit_module, "VAL_BATCH", 10)
    given = {"ALIKE": ALIKE, "POOLED": POOLED}[settings]
    alone = train(data_in(tmp_path / "alone", **SIZES[settings]), tmp_path / "c", **given)
    weights, history, best_epoch = result(tmp_path / "two", settings)
    for name, weight in alone.weights.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-6, atol=1e-9)
    assert best_epoch == alone.best_epoch
    for row, expected in zip(history, alone.history, strict=True):
        assert row == pytest.approx(expected, rel=1e-9)
        assert row["val_accuracy"] == expected["val_accuracy"]  # each example counts once
        assert row["train_accuracy"] == expected["train_accuracy"]


def test_a_signal_and_a_death_end_both_and_they_go_on_to_the_same_bits(tmp_path: Path) -> None:
    undisturbed = result(tmp_path / "undisturbed", "LONG")
    process = start(tmp_path, "LONG", "slowly")
    wait_for(tmp_path / "step-2", process)
    ranks = psutil.Process(process.pid).children(recursive=True)
    assert len(ranks) >= 3
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 143
    assert psutil.wait_procs(ranks, timeout=1)[1] == []
    assert said.count("test: saved after step") == 1
    step = int(said.split("saved after step ")[1].split()[0])
    assert 3 <= step < 17, "long before the epoch's end"
    assert [path.name[:15] for path in (tmp_path / "c").glob("step-*")] == [f"step-{step:010}"]

    process = start(tmp_path, "LONG", "slowly")
    wait_for(tmp_path / "step-20", process)
    ranks = psutil.Process(process.pid).children(recursive=True)
    os.kill(int((tmp_path / "pid-1").read_text()), signal.SIGKILL)
    process.communicate(timeout=100)
    assert process.returncode not in (0, None)
    assert psutil.wait_procs(ranks, timeout=5)[1] == []
    assert same(result(tmp_path, "LONG"), undisturbed)
