"""What explains a model: each explanation as a pure function of a network, features or probabilities."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from estimators import CNN
from handmade import card, model
from sprout.data.store import Store, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.explain.chosen import shares, turns
from sprout.explain.embedding import two_dimensions
from sprout.explain.explain_examples import explain_examples
from sprout.explain.filters import activations, convolutions, excitement, filter_images, with_full_contrast
from sprout.explain.importance import permutation_importance
from sprout.explain.label_issues import class_thresholds, confident_class, label_issues, self_confidence
from sprout.explain.neighbours import nearest
from sprout.explain.out_of_sample import out_of_sample
from sprout.explain.saliency import empty_images, saliency
from sprout.models.predictor import Predictor

SHAPE = (8, 8, 1)
FOREST = {"name": "forest", "trees": 3, "splits": 4, "leaves": 7, "depth": 3}


class Corners(nn.Module):
    """Of three classes the first is the brightness at the top left, the second that at the bottom right."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 1, 8, 8) → (N, 3)."""
        first, second = images[:, 0, :3, :3].mean(dim=(1, 2)), images[:, 0, 5:, 5:].mean(dim=(1, 2))
        return torch.stack([first, second, torch.zeros_like(first)], dim=1)


def of_corners() -> Predictor:
    return Predictor(Corners().eval(), card("classify", SHAPE))


def two_squares() -> np.ndarray:
    """An image with a bright square in both corners, on grey."""
    image = np.full((1, *SHAPE), 90, np.uint8)
    image[:, :3, :3] = image[:, 5:, 5:] = 250
    return image


# Saliency.


@pytest.mark.parametrize(
    ("target", "inside", "outside"), [(0, slice(0, 3), slice(5, 8)), (1, slice(5, 8), slice(0, 3))]
)
def test_saliency_is_where_the_output_comes_from(target: int, inside: slice, outside: slice) -> None:
    found = saliency(of_corners(), two_squares(), np.array([target]))
    assert found.shape == (1, 8, 8)
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() == 1
    assert found[0, inside, inside].min() > 0.9
    assert found[0, outside, outside].max() < 0.01


def test_saliency_of_an_empty_image_is_zero() -> None:
    assert saliency(of_corners(), np.full((1, *SHAPE), 90, np.uint8), np.array([0])).max() == 0


def test_an_empty_image_has_the_colour_of_most_of_the_border() -> None:
    image = torch.zeros(1, 2, 5, 5)
    image[0, 0], image[0, 1] = 0.25, 0.75
    image[0, :, 1:4, 1:4] = 9.0
    image[0, :, 0, 0] = -3.0
    found = empty_images(image)
    assert found.shape == image.shape
    assert found[0, 0].unique().tolist() == [0.25]
    assert found[0, 1].unique().tolist() == [0.75]


# All in one call.


def random_images(count: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def test_examples_are_explained_as_they_are_predicted() -> None:
    one, images = model("classify", SHAPE, architecture=CNN), random_images(5)
    found = explain_examples(one, images)
    assert found.predictions.tolist() == one.predict(images).tolist()
    assert found.predicted.tolist() == one.predict(images).argmax(axis=1).tolist()
    assert found.features is not None
    assert found.features.tolist() == one.embed(images).tolist()
    assert found.saliency is not None
    assert found.saliency.tolist() == saliency(one, images, found.predicted).tolist()
    assert found.saliency.shape == (5, 8, 8)


@pytest.mark.parametrize(
    ("task", "shape", "changes", "has_saliency", "has_features"),
    [
        ("regress", SHAPE, {}, True, True),
        ("cluster", SHAPE, {}, True, False),
        ("reconstruct", SHAPE, {}, False, False),
        ("classify", (5,), {}, False, True),
        ("classify", SHAPE, {"architecture": FOREST}, False, False),
    ],
    ids=["number", "cluster", "image", "row", "forest"],
)
def test_what_does_not_apply_is_none(
    task: str, shape: tuple[int, ...], changes: dict[str, Any], has_saliency: bool, has_features: bool
) -> None:
    images = random_images(3, shape) if len(shape) == 3 else np.ones((3, *shape), np.float32)
    found = explain_examples(model(task, shape, **changes), images)
    assert (found.saliency is not None, found.features is not None) == (has_saliency, has_features)
    assert len(found.predictions) == len(found.predicted) == 3


# Filters.


def edges() -> Predictor:
    """A convolution with three filters: bright above dark, bright beside dark, and a bright spot."""
    layer = nn.Conv2d(1, 3, 3, padding="same", bias=False)
    down, across = torch.tensor([[1.0, 1, 1], [0, 0, 0], [-1, -1, -1]]), torch.tensor([[1.0, 0, -1]] * 3)
    spot = torch.full((3, 3), -0.5)
    spot[1, 1] = 4.0
    with torch.no_grad():
        layer.weight.copy_(torch.stack([down, across, spot])[:, None])
    return Predictor(nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(192, 3)).eval(), card("classify", SHAPE))


