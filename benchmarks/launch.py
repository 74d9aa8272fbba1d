"""`sprout train` until the end of its first optimizer step ÷ `import torch, pytorch_lightning` and one such step.

The data is prepared, and the training is that of the experiment digits. Its optimizer is a user's class: Adam that
ends the process after one step.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import Cost, alternate, cost, parser, print_ratio
from benchmarks.workspace import environment, prepared_copy

GOAL = 1.5
ONE_STEP = """\
import os

import torch


class OneStep(torch.optim.Adam):
    def step(self, closure=None):
        super().step(closure)
        os._exit(0)
"""
OWN = ("train.optimizer.name=one_step.OneStep", "train.optimizer.args={fused: true}")
REFERENCE = """\
import pytorch_lightning
import torch
from torch import nn

torch.set_num_threads(1)
network = nn.Sequential(
    *(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1)),
    *(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1)),
    *(nn.Flatten(), nn.Linear(64 * 2 * 2, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10)),
)
optimizer = torch.optim.Adam(network.parameters(), lr=0.002, fused=True)
loss = nn.functional.cross_entropy(network(torch.rand(100, 1, 8, 8)), torch.arange(100) % 10)
optimizer.zero_grad()
loss.backward()
optimizer.step()
"""


def measure(pairs: int, prepared: Path | None = None) -> None:
    """Prepare a copy of the project, or copy a prepared one; compare, and print the result."""
    with TemporaryDirectory(prefix="sprout-launch-") as scratch:
        project, runs = Path(scratch, "project"), Path(scratch, "runs")
        env = environment(Path(scratch, "dvc")) | {"PYTHONPATH": "src", "TMPDIR": scratch}
        prepared_copy(project, env, None, prepared)
        (project / "src" / "one_step.py").write_text(ONE_STEP, encoding="utf-8")
        train = [sys.executable, "-m", "sprout.cli", "train"]
        cost([*train, "train.epochs=1"], project, env)  # creates the MLflow store
        shutil.copytree(project / "mlruns", runs)

        def ours() -> Cost:
            shutil.rmtree(project / "mlruns")  # the next run would send what the last one left unsent
            shutil.copytree(runs, project / "mlruns")
            return cost([*train, *OWN], project, env)

        def reference() -> Cost:
            return cost([sys.executable, "-c", REFERENCE], project, env)

        reference()  # the training above was the warm-up of ours
        costs = alternate(ours, reference, pairs)
    print_ratio("launch", GOAL, *costs)


if __name__ == "__main__":
    measure(parser("launch", __doc__, pairs=10).parse_args().pairs)
