"""Which examples belong together."""

import numpy as np
import pyarrow as pa

from sprout.data.prepare.groups import equal_pictures, given_groups, joined


def test_given_groups_are_named_by_their_first_row_and_null_stands_alone() -> None:
    group = pa.array(["b", None, "a", "b", None, "a"])
    assert given_groups(group, 6).tolist() == [0, 1, 2, 0, 4, 2]
    assert given_groups(None, 3).tolist() == [0, 1, 2]
    assert given_groups(pa.array([None, None], pa.string()), 2).tolist() == [0, 1]


def test_equal_pictures_are_found_among_the_given_rows_alone() -> None:
    digests = np.zeros((6, 16), np.uint8)
    digests[:, 15] = [7, 3, 7, 3, 7, 1]
    assert equal_pictures(digests, np.arange(6)).tolist() == [0, 1, 0, 1, 0, 5]
    assert equal_pictures(digests, np.array([1, 2, 3, 4])).tolist() == [0, 1, 2, 1, 2, 5]
    digests[0, 0] = 1
    assert equal_pictures(digests, np.arange(6)).tolist() == [0, 1, 2, 1, 2, 5]


def test_groups_that_share_an_example_become_one() -> None:
    people = np.array([0, 0, 2, 2, 4, 5])
    pictures = np.array([0, 1, 1, 3, 4, 5])
    assert joined(people, pictures).tolist() == [0, 0, 0, 0, 4, 5]
    assert joined(people, np.arange(6)).tolist() == people.tolist()
