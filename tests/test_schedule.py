"""The learning rate over a training."""

from collections.abc import Callable
from typing import Any

import pytest

from sprout.config.train import Schedule
from sprout.engine.schedule import make_schedule


def multipliers(
    name: Any, warmup: float, steps: int, milestones: tuple[float, ...] = (), cycles: int = 1
) -> Callable[[int], float]:
    """The learning rate's multiplier at each step."""
    gamma = 0.1 if name == "step" else None
    return make_schedule(Schedule(name=name, warmup=warmup, milestones=milestones, gamma=gamma, cycles=cycles), steps)


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_warmup_rises_linearly_to_the_base_learning_rate(name: str, warmup: float) -> None:
    multiplier = multipliers(name, warmup, 100)
    rising = round(100 * warmup)
    found = [multiplier(step) for step in range(101)]
    assert found[rising] == 1.0 == max(found)
    steps = [b - a for a, b in zip([0.0, *found], found[: rising + 1], strict=False)]
    assert steps == pytest.approx([1 / (rising + 1)] * (rising + 1))


@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_decay_after_the_warmup(warmup: float) -> None:
    start = int(100 * warmup)
    middle = (start + 100) // 2
    schedules = {name: multipliers(name, warmup, 100) for name in ("constant", "cosine", "one_cycle")}
    quarter = start + (100 - start) // 4
    at = {name: [multiplier(step) for step in (quarter, middle, 100)] for name, multiplier in schedules.items()}
    assert at["constant"] == [1, 1, 1]
    assert at["cosine"] == pytest.approx([(1 + 0.5**0.5) / 2, 0.5, 0])
    assert at["one_cycle"] == pytest.approx([0.75, 0.5, 0])


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_short_trainings_have_a_learning_rate_above_zero(name: str, warmup: float, steps: int) -> None:
    multiplier = multipliers(name, warmup, steps)
    assert all(0 < multiplier(step) <= 1 for step in range(steps))


def test_step_multiplies_by_gamma_at_each_milestone() -> None:
    multiplier = multipliers("step", 0.0, 40, (0.5, 0.75))
    assert [multiplier(step) for step in (0, 19, 20, 29, 30, 39)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_milestone_within_the_warmup_counts_after_it() -> None:
    multiplier = multipliers("step", 0.5, 40, (0.25,))
    assert multiplier(19) == 20 / 21
    assert multiplier(20) == pytest.approx(0.1)


@pytest.mark.parametrize("steps", [100, 101])
def test_cycles_of_the_cosine_start_again_with_their_warmup(steps: int) -> None:
    found = [multipliers("cosine", 0.1, steps, cycles=4)(step) for step in range(steps)]
    starts = [-(-steps * number // 4) for number in range(4)]
    assert [step for step in range(1, steps) if found[step] > found[step - 1] and found[step - 1] < 0.05] == starts[1:]
    if steps == 100:
        one = [multipliers("cosine", 0.1, 25)(step) for step in range(25)]
        assert found == pytest.approx(one * 4)