def test_filters_show_what_excites_them() -> None:
    (layer,) = filter_images(edges(), 3)
    assert (layer.layer, layer.filters, layer.chosen.tolist()) == ("0", 3, [0, 1, 2])
    assert layer.images.shape == (3, *SHAPE)
    assert layer.images.dtype == np.uint8
    down, across, spot = layer.images[..., 0].astype(float)
    for image, along in ((down, 1), (across, 0)):
        changes, still = np.abs(np.diff(image, axis=1 - along)).mean(), np.abs(np.diff(image, axis=along)).mean()
        assert changes > 2 * still, "stripes of one direction"
    assert np.abs(np.diff(spot, axis=0)).mean() == pytest.approx(np.abs(np.diff(spot, axis=1)).mean(), rel=0.8)


def test_a_filter_is_more_excited_by_its_image_than_by_noise() -> None:
    one = edges()
    (layer,) = filter_images(one, 3)
    images = np.concatenate([layer.images, random_images(5)])
    with torch.no_grad():
        found = activations(one.network, one.network[0], one.normalise(one.scaled(images)))  # type: ignore[index]
    for number in range(3):
        strength = excitement(found[:, number])
        assert strength[number] > strength[3:].max(), number


def test_filters_are_the_same_again() -> None:
    first, second = (filter_images(model("classify", SHAPE, architecture=CNN), 2) for _ in range(2))
    assert [one.layer for one in first] == [one.layer for one in second]
    for one, other in zip(first, second, strict=True):
        assert one.images.tobytes() == other.images.tobytes()


def test_layers_are_spread_and_those_behind_do_not_run() -> None:
    network = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(11)], nn.Conv2d(1, 4, 1))
    assert [name for name, _ in convolutions(network)] == ["0", "2", "4", "6", "8", "10"]
    network[3].register_forward_hook(lambda *_: pytest.fail("runs"))
    assert activations(network, network[2], torch.zeros(1, 1, 8, 8)).shape == (1, 1, 8, 8)


def test_there_are_no_filters_without_images_or_when_none_are_wanted() -> None:
    assert filter_images(model("classify", (5,)), 4) == []
    assert filter_images(model("classify", SHAPE, architecture=CNN), 0) == []


def test_contrast_is_stretched_and_nothing_is_divided_by_zero() -> None:
    images = torch.stack([torch.linspace(0.4, 0.6, 64).reshape(1, 8, 8), torch.full((1, 8, 8), 0.5)])
    found = with_full_contrast(images)
    assert (found[0].min(), found[0].max(), found[1].max()) == (0, 255, 0)


# Neighbours and the map.


def test_the_nearest_have_the_same_direction() -> None:
    among = np.array([[1, 0], [0, 2], [3, 3], [-1, 0], [5, 0]], np.float32)
    found = nearest(np.array([[2, 0], [0, 0]], np.float32), among, 3)
    assert found.rows.tolist()[0] == [0, 4, 2]
    assert found.similarity[0] == pytest.approx([1, 1, 0.5**0.5])
    assert found.similarity[1].tolist() == [0, 0, 0], "an example without features"
    assert nearest(among, among[:2], 9).rows.shape == (5, 2)


def groups(size: int) -> np.ndarray:
    """Three groups far from one another, in 20 dimensions."""
    random = np.random.default_rng(0)
    centres = 20 * np.eye(3, 20)
    return np.concatenate([centre + random.normal(size=(size, 20)) for centre in centres]).astype(np.float32)


def test_the_map_keeps_groups_together_and_is_the_same_again() -> None:
    found = two_dimensions(groups(30))
    assert found.shape == (90, 2)
    assert (found.min(), found.max()) == (0, 1)
    middles = np.array([found[30 * g : 30 * g + 30].mean(axis=0) for g in range(3)])
    own = np.linalg.norm(found[:, None] - middles, axis=2).argmin(axis=1)
    assert own.tolist() == np.repeat([0, 1, 2], 30).tolist()
    assert two_dimensions(groups(30)).tobytes() == found.tobytes()


@pytest.mark.parametrize(("count", "width"), [(1, 3), (2, 3), (3, 1), (5, 1), (7, 3)])
def test_a_map_of_few_examples(count: int, width: int) -> None:
    found = two_dimensions(np.random.default_rng(0).normal(size=(count, width)).astype(np.float32))
    assert found.shape == (count, 2)
    assert np.isfinite(found).all()


