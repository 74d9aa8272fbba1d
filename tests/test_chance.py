"""The report's closed forms against scipy's."""

import pytest
from scipy.stats import binomtest

from sprout.report.chance import coin, wilson


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (0, 500), (474, 500), (500, 500), (9_412, 10_000)])
def test_wilson(hits: int, total: int) -> None:
    expected = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert wilson(hits, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("heads", "tails"), [(1, 0), (3, 3), (12, 3), (3, 12), (400, 350), (0, 40)])
def test_coin(heads: int, tails: int) -> None:
    assert coin(heads, tails) == pytest.approx(binomtest(heads, heads + tails).pvalue, rel=1e-9)


def test_no_toss_is_certain() -> None:
    assert coin(0, 0) == 1.0
