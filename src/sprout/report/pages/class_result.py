"""The result of a classifier in words: how often each model is wrong, and what that can carry."""

from dataclasses import dataclass

from sprout.evaluate.significance import (
    cross_validated_interval,
    mcnemar_p,
    wilson_interval,
)
from sprout.report.formatting import decimal, percent, plural
from sprout.report.inputs import Inputs
from sprout.report.intervals import Intervals

SIGNIFICANCE_LEVEL = 0.05
LEARNED_FROM = {
    ("student", "control"): "Learning from unlabelled examples, against as many steps on labels alone,",
    ("student", "teacher"): "Learning from unlabelled examples, and in further steps,",
}
"""What the student has done that its rival has not."""
CROSS_VALIDATED = (
    "Each label is predicted by a model that has not learned from its fold; the model that is handed on has learned "
    "from all labels, and is a little better as a rule. The same predictions have chosen between the models."
)
"""What a cross-validated error is."""


@dataclass(frozen=True)
class Outcome:
    """What the test split says, counted example by example."""

    total: int
    errors: dict[str, float]
    """The share that each model shown gets wrong; empty without test examples."""
    intervals: dict[str, tuple[float, float]]
    """95% confidence interval of each one's accuracy; empty without test examples."""
    corrected: int
    """Examples that only the last model gets right, of it and its rival."""
    broken: int
    """Examples that only its rival gets right."""
    rival: str | None = None
    """The model that the last one is compared with."""
    kept: str | None = None
    """The model that is handed on in the student's place; None for the student itself."""
    judged: str = "on val"
    """Where the one that is handed on was chosen."""
    folds: int | None = None
    """Of the cross-validation that the counts are from; None for test examples."""

    @property
    def p(self) -> float:
        """Of McNemar's exact test of the last model and its rival."""
        return mcnemar_p(self.corrected, self.broken)

    @property
    def shown(self) -> str:
        """The model that is handed on."""
        return self.kept or list(self.errors)[-1]

    @property
    def examples(self) -> str:
        """How many, and of which kind."""
        return plural(self.total, "cross-validated label" if self.folds else "test example")

    def error_interval(self, model: str) -> tuple[float, float]:
        """95% confidence interval of a model's error."""
        low, high = self.intervals[model]
        return 1 - high, 1 - low


def count_outcome(inputs: Inputs) -> Outcome:
    """Count right and wrong predictions of each model."""
    label = inputs.predictions["label"].to_numpy()
    right = {role: inputs.predictions[role].to_numpy() == label for role in inputs.models}
    total = len(label)
    errors = {role: float((~right[role]).mean()) for role in inputs.models if total}
    interval = cross_validated_interval if inputs.crossed else wilson_interval
    intervals = {role: interval(int(right[role].sum()), total) for role in inputs.models if total}
    last = right[list(right)[-1]]
    rival = right[inputs.rival] if inputs.rival else last
    corrected, broken = int((last & ~rival).sum()), int((rival & ~last).sum())
    folds = inputs.summary["folds"] if inputs.crossed else None
    judged = "in cross-validation" if inputs.summary["folds"] else "on val"
    return Outcome(total, errors, intervals, corrected, broken, inputs.rival, inputs.kept, judged, folds)


def headline(outcome: Outcome, digits: int) -> str:
    """The result in one line, with the interval of the error of the model handed on."""
    if not outcome.total:
        return "A classifier, without test examples to measure it on"
    errors = " → ".join(percent(error, digits) for error in outcome.errors.values())
    what, handed_on = "Cross-validated error" if outcome.folds else "Test error", outcome.shown
    low, high = (percent(bound, digits) for bound in outcome.error_interval(handed_on))
    whose = f"the {handed_on}'s " if outcome.kept and outcome.rival else ""
    sure = f", {whose}95% interval {low} to {high}"
    of_folds = f", {outcome.total:,} labels in {outcome.folds} folds" if outcome.folds else ""
    of = " → ".join(outcome.errors) + (f"; the {handed_on} is handed on" if outcome.kept else "")
    models = "the student is the teacher" if outcome.rival is None else of
    return f"{what} {errors}{sure}{of_folds} ({models})"


def explanation(outcome: Outcome, digits: int, pool: int, accepted: int) -> str:
    """What the headline means, in a few sentences, also where the student is worse."""
    if not outcome.total:
        return "The test split has no labelled example."
    if outcome.rival is None:
        return f"{_why_no_student(pool, accepted)} The student is therefore the teacher: this page shows one model."
    last = list(outcome.errors)[-1]
    gain, examples = outcome.errors[outcome.rival] - outcome.errors[last], outcome.examples
    points = f"{100 * abs(gain):.{digits}f} percentage points"
    what = LEARNED_FROM[last, outcome.rival]
    if abs(gain) < 1e-9:
        result = f"{what} did not change the error on {examples}."
    elif outcome.p >= SIGNIFICANCE_LEVEL:
        result = f"{what} had no clear effect: the error is {points} {'lower' if gain > 0 else 'higher'} on {examples}."
    elif gain > 0:
        result = f"{what} lowered the error by {points} on {examples}."
    else:
        result = f"{what} made the model worse: the error rose by {points} on {examples}."
    better = f" The {outcome.kept}, which was better {outcome.judged}, is handed on." if outcome.kept else ""
    return f"{result} {_significance(outcome, last, outcome.rival)}{better}"


def _why_no_student(pool: int, accepted: int) -> str:
    if pool == 0:
        return "The unlabelled pool is empty, so there were no pseudo-labels to learn from."
    if accepted == 0:
        return f"No pseudo-label was accepted for {plural(pool, 'unlabelled example')}."
    return "The retrained model was not kept."


def _significance(outcome: Outcome, last: str, rival: str) -> str:
    """Whether the difference between the two models may be chance."""
    if outcome.corrected + outcome.broken == 0:
        return "Both models are right and wrong on the same examples."
    p = outcome.p
    often, value = ("less than 0.1%", "p < 0.001") if p < 0.001 else (percent(p), f"p = {decimal(p)}")
    judged = "so chance is an unlikely explanation" if p < SIGNIFICANCE_LEVEL else "so it may be chance"
    return (
        f"The {last} corrects {plural(outcome.corrected, 'mistake')} of the {rival}'s and makes "
        f"{plural(outcome.broken, 'new one')}. Two equally good models would differ at least this much in {often} of "
        f"cases (McNemar's exact test, {value}), {judged}."
    )


def meaning(outcome: Outcome, shown: str) -> str:
    """What the metrics mean, and how far the test split determines the accuracy."""
    metrics = (
        "Error and F1 are shares of 1, log loss is in nats. Calibration error: the mean gap between confidence and "
        "accuracy, 0 is best."
    )
    if not outcome.total:
        return f"The test split has no labelled example. {metrics}"
    low, high = outcome.intervals[shown]
    crossed = f" {CROSS_VALIDATED}" if outcome.folds else ""
    return (
        f"With {outcome.examples}, the 95% confidence interval of the {shown}'s accuracy (Wilson) "
        f"is {100 * (high - low):.1f} percentage points wide.{crossed} {metrics}"
    )


def intervals(outcome: Outcome) -> Intervals:
    """The 95% intervals of accuracy and error of each model; none without test examples."""
    if not outcome.total:
        return {}
    errors = [outcome.error_interval(model) for model in outcome.intervals]
    return {"accuracy": list(outcome.intervals.values()), "error_rate": errors}
