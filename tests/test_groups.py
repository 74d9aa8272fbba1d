"""Groups stay in one split, also in stratified draws."""

import numpy as np
import pyarrow as pa
import pytest

from sprout.data.prepare.groups import draw, merge_groups, number_groups, proportional_quotas

GENERATOR = np.random.default_rng(0)


def test_given_groups_are_named_by_their_first_row_and_null_stands_alone() -> None:
    group = pa.array(["b", None, "a", "b", None, "a"])
    assert number_groups(group, 6).tolist() == [0, 1, 2, 0, 4, 2]
    assert number_groups(None, 3).tolist() == [0, 1, 2]
    assert number_groups(pa.array([None, None], pa.string()), 2).tolist() == [0, 1]


def test_groups_that_share_an_example_become_one() -> None:
    people = np.array([0, 0, 2, 2, 4, 5])
    pictures = np.array([0, 1, 1, 3, 4, 5])
    assert merge_groups(people, pictures).tolist() == [0, 0, 0, 0, 4, 5]
    assert merge_groups(people, np.arange(6)).tolist() == people.tolist()


@pytest.mark.parametrize("count", [4, 50, 399, 400])
def test_proportional_adds_up_and_is_within_one_of_the_share(count: int) -> None:
    strata = GENERATOR.choice(4, 400, p=[0.4, 0.3, 0.2, 0.1])
    quotas = proportional_quotas(np.arange(400), strata, count)
    assert sum(quotas.values()) == count
    sizes = np.bincount(strata)
    assert all(abs(quotas[each] - sizes[each] * count / 400) < 1 for each in range(4))


def test_single_examples_fill_every_quota() -> None:
    pool = np.sort(GENERATOR.permutation(1000)[:600])
    strata = GENERATOR.integers(0, 3, 1000)
    drawn = draw(pool, {0: 10, 2: 25}, strata, np.arange(1000), seed=1)
    assert np.bincount(strata[drawn]).tolist() == [10, 0, 25]
    assert (np.diff(drawn) > 0).all()
    assert set(drawn) <= set(pool)


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole_and_quotas_are_kept_where_they_can_be(seed: int) -> None:
    groups = np.arange(300) // 3  # 100 groups of 3
    groups[-60:] = np.arange(240, 300)  # and 60 of one
    drawn = draw(np.arange(300), {0: 50}, np.zeros(300, int), groups, seed)
    assert len(drawn) == 50
    rest = np.setdiff1d(np.arange(300), drawn)
    assert not set(groups[drawn]) & set(groups[rest])


def test_where_no_group_fits_fewer_are_drawn() -> None:
    groups = np.arange(40) // 4
    assert len(draw(np.arange(40), {0: 10}, np.zeros(40, int), groups, seed=0)) == 8
    assert len(draw(np.arange(40), {0: 3}, np.zeros(40, int), groups, seed=0)) == 0


@pytest.mark.parametrize("each", [6, 30, 49])
def test_groups_of_several_strata_fill_the_quotas_together(each: int) -> None:
    """As persons of whom there are pictures of every class."""
    people = 600 // each
    strata, groups = np.arange(people * each) % 3, np.arange(people * each) // each
    pool = np.arange(people * each)
    drawn = draw(pool, proportional_quotas(pool, strata, 150), strata, groups, seed=0)
    assert 150 - each < len(drawn) <= 150
    counts = np.bincount(strata[drawn], minlength=3)
    assert counts.max() - counts.min() <= len(np.unique(groups[drawn]))
    assert not set(groups[drawn]) & set(groups[np.setdiff1d(pool, drawn)])


def test_every_row_can_be_drawn() -> None:
    seen = [draw(np.arange(50), {0: 10}, np.zeros(50, int), np.arange(50), seed) for seed in range(40)]
    assert len(np.unique(np.concatenate(seen))) == 50