def test_equal_examples_have_a_place() -> None:
    assert np.isfinite(two_dimensions(np.ones((6, 3), np.float32))).all()


@pytest.mark.parametrize(
    ("sizes", "wanted", "expected"),
    [([9, 9, 9], 9, [3, 3, 3]), ([1, 9, 9], 9, [1, 4, 4]), ([2, 0, 1], 9, [2, 0, 1]), ([0, 0], 5, [0, 0])],
)
def test_groups_share_the_places(sizes: list[int], wanted: int, expected: list[int]) -> None:
    assert shares(sizes, wanted) == expected


def test_turns_count_within_each_class() -> None:
    assert turns(np.array([2, 0, 2, 2, 0])).tolist() == [0, 0, 1, 2, 1]


# Labels that may be wrong.


def test_confident_learning_by_hand() -> None:
    """Thresholds: class 0 (0.9 + 0.8 + 0.1) / 3 = 0.6, class 1 (0.9 + 0.7) / 2 = 0.8."""
    first = np.array([0.9, 0.8, 0.1, 0.1, 0.3])
    probabilities, labels = np.stack([first, 1 - first], axis=1), np.array([0, 0, 0, 1, 1])
    assert class_thresholds(probabilities, labels) == pytest.approx([0.6, 0.8])
    assert confident_class(probabilities, class_thresholds(probabilities, labels)).tolist() == [0, 0, 1, 1, -1]
    assert self_confidence(probabilities, labels) == pytest.approx([0.9, 0.8, 0.1, 0.9, 0.7])
    found = label_issues(probabilities, labels)
    assert [column.tolist() for column in found[:3]] == [[2], [0], [1]]
    assert found.score == pytest.approx([0.1])


def test_a_class_without_labels_is_never_suggested() -> None:
    probabilities = np.array([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    assert label_issues(probabilities, np.array([0, 0, 1])).suggested.tolist() == []


def test_planted_mistakes_are_found_first() -> None:
    features, labels = groups(40), np.repeat([0, 1, 2], 40)
    given = labels.copy()
    given[[3, 50, 100]] = [1, 2, 0]
    found = label_issues(out_of_sample(features, given, 3), given)
    assert sorted(found.rows[:3].tolist()) == [3, 50, 100]
    order = {int(row): int(suggested) for row, suggested in zip(found.rows, found.suggested, strict=True)}
    assert [order[row] for row in (3, 50, 100)] == [0, 1, 2]
    assert np.all(np.diff(found.score) >= 0)


def test_probabilities_are_those_of_the_neighbours_and_not_of_the_label_itself() -> None:
    features = np.array([[1, 0], [1, 0.05], [1, 0.2], [0, 1], [0.1, 1]], np.float32)
    first, second = (out_of_sample(features, np.array([label, 0, 0, 1, 1]), 2) for label in (0, 1))
    assert first.shape == (5, 2)
    assert first.sum(axis=1) == pytest.approx(np.ones(5))
    assert first[0].tolist() == second[0].tolist()
    assert first[0, 0] > 0.9
    assert first[4, 1] > 0.9
    assert second[1, 1] > 0.9, "its nearest neighbour now has the other label"


# Tables.


class First(nn.Module):
    """The first feature decides, the others do nothing."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(N, 3) → (N, 3)."""
        return torch.stack([rows[:, 0], -rows[:, 0], torch.full_like(rows[:, 0], -9)], dim=1)


def table_in(folder: Path) -> Store:
    rows = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    # The handmade card has a mean of 0.25.
    labels = np.where(rows[:, 0] > 0.25, 0, 1)
    place = np.arange(80)
    write_store(folder, rows, label_table(place, labels, source="given", group=place, origin=[""] * 80))
    return open_store(folder)


def test_the_feature_that_decides_is_the_important_one(tmp_path: Path) -> None:
    one = Predictor(First().eval(), replace(card("classify", (3,)), mean=[0.25] * 3, std=[0.5] * 3))
    found = permutation_importance(one, table_in(tmp_path / "test"))
    assert found is not None
    assert found.mean[0] == pytest.approx(0.5, abs=0.1), "as good as guessing"
    assert found.mean[1:].tolist() == found.std[1:].tolist() == [0, 0]


def test_importance_needs_an_error(tmp_path: Path) -> None:
    assert permutation_importance(model("cluster", (3,)), table_in(tmp_path / "test")) is None
    assert permutation_importance(model("classify", (3,)), table_in(tmp_path / "other").part(np.arange(0))) is None
