"""How the learning rate goes over a training."""

from collections.abc import Callable

import pytest

from sprout.engine.schedule import schedule


def rates(name: str, warmup: float, steps: int, drops: tuple[float, ...] = ()) -> Callable[[int], float]:
    return schedule(name, warmup, drops, 0.1, steps)


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_warm_up_rises_to_the_peak(name: str, warmup: float) -> None:
    factor = rates(name, warmup, 100)
    rising = round(100 * warmup)
    found = [factor(step) for step in range(101)]
    assert found[rising] == 1.0 == max(found)
    steps = [b - a for a, b in zip([0.0, *found], found[: rising + 1], strict=False)]
    assert steps == pytest.approx([1 / (rising + 1)] * (rising + 1))


@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_after_the_warm_up(warmup: float) -> None:
    start = int(100 * warmup)
    middle = (start + 100) // 2
    ways = {name: rates(name, warmup, 100) for name in ("constant", "cosine", "one_cycle")}
    quarter = start + (100 - start) // 4
    at = {name: [factor(quarter), factor(middle), factor(100)] for name, factor in ways.items()}
    assert at["constant"] == [1, 1, 1]
    assert at["cosine"] == pytest.approx([(1 + 0.5**0.5) / 2, 0.5, 0])
    assert at["one_cycle"] == pytest.approx([0.75, 0.5, 0])


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_short_trainings_have_a_rate_above_zero(name: str, warmup: float, steps: int) -> None:
    factor = rates(name, warmup, steps)
    assert all(0 < factor(step) <= 1 for step in range(steps))


def test_it_falls_in_steps() -> None:
    factor = rates("step", 0.0, 40, (0.5, 0.75))
    assert [factor(step) for step in (0, 19, 20, 29, 30, 39)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_drop_within_the_warm_up_counts_after_it() -> None:
    factor = rates("step", 0.5, 40, (0.25,))
    assert factor(19) == 20 / 21
    assert factor(20) == pytest.approx(0.1)
