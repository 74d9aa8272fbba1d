"""Pictures that lie in several of the source's own parts."""

import numpy as np
import pyarrow as pa
import pytest

from sprout.data.prepare.shared import settle, shared_pictures
from sprout.data.prepare.splits import DRAWN
from sprout.data.sources.listing import SPLITS
from sprout.runtime.errors import UserError

ORIGIN = pa.array([f"file {row}" for row in range(8)])
NAMES = ["train", "test", "val", "train", "", "unlabelled", "train", "test"]
GIVEN = np.array([SPLITS.index(name) if name else DRAWN for name in NAMES])
PICTURES = np.array([0, 0, 2, 2, 4, 4, 6, 7])


def test_the_test_part_keeps_a_picture_then_val_then_train() -> None:
    shared = shared_pictures(np.arange(8), GIVEN, PICTURES)
    assert list(zip(shared.rows.tolist(), shared.same_as.tolist(), strict=True)) == [(0, 1), (3, 2), (5, 4)]


def test_only_sound_rows_count() -> None:
    assert shared_pictures(np.array([0, 2, 5]), GIVEN, PICTURES).rows.tolist() == []


def test_move_leaves_them_out_and_keep_does_nothing() -> None:
    rows = np.arange(8)
    shared = shared_pictures(rows, GIVEN, PICTURES)
    assert settle(shared, rows, GIVEN, ORIGIN, "move").tolist() == [1, 2, 4, 6, 7]
    assert settle(shared, rows, GIVEN, ORIGIN, "keep").tolist() == rows.tolist()


def test_refuse_names_both_examples() -> None:
    shared = shared_pictures(np.arange(8), GIVEN, PICTURES)
    with pytest.raises(UserError, match=r"3 pictures .* file 0 \(train\), equal to file 1 \(test\)"):
        settle(shared, np.arange(8), GIVEN, ORIGIN, "refuse")


def test_equal_pictures_in_one_part_are_not_shared() -> None:
    shared = shared_pictures(np.arange(3), np.full(3, SPLITS.index("test")), np.zeros(3, int))
    assert settle(shared, np.arange(3), np.zeros(3, int), ORIGIN, "refuse").tolist() == [0, 1, 2]
