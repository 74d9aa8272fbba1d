"""Fit one of scikit-learn's models on examples and write what is handed on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sprout.models import build
from sprout.models.inference import use_threads
from sprout.models.model_file import ModelCard, load_model
from sprout.models.normalise import Normalise, network_shape
from sprout.training.batches import Examples
from sprout.training.estimators import fit_estimator
from sprout.training.plans import Log
from sprout.training.result import write_result


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
    normalise = Normalise(card.mean, card.std)
    inputs = normalise(normalise.scale(torch.from_numpy(train.take(np.arange(len(train))))))
    labels = train.targets if card.task == "classify" else None
    pretrained = load_model(Path(start["folder"])) if start is not None else None
    weights, architecture = fit_estimator(
        inputs, labels, outputs=card.outputs, seed=seed, threads=threads, pretrained=pretrained, **card.architecture
    )
    network = build(network_shape(card.input_shape), card.outputs, **architecture)
    network.load_state_dict(weights)
    write_result(folder, network.eval(), replace(card, architecture=architecture), val, [], 0)
