"""A new method is one file, one yaml and one line in a registry: two streams and a state, resumed after a kill.

The method is added to a copy of the project, which then trains with it as a user would.
"""

import shutil
import time
from pathlib import Path

import pytest
import torch

from workspaces import new_project, run, start

pytestmark = pytest.mark.slow
METHOD = '''"""Pseudo-labels on the fly, at a threshold that follows the network's mean confidence."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Share
from sprout.methods.base import Learner, Method, Policy, Source, StepLoss, Stream
from sprout.methods.supervised import SupervisedLearner
from sprout.tasks.base import Task

if TYPE_CHECKING:
    from sprout.data.dataset import TrainingData
    from sprout.data.loader import Batch, Step
    from sprout.engine.module import TrainingModule
    from sprout.models.card import ModelCard


@dataclass(frozen=True, config=STRICT)
class Threshold(Method):
    kind: Literal["threshold"]
    """Pseudo-labels on the fly."""
    decay: Share
    """Of the mean confidence, per step."""

    name: ClassVar[str] = "threshold"

    @property
    def streams(self) -> tuple[Stream, ...]:
        return Stream(Source.TRAIN), Stream(Source.POOL, ratio=2.0)

    @property
    def policies(self) -> tuple[Policy, ...]:
        return "weak", "strong"

    def learner(self, task: Task, data: "TrainingData", card: "ModelCard") -> Learner:
        labelled = SupervisedLearner(task.criterion(data.train, card), "weak", None)
        return ThresholdLearner(labelled, self.decay, 1 / len(card.classes))


class ThresholdLearner(Learner):
    def __init__(self, labelled: SupervisedLearner, decay: float, confidence: float) -> None:
        self.labelled, self.decay, self.confidence, self.accepted = labelled, decay, confidence, 0

    def training_loss(self, module: "TrainingModule", step: "Step") -> StepLoss:
        import torch
        from torch.nn import functional

        labelled, pool = step
        found = self.labelled.training_loss(module, (labelled,))
        draw = module.draws(pool)
        with torch.no_grad():
            weak = module.outputs(module.view(pool, draw, "weak")).softmax(dim=1)
        confidence, labels = weak.max(dim=1)
        accepted = confidence >= self.confidence
        outputs = module.outputs(module.view(pool, draw, "strong"))
        losses = functional.cross_entropy(outputs, labels, reduction="none") * accepted
        self.confidence = self.decay * self.confidence + (1 - self.decay) * float(confidence.mean())
        self.accepted += int(accepted.sum())
        return found._replace(loss=found.loss + module.mean(losses, pool))

    def validation_loss(self, module: "TrainingModule", batch: "Batch") -> StepLoss:
        return self.labelled.validation_loss(module, batch)

    def state_dict(self) -> dict[str, Any]:
        return {"confidence": self.confidence, "accepted": self.accepted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.confidence, self.accepted = state["confidence"], state["accepted"]
'''
PYTHON = ("env", "PYTHONPATH=src", "python")
OVERRIDES = [
    *("train/method=threshold", "train.epochs=3", "train.batch_size=20", "train.accelerator=cpu"),
    *("train.checkpoint_minutes=1.0e-9", "tracking.log_model=false", "augment=none", "model.channels=[8]"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = new_project(tmp_path_factory.mktemp("method") / "project")
    (folder / "src/sprout/methods/threshold.py").write_text(METHOD)
    (folder / "conf/train/method/threshold.yaml").write_text("kind: threshold\ndecay: 0.9\n")
    registry = folder / "src/sprout/methods/__init__.py"
    text = registry.read_text()
    line = "StepMethod = Supervised | Consistency | Contrastive"
    assert line in text
    imported = "from sprout.methods.threshold import Threshold\n"
    registry.write_text(text.replace("\nStepMethod", f"{imported}\nStepMethod").replace(line, f"{line} | Threshold"))
    quoted = ", ".join(f"'{override}'" for override in OVERRIDES)
    (folder / "params.yaml").write_text(f"experiment: digits\noverrides: [{quoted}]\n")
    for stage in ("compose", "download", "prepare", "augment", "pretrained"):
        run(folder, *PYTHON, f"pipelines/{stage}.py")
    return folder


def checkpoints(project: Path) -> list[Path]:
    return sorted(project.glob("build/checkpoints/teacher/*/step-*.ckpt"))


def test_it_resumes_to_the_same_bits_after_a_kill(project: Path) -> None:
    run(project, *PYTHON, "pipelines/train.py")
    weights = (project / "models/teacher/model.safetensors").read_bytes()
    history = (project / "models/teacher/history.csv").read_text()
    (project / "models/teacher").rename(project / "models/undisturbed")
    shutil.rmtree(project / "build/candidates")  # otherwise the finished training is taken from there
    process = start(project, *PYTHON, "pipelines/train.py")
    end = time.monotonic() + 120
    while not checkpoints(project) or int(checkpoints(project)[-1].name[5:15]) < 7:
        assert time.monotonic() < end, "it wrote no checkpoint in the second epoch"
        assert process.poll() is None, project.with_name("log").read_text()
        time.sleep(0.005)
    process.kill()
    process.wait()
    left = checkpoints(project)[-1]
    step = int(left.name[5:15])
    assert 7 <= step < 15, "it was killed in the middle"
    state = torch.load(left, weights_only=True)["learner"]
    assert state["accepted"] > 0
    assert state["confidence"] != 0.1
    assert f"resumes after step {step}" in run(project, *PYTHON, "pipelines/train.py")
    assert (project / "models/teacher/model.safetensors").read_bytes() == weights
    assert (project / "models/teacher/history.csv").read_text() == history
