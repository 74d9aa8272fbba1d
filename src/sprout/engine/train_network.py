"""Train a network on examples and write the model folder."""

from pathlib import Path

import numpy as np
import torch

from sprout.config.train import GradientDescent
from sprout.data.dataset import TrainingData
from sprout.engine.fit import Trainee, fit
from sprout.engine.initial import StartWeights, initial_network
from sprout.engine.result import write_result
from sprout.models.card import ModelCard
from sprout.models.predictor import use_threads
from sprout.runtime.run_context import RunContext


def train_network(
    folder: Path,
    data: TrainingData,
    card: ModelCard,
    config: GradientDescent,
    start: StartWeights | None,
    context: RunContext,
) -> None:
    """Train, calibrate on val, and write the model folder; ranks above 0 write nothing.

    Args:
        folder: an empty folder.
        data: the examples.
        card: the model before training.
        config: the section.
        start: pretrained weights; None for a random initialisation.
        context: name, checkpoints and log.
    """
    use_threads(config.threads)
    torch.manual_seed(config.seed)
    outputs = config.method.outputs(config.task, len(card.classes))
    network = initial_network(card, outputs, start, keep_head=config.task.outputs_image)
    fitted = fit(Trainee(network, card), data, config, context)
    if fitted is None:
        return
    network = network.cpu().float()  # in any precision of the training
    network.load_state_dict(fitted.weights)
    threads = config.threads or torch.get_num_threads()
    network, card = config.task.final_model(network.eval(), card, data.train, seed=config.seed, threads=threads)
    for name, array in fitted.arrays.items():
        np.save(folder / f"{name}.npy", array)
    write_result(folder, network, card, data.measured, fitted.history, fitted.best_epoch, name=context.name)
