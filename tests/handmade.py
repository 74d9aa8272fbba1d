"""Models for each task with weights set by hand, for tests of the steps after training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sprout.data.store import Array, Store, class_indices
from sprout.evaluate.ranges import Model
from sprout.models.architecture import architecture_from_dict
from sprout.models.build import build_network, count_parameters
from sprout.models.card import ModelCard, save_model
from sprout.models.normalise import network_shape
from sprout.models.predictor import Predictor
from sprout.tasks import task_named

MLP = {"name": "mlp", "hidden": [6], "batch_norm": False, "activation": "tanh", "dropout": 0.0}
CLUSTERS = 4


class Denoiser(nn.Module):
    """A convolution whose output may leave 0..1."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(input_shape[0], input_shape[0], 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x)
        return found


class Centres(nn.Module):
    """Minus the squared distance to some centres."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(CLUSTERS, int(torch.tensor(input_shape).prod())))

    def forward(self, x: Tensor) -> Tensor:
        return -((x.flatten(1)[:, None] - self.centres) ** 2).sum(dim=2)


ARCHITECTURES: dict[str, dict[str, Any]] = {
    "classify": MLP,
    "regress": MLP,
    "reconstruct": {"name": "target", "target": "handmade.Denoiser", "args": {}},
    "cluster": {"name": "target", "target": "handmade.Centres", "args": {}},
}


def card(task: str, shape: Sequence[int], **changes: Any) -> ModelCard:
    """What a training of this task would say of its model."""
    said: dict[str, Any] = {
        "task": task,
        "architecture": ARCHITECTURES[task],
        "classes": ["a", "b", "c"],
        "input_shape": list(shape),
        "mean": [0.25] * shape[-1],
        "std": [0.5] * shape[-1],
        "temperature": 2.5 if task == "classify" else None,
        "target": {"mean": 100.0, "std": 20.0} if task == "regress" else None,
        "noise": 0.3 if task == "reconstruct" else None,
        "parameters": 1,
        "role": "teacher",
        "kept": None,
    }
    said |= changes
    return ModelCard(**said | {"architecture": architecture_from_dict(said["architecture"])})


def model(task: str, shape: Sequence[int], seed: int = 0, **changes: Any) -> Predictor:
    """A model with random weights."""
    torch.manual_seed(seed)
    said = card(task, shape, **changes)
    network = build_network(
        network_shape(shape), task_named(said.task).outputs(len(said.classes)), said.architecture
    ).eval()
    return Predictor(network, ModelCard(**vars(said) | {"parameters": count_parameters(network)}))


def save(folder: Path, predictor: Predictor) -> Path:
    """The model folder of a model."""
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, predictor.network.state_dict(), predictor.card)
    return folder


def outcomes(predictor: Predictor, store: Store) -> Array:
    """What an evaluation keeps of each example of a store."""
    examined = predictor.task.examine(predictor, store, "test")
    return predictor.task.outcomes(examined, predictor.card, class_indices(store.labels))


def opened(**predictors: Predictor) -> dict[str, Model]:
    """Models of these roles, whose folders nobody opens."""
    return {role: Model(predictor, Path("no folder")) for role, predictor in predictors.items()}
