"""The gate: whether the student is handed on, or its rival that has not learned from unlabelled examples."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from sprout.data.store import Array
from sprout.evaluate.significance import mcnemar_p

WORSE = 0.02
"""The power of the gate is that against a student whose error is this much higher."""


@dataclass(frozen=True)
class Verdict:
    """What val says of the student and its rival, counted example by example."""

    rival: str
    """control or teacher."""
    kept: str
    """student, or the rival."""
    examples: int
    wins: int
    """Examples that only the student gets right."""
    losses: int
    """Examples that only the rival gets right."""
    p: float
    """McNemar's exact test, two-sided."""
    passes_worse: float
    """The probability that the gate keeps a student whose error is `WORSE` higher."""
    noun: str
    """What the examples are called."""
    student_error: float
    rival_error: float
    """The shares of them that each gets wrong."""
    teacher_error: float
    """The same of the teacher, from which both have started."""

    @property
    def teacher_is_better(self) -> bool:
        """Whether the teacher is wrong on fewer of them than the model that is kept."""
        return self.teacher_error < (self.student_error if self.kept == "student" else self.rival_error)


def judge(student: Array, rival: Array, teacher: Array, name: str, noun: str = "val examples") -> Verdict:
    """Keep the student if it wins at least as many examples as it loses.

    Args:
        student: (N,) bool, whether it is right.
        rival: (N,) bool, the same of the rival.
        teacher: (N,) bool, the same of the teacher; that of the rival where it is the rival.
        name: of the rival, control or teacher.
        noun: what the examples are called.
    """
    wins, losses = int((student & ~rival).sum()), int((rival & ~student).sum())
    kept = "student" if wins >= losses else name
    p, passed = mcnemar_p(wins, losses), passes(len(student), wins + losses)
    errors = (1 - float(right.mean()) if len(right) else 0.0 for right in (student, rival, teacher))
    return Verdict(name, kept, len(student), wins, losses, p, passed, noun, *errors)


def passes(examples: int, differing: int, worse: float = WORSE) -> float:
    """The probability that a student whose error is higher by `worse` wins at least as many examples as it loses.

    The normal approximation of the difference between wins and losses, with continuity correction, for models that
    differ on as many examples as these do.
    """
    if not examples:
        return 1.0
    share = max(differing / examples, worse)
    spread = math.sqrt(examples * (share - worse**2))
    return NormalDist().cdf((0.5 - examples * worse) / spread)
