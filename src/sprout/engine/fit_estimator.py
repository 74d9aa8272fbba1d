"""Fit one of scikit-learn's models on examples and write the model folder."""

from pathlib import Path

from sprout.config.model import Estimator
from sprout.config.train import Fitting
from sprout.data.dataset import TrainingData
from sprout.engine.initial import StartWeights
from sprout.engine.result import write_result
from sprout.methods.scikit_learn import fit_estimator
from sprout.models.card import ModelCard
from sprout.models.predictor import load_model, use_threads


def train_estimator(
    folder: Path, data: TrainingData, card: ModelCard, config: Fitting, start: StartWeights | None, name: str
) -> None:
    """Fit, measure on val, and write the model folder. There are no epochs and no checkpoints.

    Args:
        folder: an empty folder.
        data: the examples.
        card: the model before training.
        config: the section.
        start: the pretrained network whose features are compared, if any.
        name: of the training, for the terminal.
    """
    use_threads(config.threads)
    assert isinstance(card.architecture, Estimator), "the sections are checked together"
    features = load_model(start.folder) if start else None
    network, card = fit_estimator(
        card.architecture, data.train, card, features, seed=config.seed, threads=config.threads
    )
    write_result(folder, network, card, data.measured, [], 0, name=name)
