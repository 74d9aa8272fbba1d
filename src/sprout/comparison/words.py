"""A comparison in words and in rows, for the terminal and for the page alike."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from sprout.runtime.errors import listed

if TYPE_CHECKING:
    from sprout.tracking.reading.compare import Comparison
    from sprout.tracking.reading.paired import Cell, ClassErrors, Estimate, Paired

ERROR = "error"
CLASSES = 10
"""Classes that the terminal shows, those that differ most."""
CELLS = 5
"""Changed cells of a confusion matrix that the terminal names."""
DIGITS = 12
"""Of a hash."""
MINUS = "\N{MINUS SIGN}"


def letters(count: int) -> list[str]:
    """Return a short name for each run: A to Z, then AA, AB and so on."""
    pairs = [first + second for first in ascii_uppercase for second in ascii_uppercase]
    return [*ascii_uppercase, *pairs][:count]


def differing_rows(comparison: "Comparison") -> dict[str, Mapping[str, Sequence[Any]]]:
    """Return what differs between the runs, by the title of its table: a row for each key, a value for each run."""
    data = {path: [hash_of(value) for value in values] for path, values in comparison.data.items()}
    code = {} if comparison.code is None else {"commit": [commit(*each) for each in comparison.code]}
    figures = {name: values for name, values in comparison.figures.items() if len(set(values)) > 1}
    return {"settings": comparison.settings, "data": data, "code": code, "figures": figures}


def equal_figures(comparison: "Comparison") -> list[str]:
    """Return the figures that all runs have, with the same value."""
    return [name for name, values in comparison.figures.items() if len(set(values)) == 1]


def equal_in_words(names: Sequence[str]) -> str:
    """Return which figures are equal."""
    return f"equal in all runs: {listed(names)}"


def hash_of(value: str | None) -> str | None:
    """Return the first digits of a hash."""
    return value and value[:DIGITS]


def commit(name: str | None, dirty: bool) -> str:
    """Return a commit, and whether the code differed from it."""
    return (name or "not in git")[:DIGITS] + (" and changes" if dirty else "")


def written(value: Any) -> str:
    """Return a value of a run as it is shown; empty where a run has none."""
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def headline(comparison: "Comparison") -> str:
    """Return the answer in one line."""
    if len(comparison.paired) == 1:
        (only,) = comparison.paired
        if isinstance(only, str):
            return "A and B: not compared example by example"
        if not only.difference.value:
            return f"B has the same {only.measure} as A"
        return f"B has {amount(only.difference, only.measure)} than A: {verdict(only)}"
    by_verdict: dict[str, list[str]] = {}
    for name, each in zip(letters(len(comparison.runs))[1:], comparison.paired, strict=True):
        by_verdict.setdefault("not comparable" if isinstance(each, str) else each.verdict, []).append(name)
    order = ("better", "worse", "within chance", "not comparable")
    return "Against A: " + "; ".join(f"{', '.join(by_verdict[word])} {word}" for word in order if word in by_verdict)


def lead(comparison: "Comparison") -> str:
    """Return what the headline means: of two runs the whole comparison, of several what is called better and worse."""
    if len(comparison.paired) == 1:
        (only,) = comparison.paired
        said = only if isinstance(only, str) else sentence(only, "B")
        return f"{said[0].upper()}{said[1:]}."
    return (
        "The models that the builds hand on, each against that of A on the same examples. Better and worse: the 95% "
        "interval of the difference of their errors does not reach zero, and p is below 0.05."
    )


def verdict(found: "Paired") -> str:
    """Return whether a difference is more than chance explains."""
    return "beyond chance" if found.is_real else "within chance"


def sentence(found: "Paired", name: str) -> str:
    """Return whether the model of a run differs from that of A beyond chance."""
    of_classes = found.measure == ERROR
    right, test = ("right", "McNemar's") if of_classes else ("nearer", "the paired t-test's")
    return (
        f"{amount(found.difference, found.measure)} on the same {found.examples:,} {found.noun}s, 95% interval "
        f"{interval(found.difference, found.measure)}, {verdict(found)}; only A is {right} on {found.worse:,}, only "
        f"{name} on {found.better:,} ({test} p = {found.p:.3g})"
    )


def amount(difference: "Estimate", measure: str) -> str:
    """Return how far one mean error is from another."""
    if not difference.value:
        return f"the same {measure}"
    less = "less" if difference.value < 0 else "more"
    if measure == ERROR:
        return f"{100 * abs(difference.value):.1f} points {less} error"
    return f"{abs(difference.value):.4g} {less} {measure}"


def interval(difference: "Estimate", measure: str) -> str:
    """Return the interval of a difference."""
    if measure == ERROR:
        return f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f} points"
    return f"{difference.low:+.4g} to {difference.high:+.4g}"


def most_different(classes: "Sequence[ClassErrors]", most: int) -> "list[ClassErrors]":
    """Return the classes whose errors differ between the runs, those that differ most first."""
    return sorted((each for each in classes if each.spread), key=lambda each: -each.spread)[:most]


def counted(found: "ClassErrors") -> str:
    """Return how many examples of a class the runs were tested on: one number if all have the same."""
    return "/".join(dict.fromkeys("-" if count is None else f"{count:,}" for count in found.examples))


def class_cells(found: "ClassErrors") -> list[str]:
    """Return the row of a class: its name, its examples, and the error of each run, with * beyond chance from A.

    Of two runs, the difference with its interval follows.
    """
    real = [False, *(each is not None and each.is_real for each in found.differences)]
    errors = [
        "" if error is None else f"{error:.1%}{'*' * mark}" for error, mark in zip(found.errors, real, strict=True)
    ]
    return [found.name, counted(found), *errors, *(map(points, found.differences) if len(errors) == 2 else [])]


def points(difference: "Estimate | None") -> str:
    """Return a difference in percentage points with its interval; empty where there is none."""
    if difference is None:
        return ""
    value, low, high = (signed(100 * share) for share in (difference.value, difference.low, difference.high))
    return f"{value} ({low} to {high})"


def signed(value: float) -> str:
    """Return a number with one digit and its sign; zero has none."""
    text = f"{value:+.1f}"
    return text if float(text) else "0.0"


def number(value: float, measure: str, difference: bool = False) -> str:
    """Return a mean error, or the difference of two with its sign: of classifiers in percent, in percentage points."""
    if measure == ERROR:
        return minus(signed(100 * value)) if difference else f"{value:.1%}"
    return minus(f"{value:+.4g}" if difference else f"{value:.4g}")


def minus(text: str) -> str:
    """Return a number with the minus sign of a page."""
    return text.replace("-", MINUS)


def p_value(p: float) -> str:
    """Return a p-value with three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def cells_in_words(cells: "Sequence[Cell]", name: str) -> str:
    """Return the mistakes whose numbers changed most."""
    return "; ".join(
        f"{cell.actual} taken for {cell.predicted} (A {cell.first}, {name} {cell.second})" for cell in cells[:CELLS]
    )
