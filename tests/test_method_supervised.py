"""The method supervised: the task's loss, on views for training and on plain examples for val, by example weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from handmade import card
from learning import SHAPE, STRONG, SUPERVISED, batch_of, examples, linear, micro_steps, module_of, supervised
from sprout.data.dataset import TrainingData
from sprout.methods import Supervised
from sprout.methods.base import Source, StepSettings, Stream
from sprout.methods.supervised import SupervisedLearner, example_weights
from sprout.runtime.errors import UserError
from sprout.tasks import Classify, Cluster

IDS = [4, 0, 7, 5, 2]
CARD = card("classify", SHAPE)
METHOD = Supervised(kind="supervised", policy="transforms")


def data_of(folder: Path, weight: list[float] | None = None) -> TrainingData:
    """Nine examples to train on, five to validate on."""
    weights = None if weight is None else np.array(weight)
    return TrainingData(examples(folder / "train", 9, weight=weights), examples(folder / "val", 5))


def plain_losses(data: TrainingData) -> torch.Tensor:
    """The cross-entropy of the training examples as they are."""
    images = torch.from_numpy(data.train.take(np.array(IDS))).permute(0, 3, 1, 2) / 255
    return functional.cross_entropy(linear()((images - 0.25) / 0.5), torch.tensor(IDS) % 3, reduction="none")


def test_the_loss_is_the_mean_of_the_tasks_losses(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    module = module_of(linear(), CARD, data, supervised())
    found = module.learner.training_loss(module, (batch_of(data.train, IDS),))
    expected = plain_losses(data)
    torch.testing.assert_close(found.losses, expected)
    torch.testing.assert_close(found.loss, expected.mean())
    assert found.metrics.shape == (5,)


WEIGHTS = [0.5, 1.0, 0.0, 1.0, 2.0, 3.0, 1.0, 0.25, 1.0]


def test_an_example_counts_by_its_weight(tmp_path: Path) -> None:
    data = data_of(tmp_path, WEIGHTS)
    module = module_of(linear(), CARD, data, supervised())
    found = module.learner.training_loss(module, (batch_of(data.train, IDS),))
    weights = torch.tensor(WEIGHTS)[IDS]
    torch.testing.assert_close(found.losses, plain_losses(data) * weights)
    torch.testing.assert_close(found.loss, (plain_losses(data) * weights).sum() / len(IDS))


def test_weights_of_mean_1_give_the_weighted_mean_and_its_gradient(tmp_path: Path) -> None:
    weights = np.array(WEIGHTS)
    weights[IDS] /= weights[IDS].mean()
    data = data_of(tmp_path, weights.tolist())
    module, reference = module_of(linear(), CARD, data, supervised()), linear()
    module.learner.training_loss(module, (batch_of(data.train, IDS),)).loss.backward()
    images = torch.from_numpy(data.train.take(np.array(IDS))).permute(0, 3, 1, 2) / 255
    losses = functional.cross_entropy(reference((images - 0.25) / 0.5), torch.tensor(IDS) % 3, reduction="none")
    chosen = torch.tensor(weights[IDS])
    ((losses * chosen).sum() / chosen.sum()).backward()
    for mine, expected in zip(module.network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, expected.grad)


def test_micro_batches_add_up_to_the_step(tmp_path: Path) -> None:
    data = data_of(tmp_path, WEIGHTS)
    module = module_of(linear(), CARD, data, supervised())
    whole = module.learner.training_loss(module, (batch_of(data.train, IDS),)).loss
    parts = [module.learner.training_loss(module, step).loss for step in micro_steps(data.train, IDS, 2)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)


def test_val_knows_no_weights_views_or_smoothing(tmp_path: Path) -> None:
    data = data_of(tmp_path, WEIGHTS)
    config = supervised({"label_smoothing": 0.3}, transforms=STRONG)
    module = module_of(linear(), CARD, data, config)
    found = module.learner.validation_loss(module, batch_of(data.train, IDS))
    torch.testing.assert_close(found.losses, plain_losses(data))
    torch.testing.assert_close(found.loss, plain_losses(data).sum())


def test_training_examples_are_augmented_by_the_policy(tmp_path: Path) -> None:
    data, batch_ids = data_of(tmp_path), (IDS, 3)
    for policy, moves in (("transforms", False), ("weak", True), ("strong", True)):
        config = supervised(method=SUPERVISED | {"policy": policy})
        module = module_of(linear(), CARD, data, config)
        found = module.learner.training_loss(module, (batch_of(data.train, *batch_ids),)).losses
        assert torch.allclose(found, plain_losses(data)) != moves
        again = module.learner.training_loss(module, (batch_of(data.train, *batch_ids),)).losses
        assert torch.equal(found, again)


def test_smoothing_is_for_training(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    module = module_of(linear(), CARD, data, supervised({"label_smoothing": 0.3}))
    assert not torch.allclose(
        module.learner.training_loss(module, (batch_of(data.train, IDS),)).losses, plain_losses(data)
    )


def test_example_weights(tmp_path: Path) -> None:
    found = example_weights(data_of(tmp_path, WEIGHTS))
    assert found is not None
    assert (found.tolist(), found.dtype) == (WEIGHTS, torch.float32)
    assert example_weights(data_of(tmp_path / "plain")) is None


def test_the_learner_has_no_state(tmp_path: Path) -> None:
    learner = METHOD.learner(supervised().task, data_of(tmp_path), CARD)
    assert isinstance(learner, SupervisedLearner)
    assert learner.state_dict() == {}
    learner.load_state_dict({})


def test_what_it_asks_for() -> None:
    task = supervised().task
    assert METHOD.streams == (Stream(Source.TRAIN, 1.0),)
    assert METHOD.outputs(task, 3) == 3
    assert METHOD.describe_outputs(task, 3) == "3 classes"
    assert METHOD.columns == ("weight",)
    assert METHOD.policies == ("transforms",)
    METHOD.check_training("train", StepSettings(8, micro_batches=4, processes=2, ema=None, active=set()))


def test_features_have_no_loss() -> None:
    METHOD.check("train", Classify(kind="classify", loss="binary", label_smoothing=0.0, class_weights="none"))
    with pytest.raises(UserError, match=r"^retrain\.method\.kind=supervised: .*cluster.*contrastive"):
        METHOD.check("retrain", Cluster(kind="cluster", clusters=3, restarts=1))
