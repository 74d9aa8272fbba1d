"""A model before it has learned anything, as its card describes it."""

from typing import Any

from sprout.core.prepared import Description
from sprout.models.model_file import ModelCard
from sprout.training.batches import Examples
from sprout.training.scaling import input_scale, target_scale


def blank_card(
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
