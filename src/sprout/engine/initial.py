"""A model before it has learned anything: its card, and its network."""

from pathlib import Path
from typing import Any

from torch import nn

from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.engine.scaling import input_scale, target_scale
from sprout.engine.tasks import numbers_out
from sprout.models import build
from sprout.models.card import ModelCard
from sprout.models.normalise import network_shape
from sprout.models.weights.start import load_pretrained


def initial_card(
    described: Description,
    train: Examples,
    task: dict[str, Any],
    normalise: str,
    architecture: dict[str, Any],
    role: str,
) -> ModelCard:
    """The card of what will be trained.

    Args:
        described: what `prepare` says about the data.
        train: the training examples.
        task: the subsection `task`.
        normalise: how an example's numbers are scaled.
        architecture: the section `model`.
        role: teacher, student or train.
    """
    mean, std = input_scale(described, normalise, train.shape)
    return ModelCard(
        task=task["kind"],
        architecture=architecture,
        classes=described.classes,
        input_shape=list(train.shape),
        mean=mean,
        std=std,
        temperature=None,
        target=target_scale(train.targets, normalise) if task["kind"] == "regress" else None,
        noise=task["noise"] if task["kind"] == "reconstruct" else None,
        parameters=0,
        role=role,
        kept=None,
        features=described.features,
    )


def initial_network(card: ModelCard, task: dict[str, Any], start: dict[str, Any] | None) -> nn.Module:
    """The network of a blank card, with its first weights.

    Args:
        card: the model.
        task: the subsection `task`.
        start: the weights that it starts from; None for chance.

    Raises:
        UserError: the architecture does not fit the examples, or the weights do not fit it.
    """
    network = build(network_shape(card.input_shape), numbers_out(task, card), **card.architecture)
    if start is not None:
        load_pretrained(network, Path(start["folder"]), head=card.task == "reconstruct")
    return network
