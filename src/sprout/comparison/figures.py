"""The diagrams of a comparison, each as one `<svg>` element."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from sprout.comparison.styles import style
from sprout.comparison.words import ERROR, letters
from sprout.data.store import Array
from sprout.report.figures import CURVE, FEW, count_epochs, name_cells, side
from sprout.report.svg import INK, LINE, MUTED, to_svg
from sprout.tracking.reading.curves import Curve
from sprout.tracking.reading.paired import ClassErrors, Paired

MOST_POINTS = 400
"""Of a curve: more would make the page slow, and not clearer."""
MARKED = 6
"""Markers on each curve."""
CLASSES = 20
"""Classes that are drawn, those that differ most."""
LANES = 0.6
"""Of the height of a class: runs with the same error do not hide each other."""
BLUE, ORANGE = (0.0, 0.41, 0.66), (0.71, 0.35, 0.0)
STRONGEST = 0.6
"""The opacity of the cell that changed most: text on it stays readable."""
Draw = Callable[[Axes], None]


def differences(paired: Mapping[int, Paired]) -> Markup:
    """Draw the paired difference of each further run from the first, by its number, with its 95% interval."""
    measure = next(iter(paired.values())).measure
    scale, unit = (100, "error, percentage points") if measure == ERROR else (1, measure)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel=f"{unit.capitalize()}, minus that of A")
        axes.grid(axis="x")
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, (number, found) in enumerate(paired.items()):
            drawn, each = found.difference, style(number)
            axes.plot([scale * drawn.low, scale * drawn.high], [place, place], color=each.colour, linewidth=2)
            axes.plot(scale * drawn.value, place, color=each.colour, marker=each.marker, markersize=7)
        names = letters(max(paired) + 1)
        axes.set(yticks=range(len(paired)), yticklabels=[names[number] for number in paired], ylim=(-0.6, len(paired)))
        axes.set_ylim(len(paired) - 0.4, -0.6)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}" if value else "0"))

    return to_svg("differences", (5.0, 0.75 + 0.34 * len(paired)), draw)


def class_errors(classes: Sequence[ClassErrors]) -> Markup:
    """Draw the error of each run on each of these classes."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Error")
        axes.grid(axis="x")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for place, found in enumerate(classes):
            known = [error for error in found.errors if error is not None]
            axes.plot([min(known), max(known)], [place, place], color=LINE, linewidth=1)
            for number, error in enumerate(found.errors):
                if error is not None:
                    each = style(number)
                    lane = place + LANES * ((number + 0.5) / len(found.errors) - 0.5)
                    axes.plot(error, lane, color=each.colour, marker=each.marker, markersize=5.5)
        names = [each.name if len(each.name) <= 24 else f"{each.name[:14]}…{each.name[-9:]}" for each in classes]
        axes.set(yticks=range(len(classes)), yticklabels=names, xlim=(-0.02, None))
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)

    return to_svg("class-errors", (5.0, 0.7 + 0.3 * len(classes)), draw)


def confusion_change(name: str, first: Array, second: Array, classes: Sequence[str]) -> Markup:
    """Draw the second confusion matrix minus the first, (K, K) each: blue where it is better, orange where worse."""
    change, few = second - first, len(classes) <= FEW
    gain = change * (2 * np.eye(len(classes)) - 1)
    share = np.sqrt(np.abs(change) / max(1, np.abs(change).max()))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Predicted", ylabel="Actual")
        axes.grid(visible=False)
        colours = np.where((gain > 0)[..., None], BLUE, ORANGE)
        axes.imshow(np.concatenate([colours, STRONGEST * share[..., None]], axis=-1), interpolation="none")
        name_cells(axes, classes, classes, 8 if few else 5.5)
        for row, column in zip(*np.nonzero(change), strict=True) if few else ():
            number = f"{change[row, column]:+,}".replace("-", "\N{MINUS SIGN}")
            axes.text(column, row, number, color=INK, ha="center", va="center_baseline", fontsize=7.5)

    inches = side(len(classes), few) + 1.2
    return to_svg(name, (inches, inches), draw)


def curves(name: str, of_runs: Mapping[int, Curve]) -> Markup:
    """Draw a metric of several runs, by their numbers, on one axis."""
    kind, _, metric = name.partition("/")

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel=kind.capitalize(), ylabel=metric.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for number, curve in reversed(list(of_runs.items())):
            each, chosen = style(number), thinned(len(curve.steps))
            steps, values = curve.steps[chosen], curve.values[chosen]
            every = max(1, len(steps) // MARKED)
            # Curves that are equal hide each other; markers at other points show that both are there.
            places = (number * every // (max(of_runs) + 1), every) if len(steps) > MARKED else None
            axes.plot(steps, values, color=each.colour, linestyle=each.line, linewidth=1.5)
            axes.plot(
                steps, values, color=each.colour, linestyle="", marker=each.marker, markevery=places, markersize=5
            )
        if kind == "epoch":
            count_epochs(axes)

    return to_svg(f"curve-{name.replace('/', '-')}", CURVE, draw)


def thinned(points: int) -> Array:
    """Return which points of a curve are drawn: evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(int))
