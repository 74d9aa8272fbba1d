"""The curves and diagrams of the page, each as one `<svg>` element."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sprout.data.store import Array
from sprout.report.inputs import Model, to_float
from sprout.report.svg import COLOURS, INK, LINE, MUTED, to_svg

CURVE = (5.0, 3.0)
"""Inches. Text of 9 points then reads as about 13 pixels in a column of 480 pixels."""
FEW = 20
"""Up to so many classes a matrix has its counts written into its cells."""
MOST_POINTS = 1000
"""A scatter plot of more draws some of them: the page would get slow, and no clearer."""
MARKERS = {"teacher": "o", "student": "s"}


def history_curves(models: Mapping[str, Model], quantity: str, label: str) -> Markup:
    """`quantity` ("loss" or "accuracy") by epoch: train dashed, val solid, the best epoch marked."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if quantity == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        for name, model in models.items():
            _history(axes, name, model, quantity)

    return to_svg(f"history-{quantity}", CURVE, draw)


def _history(axes: Axes, name: str, model: Model, quantity: str) -> None:
    epoch, colour = model.history["epoch"], COLOURS[name]
    train, val = model.history[f"train_{quantity}"], model.history[f"val_{quantity}"]
    single = "." if len(epoch) == 1 else ""
    axes.plot(epoch, train, color=colour, linestyle=(0, (3, 2)), linewidth=1.1, marker=single)
    axes.plot(epoch, val, color=colour, marker=single)
    best = epoch == model.metrics["best_epoch"]
    axes.plot(epoch[best], val[best], color=colour, marker=MARKERS[name], markersize=6, linestyle="")


def reliability(bins: Sequence[Mapping[str, str]], models: Sequence[str]) -> Markup:
    """Accuracy by confidence, above the share of the test examples in each bin of confidence.

    `bins` has the columns model, bin, confidence, accuracy, count; a bin without examples is not drawn.
    """

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 2])
        above.set(ylabel="Accuracy", xlim=(0, 1), ylim=(0, 1.02))
        below.set(xlabel="Confidence", ylabel="Examples (share)")
        above.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for axis in (above.xaxis, above.yaxis, below.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for name in models:
            _reliability(above, below, name, [row for row in bins if row["model"] == name])
        below.set_ylim(bottom=0)

    return to_svg("reliability", (5.0, 4.4), draw)


def _reliability(above: Axes, below: Axes, name: str, bins: Sequence[Mapping[str, str]]) -> None:
    columns = ([to_float(row[key]) for row in bins] for key in ("confidence", "accuracy", "count"))
    confidence, accuracy, count = (np.array(column) for column in columns)
    filled = count > 0
    above.plot(confidence[filled], accuracy[filled])
    below.plot(confidence[filled], count[filled] / count.sum(), linewidth=1)
    for line in (*above.lines[-1:], *below.lines[-1:]):
        line.set(color=COLOURS[name], marker=MARKERS[name], markersize=4.5)


def confusion_matrix(matrix: Array, classes: Sequence[str]) -> Markup:
    """`matrix`: (K, K) counts, rows actual, columns predicted. Counts are written up to 20 classes."""
    return _counts("confusion", matrix, classes, classes, "Actual", "Predicted")


def contingency(matrix: Array, classes: Sequence[str], clusters: Sequence[str]) -> Markup:
    """`matrix`: (K, C) counts, rows classes, columns clusters. Counts are written up to 20 of either."""
    return _counts("contingency", matrix, classes, clusters, "Class", "Cluster")


def _counts(
    name: str, matrix: Array, rows: Sequence[str], columns: Sequence[str], of_rows: str, of_columns: str
) -> Markup:
    few = max(len(rows), len(columns)) <= FEW
    height, width = (_side(len(names), few) for names in (rows, columns))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel=of_columns, ylabel=of_rows)
        axes.grid(visible=False)
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(_shade(share), interpolation="none")
        _name_cells(axes, rows, columns, 8 if few else 5.5)
        for row, column in zip(*np.nonzero(matrix), strict=True) if few else ():
            ink = "#ffffff" if share[row, column] > 0.25 else INK
            number = f"{matrix[row, column]:,}"
            axes.text(column, row, number, color=ink, ha="center", va="center_baseline", fontsize=7.5)

    return to_svg(name, (width + 1.2, height + 1.2), draw)


def _side(cells: int, few: bool) -> float:
    """Inches."""
    return max(2.4, 0.4 * cells) if few else min(10.5, max(6.5, 0.105 * cells))


def _shade(share: Array) -> Array:
    """One blue, more opaque with the share's square root: a confusion of 1 in 100 can still be seen."""
    blue = np.broadcast_to(np.array([0.13, 0.44, 0.71]), (*share.shape, 3))
    return np.concatenate([blue, np.sqrt(share)[..., None]], axis=-1)


def _name_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str], size: float) -> None:
    down, across = (
        [name if len(name) <= 16 else f"{name[:9]}…{name[-6:]}" for name in names] for names in (rows, columns)
    )
    sideways = max(map(len, across)) > 2
    axes.set_xticks(range(len(columns)), across, fontsize=size, rotation=90 if sideways else 0)
    axes.set_yticks(range(len(rows)), down, fontsize=size)
    axes.tick_params(length=0)


def confidence_histogram(confidence: Array) -> Markup:
    """How many pseudo-labels were accepted at which confidence, `confidence`: (n,) in 0..1."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Confidence", ylabel="Accepted pseudo-labels")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        low = min(0.99, float(confidence.min()))
        axes.hist(confidence, bins=20, range=(low, 1.0), color=MUTED, edgecolor=LINE, linewidth=0.4)

    return to_svg("confidence", CURVE, draw)


def scatter(true: Array, predicted: Array, model: str) -> Markup:
    """Predicted against true values, (N,) each; where they are equal lies the dotted line."""
    chosen = np.unique(np.linspace(0, len(true) - 1, min(len(true), MOST_POINTS)).round().astype(int))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="True", ylabel="Predicted")
        axes.grid(axis="both")
        ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
        axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.plot(
            true[chosen],
            predicted[chosen],
            color=COLOURS[model],
            marker=MARKERS[model],
            markersize=4,
            markeredgewidth=0,
            linestyle="",
            alpha=0.55,
        )

    return to_svg("scatter", (4.6, 4.2), draw)


def residuals(off: Array, model: str) -> Markup:
    """How often a prediction is how far off, `off`: (N,) predicted minus true."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Predicted minus true", ylabel="Test examples")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.hist(off, bins=_bins(len(off)), color=COLOURS[model], edgecolor=LINE, linewidth=0.4)
        axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))

    return to_svg("residuals", CURVE, draw)


def error_histogram(noisy: Array | None, restored: Array, model: str) -> Markup:
    """How often an image has which mean squared error, (N,) each: before, if there is noise, in grey, and after."""
    largest = float(max(restored.max(), 0 if noisy is None else noisy.max()))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Mean squared error", ylabel="Test images")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        edges = np.linspace(0, largest or 1.0, 2 * _bins(len(restored)) + 1).tolist()
        if noisy is not None:
            axes.hist(noisy, edges, color=MUTED, edgecolor=LINE, linewidth=0.3)
        axes.hist(restored, edges, color=COLOURS[model], alpha=0.85, edgecolor=LINE, linewidth=0.3)

    return to_svg("errors", CURVE, draw)


def _bins(examples: int) -> int:
    """So many that a bin has some examples in it."""
    return int(np.clip(round(examples**0.5), 5, 30))
