"""The gate: paired counts on val decide between the student and its rival."""

from itertools import product

import numpy as np
import pytest

from sprout.evaluate.significance import mcnemar_p
from sprout.selftraining.gate import judge, passes
from sprout.selftraining.student import said


def bits(*groups: tuple[int, bool, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Whether student and rival are right: so many examples of each kind."""
    rows = [(student, rival) for count, student, rival in groups for _ in range(count)]
    return tuple(np.array(column, bool) for column in zip(*rows, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize(("wins", "losses", "kept"), [(3, 2, "student"), (2, 2, "student"), (2, 3, "control")])
def test_wins_must_be_at_least_losses(wins: int, losses: int, kept: str) -> None:
    student, rival = bits((wins, True, False), (losses, False, True), (20, True, True), (5, False, False))
    verdict = judge(student, rival, rival, "control")
    assert (verdict.kept, verdict.wins, verdict.losses) == (kept, wins, losses)
    assert verdict.examples == 25 + wins + losses
    assert verdict.p == mcnemar_p(wins, losses)


def exact(examples: int, share: float, worse: float) -> float:
    """The probability that wins are at least losses, by the multinomial distribution."""
    distribution = {0: 1.0}
    for _ in range(examples):
        after: dict[int, float] = {}
        for (lead, p), (step, q) in product(
            distribution.items(), ((1, (share - worse) / 2), (-1, (share + worse) / 2), (0, 1 - share))
        ):
            after[lead + step] = after.get(lead + step, 0.0) + p * q
        distribution = after
    return sum(p for lead, p in distribution.items() if lead >= 0)


@pytest.mark.parametrize(("examples", "differing"), [(50, 5), (100, 8), (200, 20), (1000, 60)])
def test_the_chance_that_a_worse_student_passes(examples: int, differing: int) -> None:
    assert passes(examples, differing) == pytest.approx(exact(examples, differing / examples, 0.02), abs=0.02)


def test_with_fifty_examples_a_student_two_points_worse_often_passes() -> None:
    assert passes(50, 5) == pytest.approx(0.41, abs=0.02)
    assert passes(5000, 300) < 0.001
    assert passes(0, 0) == 1.0


@pytest.mark.parametrize("rival", ["control", "teacher"])
def test_the_line_says_what_decided_and_how_sure_it_is(rival: str) -> None:
    student, other = bits((3, True, False), (1, False, True), (46, True, True))
    line = said(judge(student, other, other, rival))
    for part in (f"only the student is right on 3 of 50 val examples, only the {rival} on 1", "the student is kept"):
        assert part in line
    assert "a student 2 percentage points worse would be kept in" in line
    assert ("control.train=true" in line) == (rival == "teacher")


@pytest.mark.parametrize(("wrong", "said_so"), [(1, True), (2, False), (5, False)])
def test_a_teacher_that_was_better_than_what_is_kept_is_named(wrong: int, said_so: bool) -> None:
    student, control = bits((1, True, False), (2, False, True), (1, False, False), (46, True, True))
    teacher = np.arange(50) >= wrong
    line = said(judge(student, control, teacher, "control"))
    assert "the control is kept" in line
    assert line.endswith(f"; the teacher was wrong on fewer, {wrong}") == said_so
