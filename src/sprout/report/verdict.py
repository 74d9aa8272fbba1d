"""The sentences at the head of the page: what came out, and how far to trust it."""

from collections.abc import Mapping

from sprout.report.tables import Outcome
from sprout.report.wording import count, percent, plural

BEYOND_CHANCE = 0.05


def headline(errors: Mapping[str, float], digits: int) -> str:
    """The result in one line. `errors`: the test error of each model shown, in 0..1."""
    teacher = percent(errors["teacher"], digits)
    if "student" not in errors:
        return f"Test error {teacher} (the student is the teacher)"
    return f"Test error {teacher} → {percent(errors['student'], digits)} (teacher → student)"


def explanation(errors: Mapping[str, float], digits: int, found: Outcome, pool: int, accepted: int) -> str:
    """What the headline means, in a few plain sentences; it says so when the student got worse."""
    if "student" not in errors:
        return f"{_why_no_student(pool, accepted)} So the student is the teacher: this page shows one model."
    gain = errors["teacher"] - errors["student"]
    examples = plural(found.total, "test example")
    size = f"{100 * abs(gain):.{digits}f} points on {examples}"
    if abs(gain) < 1e-9:
        result = f"Learning from pseudo-labels left the error on {examples} as it was."
    elif gain > 0:
        result = f"Learning from pseudo-labels lowered the error by {size}."
    else:
        result = f"Learning from pseudo-labels made it worse: the error rose by {size}."
    return f"{result} {_sure(found)}"


def _why_no_student(pool: int, accepted: int) -> str:
    if pool == 0:
        return "The unlabelled pool is empty, so there was nothing to learn from beside the true labels."
    if accepted == 0:
        return f"No pseudo-label was accepted, of {plural(pool, 'unlabelled example')}."
    return "No retrained model was kept."


def _sure(found: Outcome) -> str:
    """Whether equally good models would differ so much by chance."""
    if found.mended + found.broken == 0:
        return "Both models are right and wrong on the same examples."
    often = "less than 0.1%" if found.chance < 0.001 else percent(found.chance)
    judged = "too rarely to be called chance" if found.chance < BEYOND_CHANCE else "so it may be chance"
    return (
        f"The student mended {plural(found.mended, 'mistake')} of the teacher's and made "
        f"{count(found.broken)} new. Between equally good models, so uneven a split comes up in {often} of "
        f"cases, {judged}."
    )
