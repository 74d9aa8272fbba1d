"""By which figures an example's numbers, and those to predict, are scaled."""

import numpy as np
import pytest

from sprout.data.description import Description
from sprout.engine.scaling import IMAGENET, input_scale, target_scale
from sprout.runtime.errors import UserError

TABLE = Description("number", [], [2.0, 5.0], [1.5, 0.5], ["a", "b"], [1.0, 7.0], [4.0, 7.0])
IMAGES = Description("class", ["a"], [0.4, 0.5, 0.6], [0.1, 0.2, 0.3], None, None, None)


@pytest.mark.parametrize(
    ("normalise", "expected"),
    [
        ("standard", ([2.0, 5.0], [1.5, 0.5])),
        # A feature that is always the same has no range to divide by.
        ("min_max", ([1.0, 7.0], [3.0, 1.0])),
        ("none", ([0.0, 0.0], [1.0, 1.0])),
    ],
)
def test_rows_of_a_table(normalise: str, expected: tuple[list[float], list[float]]) -> None:
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
def test_images(normalise: str, expected: tuple[list[float], list[float]]) -> None:
    assert input_scale(IMAGES, normalise, (8, 8, 3)) == expected


def test_grey_by_the_mean_of_imagenets_colours() -> None:
    mean, std = input_scale(IMAGES, "imagenet", (8, 8, 1))
    assert mean == pytest.approx([np.mean(IMAGENET[3][0])], abs=5e-4)
    assert std == pytest.approx([np.mean(IMAGENET[3][1])], abs=5e-4)


@pytest.mark.parametrize("shape", [(3,), (8, 8, 2), (8, 8, 4)])
def test_imagenets_figures_are_for_its_kind_of_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"^train\.normalise=imagenet: the examples are no grey or colour images"):
        input_scale(IMAGES, "imagenet", shape)


@pytest.mark.parametrize(
    ("normalise", "expected"),
    [
        ("standard", {"mean": 4.0, "std": np.std([1.0, 3.0, 8.0])}),
        ("min_max", {"mean": 1.0, "std": 7.0}),
        ("none", {"mean": 0.0, "std": 1.0}),
    ],
)
def test_numbers_to_predict(normalise: str, expected: dict[str, float]) -> None:
    assert target_scale(np.array([1.0, 3.0, 8.0]), normalise) == pytest.approx(expected)


@pytest.mark.parametrize("normalise", ["standard", "min_max"])
def test_numbers_that_are_all_the_same_are_not_divided_by_nothing(normalise: str) -> None:
    assert target_scale(np.full(4, 5.0), normalise) == {"mean": 5.0, "std": 1.0}
