"""Equal images, and those that are in several of the source's own splits."""

import numpy as np
import pyarrow as pa
import pytest

from sprout.data.listing import SPLITS
from sprout.data.prepare.duplicates import TO_DRAW, find_shared, first_equal, resolve_shared
from sprout.runtime.errors import UserError

ORIGIN = pa.array([f"file {row}" for row in range(8)])
NAMES = ["train", "test", "val", "train", "", "unlabelled", "train", "test"]
SOURCE = np.array([SPLITS.index(name) if name else TO_DRAW for name in NAMES])
IMAGES = np.array([0, 0, 2, 2, 4, 4, 6, 7])


def test_the_test_split_keeps_an_image_then_val_then_train() -> None:
    shared = find_shared(np.arange(8), SOURCE, IMAGES)
    assert list(zip(shared.rows.tolist(), shared.keepers.tolist(), strict=True)) == [(0, 1), (3, 2), (5, 4)]


def test_only_usable_rows_count() -> None:
    assert find_shared(np.array([0, 2, 5]), SOURCE, IMAGES).rows.tolist() == []


def test_move_leaves_them_out_and_keep_does_nothing() -> None:
    rows = np.arange(8)
    shared = find_shared(rows, SOURCE, IMAGES)
    assert resolve_shared(shared, rows, SOURCE, ORIGIN, "move").tolist() == [1, 2, 4, 6, 7]
    assert resolve_shared(shared, rows, SOURCE, ORIGIN, "keep").tolist() == rows.tolist()


def test_refuse_names_both_examples() -> None:
    shared = find_shared(np.arange(8), SOURCE, IMAGES)
    with pytest.raises(UserError, match=r"3 images .* file 0 \(train\), equal to file 1 \(test\)"):
        resolve_shared(shared, np.arange(8), SOURCE, ORIGIN, "refuse")


def test_equal_images_in_one_split_are_not_shared() -> None:
    shared = find_shared(np.arange(3), np.full(3, SPLITS.index("test")), np.zeros(3, int))
    assert resolve_shared(shared, np.arange(3), np.zeros(3, int), ORIGIN, "refuse").tolist() == [0, 1, 2]


def test_equal_images_are_found_among_the_given_rows_alone() -> None:
    digests = np.zeros((6, 16), np.uint8)
    digests[:, 15] = [7, 3, 7, 3, 7, 1]
    assert first_equal(digests, np.arange(6)).tolist() == [0, 1, 0, 1, 0, 5]
    assert first_equal(digests, np.array([1, 2, 3, 4])).tolist() == [0, 1, 2, 1, 2, 5]
    digests[0, 0] = 1
    assert first_equal(digests, np.arange(6)).tolist() == [0, 1, 2, 1, 2, 5]
