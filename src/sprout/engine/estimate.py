"""Fit one of scikit-learn's models on examples and write what is handed on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sprout.data.dataset import Examples
from sprout.engine.estimators import fit_estimator
from sprout.engine.plan import Log
from sprout.engine.result import write_result
from sprout.models import build
from sprout.models.card import ModelCard, load_model
from sprout.models.normalise import Normalise, network_shape
from sprout.models.predictor import use_threads


def estimate(
    folder: Path,
    train: Examples,
    val: Examples,
    card: ModelCard,
    *,
    checkpoints: Path,
    log: Log,
    seed: int,
    threads: int,
    start: dict[str, Any] | None,
) -> None:
    """Fit, measure on val, and write the model folder.

    Args:
        folder: an empty folder.
        train: the training examples, which all come into memory.
        val: the validation examples.
        card: the model, before it has learned anything.
        checkpoints: not used: what is done in one go cannot be gone on with.
        log: likewise, as there are no epochs.
        seed: of whatever the model draws.
        threads: CPU threads; 0 means all.
        start: the pretrained network whose features are compared, if any.
    """
    use_threads(threads)
    pretrained = load_model(Path(start["folder"])) if start is not None else None
    if pretrained is not None:  # it knows examples as it was shown them
        card = replace(card, mean=pretrained[1].mean, std=pretrained[1].std)
    labels = train.targets if card.task == "classify" else None
    fitted = fit_estimator(
        network_inputs(train, card),
        labels,
        outputs=card.outputs,
        seed=seed,
        threads=threads,
        pretrained=pretrained,
        **card.architecture,
    )
    write_result(folder, *handed_on(card, *fitted), val, [], 0)


def grouped(
    train: Examples, network: nn.Module, card: ModelCard, *, seed: int, threads: int, **grouping: Any
) -> tuple[nn.Module, ModelCard]:
    """The clusters that k-means finds in what a network, described by its card, sees of the examples."""
    fitted = fit_estimator(
        network_inputs(train, card),
        None,
        name="kmeans",
        outputs=card.outputs,
        seed=seed,
        threads=threads,
        pretrained=(network, card),
        features="network",
        **grouping,
    )
    return handed_on(card, *fitted)


def network_inputs(examples: Examples, card: ModelCard) -> Tensor:
    """All examples as a network meets them: (N, C, H, W) or (N, F) float32."""
    normalise = Normalise(card.mean, card.std)
    inputs: Tensor = normalise(normalise.scale(torch.from_numpy(examples.take(np.arange(len(examples))))))
    return inputs


def handed_on(card: ModelCard, weights: dict[str, Tensor], architecture: dict[str, Any]) -> tuple[nn.Module, ModelCard]:
    """The module that has these weights, and its card."""
    network = build(network_shape(card.input_shape), card.outputs, **architecture)
    network.load_state_dict(weights)
    return network.eval(), replace(card, architecture=architecture)
