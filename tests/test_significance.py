"""The report's closed forms agree with scipy."""

import pytest
from scipy.stats import binomtest, fisher_exact

from sprout.evaluate.significance import cross_validated_interval, fisher_p, mcnemar_p, wilson_interval


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (0, 500), (474, 500), (500, 500), (9_412, 10_000)])
def test_wilson_interval(hits: int, total: int) -> None:
    expected = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_cross_validated_label_counts_as_less_than_an_independent_one() -> None:
    assert cross_validated_interval(10, 100) == pytest.approx(wilson_interval(6, 60))
    expected = binomtest(0, 6).proportion_ci(0.95, method="wilson")
    assert cross_validated_interval(0, 10) == pytest.approx((0, expected.high))


@pytest.mark.parametrize(("heads", "tails"), [(1, 0), (3, 3), (12, 3), (3, 12), (400, 350), (0, 40)])
def test_mcnemar(heads: int, tails: int) -> None:
    assert mcnemar_p(heads, tails) == pytest.approx(binomtest(heads, heads + tails).pvalue, rel=1e-9)


def test_models_that_never_differ_have_a_p_value_of_one() -> None:
    assert mcnemar_p(0, 0) == 1.0


@pytest.mark.parametrize(
    "samples", [(3, 10, 40, 60), (0, 6, 0, 300), (6, 60, 12, 300), (50, 1000, 900, 10_000), (1, 1, 0, 1)]
)
def test_fisher(samples: tuple[int, int, int, int]) -> None:
    first, of_first, second, of_second = samples
    expected = fisher_exact([[first, of_first - first], [second, of_second - second]]).pvalue
    assert fisher_p(*samples) == pytest.approx(expected, rel=1e-6)
