"""`sprout train` to the end of its first optimizer step ÷ `import torch, pytorch_lightning` and one such step.

The data is prepared; the training is that of the experiment digits. It takes an optimizer of its own, as any user
may: Adam that ends the process after a step.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import Cost, cost, in_turn, parser, print_figure
from benchmarks.workspace import copy_project, environment
from sprout.config.made_with import STAGES

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


def measure(pairs: int) -> None:
    """Prepare a copy of the project, then compare; prints the figure."""
    with TemporaryDirectory(prefix="sprout-launch-") as scratch:
        project, runs = Path(scratch, "project"), Path(scratch, "runs")
        env = environment(Path(scratch, "dvc")) | {"PYTHONPATH": "src", "TMPDIR": scratch}
        copy_project(project, env)
        (project / "src" / "one_step.py").write_text(ONE_STEP, encoding="utf-8")
        cost(["dvc", "repro", *STAGES], project, env)
        train = [sys.executable, "-m", "sprout.cli", "train"]
        cost([*train, "train.epochs=1"], project, env)  # makes the MLflow store
        shutil.copytree(project / "mlruns", runs)

        def ours() -> Cost:
            shutil.rmtree(project / "mlruns")  # whatever the last one left behind would be sent by the next
            shutil.copytree(runs, project / "mlruns")
            return cost([*train, *OWN], project, env)

        def reference() -> Cost:
            return cost([sys.executable, "-c", REFERENCE], project, env)

        for warm in (ours, reference):
            warm()
        costs = in_turn(ours, reference, pairs)
    print_figure("launch", GOAL, *costs)


if __name__ == "__main__":
    measure(parser("launch", __doc__, pairs=10).parse_args().pairs)
