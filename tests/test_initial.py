"""A model before training: its card, the scale of its inputs, and its initial weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from handmade import MLP, card, model, save
from sprout.config.train import Normalisation
from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.initial import IMAGENET, StartWeights, initial_card, initial_network, input_scale
from sprout.models.architecture import architecture_from_dict
from sprout.runtime.errors import UserError
from sprout.tasks import Classify, Cluster, Reconstruct, Regress

TABLE = Description("number", [], [2.0, 5.0], [1.5, 0.5], ["a", "b"], [1.0, 7.0], [4.0, 7.0])
IMAGES = Description("class", ["a"], [0.4, 0.5, 0.6], [0.1, 0.2, 0.3], None, None, None)
MODEL: Any = architecture_from_dict(MLP)


@pytest.mark.parametrize(
    ("normalise", "expected"),
    [
        ("standard", ([2.0, 5.0], [1.5, 0.5])),
        # A feature that is always the same has no range to divide by.
        ("min_max", ([1.0, 7.0], [3.0, 1.0])),
        ("none", ([0.0, 0.0], [1.0, 1.0])),
    ],
)
def test_the_scale_of_a_table(normalise: Normalisation, expected: tuple[list[float], list[float]]) -> None:
    assert input_scale(TABLE, normalise, (2,)) == expected


@pytest.mark.parametrize(
    ("normalise", "expected"),
    [
        ("standard", (IMAGES.mean, IMAGES.std)),
        # Pixels come as 0..1 already.
        ("min_max", ([0.0] * 3, [1.0] * 3)),
        ("none", ([0.0] * 3, [1.0] * 3)),
        ("imagenet", ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])),
    ],
)
def test_the_scale_of_images(normalise: Normalisation, expected: tuple[list[float], list[float]]) -> None:
    assert input_scale(IMAGES, normalise, (8, 8, 3)) == expected


def test_grey_images_take_the_mean_of_imagenets_channels() -> None:
    mean, std = input_scale(IMAGES, "imagenet", (8, 8, 1))
    assert mean == pytest.approx([np.mean(IMAGENET[3][0])], abs=5e-4)
    assert std == pytest.approx([np.mean(IMAGENET[3][1])], abs=5e-4)


@pytest.mark.parametrize("shape", [(3,), (8, 8, 2), (8, 8, 4)])
def test_imagenets_statistics_are_for_grey_and_colour_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"^train\.normalise=imagenet: .*standard"):
        input_scale(IMAGES, "imagenet", shape)


def numbers(folder: Path) -> Examples:
    """Three rows of a table, each with a number to predict."""
    rows, value = np.arange(3), pa.array([1.0, 3.0, 8.0])
    table = label_table(rows, [None] * 3, value=value, source="given", group=rows, origin=[""] * 3)
    write_store(folder / "store", np.zeros((3, 2), np.float32), table)
    return Examples.of(open_store(folder / "store"), target="value")


def test_the_card_of_a_regression_scales_inputs_and_targets(tmp_path: Path) -> None:
    found = initial_card(TABLE, numbers(tmp_path), Regress("regress", loss="mse"), "min_max", MODEL, "teacher")
    assert (found.mean, found.std) == ([1.0, 7.0], [3.0, 1.0])
    assert found.target == {"mean": 1.0, "std": 7.0}
    assert (found.task, found.role, found.features, found.input_shape) == ("regress", "teacher", ["a", "b"], [2])
    assert (found.architecture, found.classes, found.parameters, found.kept) == (MODEL, [], 0, None)


def test_the_card_of_a_reconstruction_knows_the_noise(make_store: Any) -> None:
    train, task = Examples.of(make_store(3, shape=(4, 3, 3))), Reconstruct("reconstruct", loss="mse", noise=0.25)
    found = initial_card(IMAGES, train, task, "standard", MODEL, "student")
    assert (found.noise, found.target, found.input_shape) == (0.25, None, [4, 3, 3])
    assert (found.role, found.classes, found.features) == ("student", ["a"], None)


@pytest.mark.parametrize("task", [Classify, Cluster])
def test_the_card_of_a_task_without_settings(make_store: Any, task: Any) -> None:
    found = initial_card(IMAGES, Examples.of(make_store(3, shape=(4, 3, 3))), task, "none", MODEL, "train")
    assert (found.task, found.noise, found.target, found.temperature) == (task.name, None, None, None)


def test_a_network_without_start_weights_is_randomly_initialised() -> None:
    torch.manual_seed(0)
    one = initial_network(card("classify", (4, 3, 2)), 5, None, keep_head=False)
    torch.manual_seed(0)
    other = initial_network(card("classify", (4, 3, 2)), 5, None, keep_head=False)
    assert one(torch.zeros(2, 2, 4, 3)).shape == (2, 5)
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("keep_head", [True, False])
def test_a_network_starts_from_weights(tmp_path: Path, keep_head: bool) -> None:
    start = model("classify", (4, 3, 2), seed=1)
    save(tmp_path, start)
    network = initial_network(start.card, 3, StartWeights(tmp_path, "checksum"), keep_head=keep_head)
    *body, (_, head_weight), (_, head_bias) = network.named_parameters()
    expected = dict(start.network.named_parameters())
    assert body
    assert all(torch.equal(weight, expected[name]) for name, weight in body)
    *_, weight, bias = expected.values()
    assert torch.equal(head_weight, weight) == torch.equal(head_bias, bias) == keep_head
