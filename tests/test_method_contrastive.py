"""The method contrastive: NT-Xent, against a slow reference, on two views of each example."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from handmade import card
from learning import CONTRASTIVE, SHAPE, batch_of, contrastive, examples, linear, module_of, supervised
from sprout.augment.draws import draws
from sprout.augment.transforms import augment
from sprout.data.dataset import Examples, TrainingData
from sprout.engine.checks import check_settings
from sprout.engine.module import TrainingModule
from sprout.methods import Contrastive
from sprout.methods.base import Policy, Source, StepSettings, Stream
from sprout.methods.contrastive import nt_xent
from sprout.runtime.errors import UserError
from sprout.tasks import Classify, Cluster

N = 7
IDS = [4, 0, 7, 5, 2]
CARD = card("cluster", SHAPE)
METHOD = Contrastive(kind="contrastive", policy="transforms", temperature=0.2, projection_dim=16)


PLAIN: dict[str, Any] = {"batch_size": 8, "micro_batches": 1, "processes": 1, "ema": None}


def slow_reference(outputs: Any, temperature: float) -> Any:
    """Of each view: the cross-entropy of its other view among all others, by cosine over the temperature."""
    n = len(outputs) // 2
    directions = outputs / np.linalg.norm(outputs, axis=1, keepdims=True)
    similar = directions @ directions.T / temperature
    each = [logsumexp(np.delete(similar[view], view)) - similar[view, (view + n) % (2 * n)] for view in range(2 * n)]
    return (np.array(each[:n]) + np.array(each[n:])) / 2


@pytest.mark.parametrize("temperature", [0.05, 0.5, 5.0])
@pytest.mark.parametrize("n", [N, 1])
def test_nt_xent(n: int, temperature: float) -> None:
    outputs = np.random.default_rng(0).normal(0, 1, (2 * n, 4))
    found = nt_xent(torch.as_tensor(outputs), temperature)
    np.testing.assert_allclose(found.numpy(), slow_reference(outputs, temperature), atol=1e-12)


def test_only_directions_count() -> None:
    outputs = torch.randn(2 * N, 4, dtype=torch.float64)
    lengths = torch.rand(2 * N, 1, dtype=torch.float64) + 0.5
    torch.testing.assert_close(nt_xent(outputs * lengths, 0.2), nt_xent(outputs, 0.2))


def test_alike_views_cost_less() -> None:
    first = torch.eye(N)
    alike, others = torch.cat([first, first]), torch.cat([first, first.roll(1, dims=0)])
    assert (nt_xent(alike, 0.2) < nt_xent(others, 0.2)).all()


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    return TrainingData(
        examples(tmp_path / "train", 9).with_target(None), examples(tmp_path / "val", 5).with_target(None)
    )


@pytest.fixture
def module(data: TrainingData) -> TrainingModule:
    return module_of(linear(), CARD, data, contrastive())


def test_the_loss_is_that_of_two_views_with_draws_of_their_own(data: TrainingData, module: TrainingModule) -> None:
    batch = batch_of(data.train, IDS, epoch=3)
    draw, transforms = draws(7, 3, torch.tensor(IDS)), contrastive().transforms
    images = torch.from_numpy(data.train.take(np.array(IDS))).permute(0, 3, 1, 2) / 255
    first, second = (augment(images, draw, transforms) for _ in range(2))
    assert not torch.equal(first, second)
    with torch.no_grad():
        outputs = linear()((torch.cat([first, second]) - 0.25) / 0.5)
        found = module.learner.training_loss(module, (batch,))
    expected = torch.from_numpy(slow_reference(outputs.double().numpy(), 0.2)).float()
    torch.testing.assert_close(found.losses, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.loss, expected.mean(), atol=1e-5, rtol=1e-5)
    assert found.metrics.tolist() == [0] * len(IDS)


def test_val_has_views_that_are_always_the_same(data: TrainingData, module: TrainingModule) -> None:
    batch = batch_of(data.val, [0, 1, 2], epoch=-1)
    with torch.no_grad():
        one, other = (module.learner.validation_loss(module, batch) for _ in range(2))
    assert torch.equal(one.losses, other.losses)
    torch.testing.assert_close(one.loss, one.losses.sum())
    assert (one.losses > 0).all()


def test_training_lowers_the_loss(data: TrainingData, module: TrainingModule) -> None:
    optimizer, losses = torch.optim.Adam(module.network.parameters(), 0.01), []
    for epoch in range(60):
        loss = module.learner.training_loss(module, (batch_of(data.train, list(range(9)), epoch),)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_the_views_are_made_by_the_policy(data: TrainingData) -> None:
    found = []
    for policy in ("weak", "strong"):
        module = module_of(linear(), CARD, data, contrastive(method=CONTRASTIVE | {"policy": policy}))
        found.append(module.learner.training_loss(module, (batch_of(data.train, IDS),)).losses)
    assert not torch.allclose(*found)


def test_what_it_asks_for() -> None:
    task = Cluster(kind="cluster", clusters=3, restarts=1)
    assert METHOD.streams == (Stream(Source.TRAIN, 1.0),)
    assert METHOD.outputs(task, 10) == 16
    assert METHOD.describe_outputs(task, 10) == "a projection to 16 numbers, features for 3 clusters"
    assert METHOD.columns == ()
    assert METHOD.policies == ("transforms",)
    assert METHOD.learner(task, TrainingData(*[examples_of_none()] * 2), CARD).state_dict() == {}


def examples_of_none() -> Any:
    """What the learner does not look at."""
    return nn.Identity()


def test_a_task_with_a_loss_of_its_own_is_refused() -> None:
    METHOD.check("train", Cluster(kind="cluster", clusters=3, restarts=1))
    with pytest.raises(UserError, match=r"^train\.method\.kind=contrastive: .*classify.*supervised"):
        METHOD.check("train", Classify(kind="classify", loss="binary", label_smoothing=0.0, class_weights="none"))


MOVING: set[Policy] = {"transforms"}


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"micro_batches": 2, "processes": 1, "active": MOVING}, "accumulate_grad_batches=2"),
        ({"micro_batches": 1, "processes": 2, "active": MOVING}, "devices and nodes"),
        ({"micro_batches": 1, "processes": 1, "active": {"weak"}}, "transforms"),
    ],
)
def test_settings_that_leave_nothing_to_compare_are_refused(settings: dict[str, Any], key: str) -> None:
    METHOD.check_training("train", StepSettings(**PLAIN | {"active": MOVING}))
    with pytest.raises(UserError, match=rf"^train\.{key}: .*"):
        METHOD.check_training("train", StepSettings(**PLAIN | settings))


def test_views_of_rows_of_a_table_are_refused(make_store: Any) -> None:
    table = Examples.of(make_store(20, shape=(2,)))
    for policy, key in (("weak", "weak.shift=0.4"), ("transforms", "transforms.shift=0.4")):
        config = contrastive(method=CONTRASTIVE | {"policy": policy})
        with pytest.raises(UserError, match=rf"train\.{key}.*table"):
            check_settings(table, "train", config)
    check_settings(table, "train", supervised())  # whose weak and strong policies are not used
