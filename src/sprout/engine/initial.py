"""A model before training: its card, and its network with initial weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from sprout.config.model import Model
from sprout.config.train import Normalisation
from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.models.build import build_network
from sprout.models.card import ModelCard
from sprout.models.normalise import network_shape
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task
from sprout.weights.warm_start import load_pretrained

IMAGENET = {3: ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), 1: ([0.449], [0.226])}
"""Mean and standard deviation of ImageNet's channels, as torchvision's pretrained networks expect them; of grey images,
their means."""


@dataclass(frozen=True)
class StartWeights:
    """Weights that a network starts from."""

    folder: Path
    """The output of the stage `pretrained`, or the teacher's model folder."""
    checksum: str
    key: str = "pretrained.source"
    """The setting that has chosen them, for messages."""
    head: bool = False
    """Whether the last dense layer is for the same outputs, and is taken too."""


def initial_card(
    described: Description,
    train: Examples,
    task: Task | type[Task],
    normalise: Normalisation,
    architecture: Model,
    role: str,
) -> ModelCard:
    """The card of a model before training.

    Args:
        described: the description of the prepared data.
        train: the training examples.
        task: the task, or its class where it has no settings.
        normalise: how the inputs are scaled.
        architecture: the section `model`.
        role: teacher, student or train.

    Raises:
        UserError: the examples cannot be scaled in that way.
    """
    mean, std = input_scale(described, normalise, train.shape)
    settings = task if isinstance(task, Task) else None
    return ModelCard(
        task=task.name,
        architecture=architecture,
        classes=described.classes,
        input_shape=list(train.shape),
        mean=mean,
        std=std,
        temperature=None,
        target=settings.target_scale(train.targets, normalise) if settings else None,
        noise=settings.input_noise if settings else None,
        parameters=0,
        role=role,
        kept=None,
        features=described.features,
        columns=described.columns,
        levels=described.levels,
        page=described.page,
    )


def initial_network(card: ModelCard, outputs: int, start: StartWeights | None, *, keep_head: bool) -> nn.Module:
    """The network of a card, with initial weights.

    Args:
        card: the model.
        outputs: how many numbers it outputs for one example during training.
        start: the weights to start from; None for a random initialisation.
        keep_head: whether the last dense layer of pretrained weights is used, too.

    Raises:
        UserError: the architecture does not fit the examples, or the weights do not fit it.
    """
    network = build_network(network_shape(card.input_shape), outputs, card.architecture)
    if start is not None:
        load_pretrained(network, start.folder, head=keep_head or start.head, key=start.key)
    return network


def input_scale(
    described: Description, normalise: Normalisation, shape: Sequence[int]
) -> tuple[list[float], list[float]]:
    """What is subtracted from each channel or feature, and what the difference is divided by.

    Args:
        described: the description of the prepared data, with statistics of the training split.
        normalise: standard, min_max, none or imagenet.
        shape: (H, W, C) of an image with pixels in 0..1, or (F,) of a row of a table.

    Raises:
        UserError: normalise is imagenet, and the examples are no images of one or three channels.
    """
    channels = shape[-1]
    if normalise == "imagenet":
        if len(shape) != 3 or channels not in IMAGENET:
            raise UserError("train.normalise=imagenet: the examples are no grey or colour images; take standard")
        return IMAGENET[channels]
    if normalise == "standard":
        return described.mean, described.std
    if normalise == "min_max" and described.low is not None and described.high is not None:
        return described.low, [high - low or 1.0 for low, high in zip(described.low, described.high, strict=True)]
    return [0.0] * channels, [1.0] * channels
