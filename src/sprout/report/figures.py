"""The curves and diagrams of the page, each as one `<svg>` element."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sprout.data.store import Array
from sprout.report.inputs import Model, to_float
from sprout.report.svg import COLOURS, INK, LINE, MUTED, STUDENT, to_svg

CURVE = (5.0, 3.0)
"""Width and height in inches. Text of 9 points is about 13 pixels high in a column of 480 pixels."""
FEW = 20
"""Up to this many classes, the cells of a matrix show their counts."""
MAX_POINTS = 1000
"""A scatter plot draws a subset of more points: the page would become slow without becoming clearer."""
MARKERS = {"teacher": "o", "control": "^", "student": "s"}


def history_curves(models: Mapping[str, Model], column: str, label: str, *, percent: bool = False) -> Markup:
    """Learning curves: train dashed, val solid if there is one, the epoch whose weights are kept marked; from 1.

    Args:
        models: each with a history.
        column: of the history, without its split, such as "loss".
        label: of the vertical axis.
        percent: whether its values are shares.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Epoch", ylabel=label)
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        for name, model in models.items():
            _history(axes, name, model, column)
        count_epochs(axes)

    return to_svg(f"history-{column}", CURVE, draw)


def _history(axes: Axes, name: str, model: Model, column: str) -> None:
    epoch, colour = model.history["epoch"], COLOURS[name]
    train, val = model.history[f"train_{column}"], model.history.get(f"val_{column}")
    single = "." if len(epoch) == 1 else ""
    axes.plot(epoch, train, color=colour, linestyle=(0, (3, 2)), linewidth=1.1, marker=single)
    if val is not None:
        axes.plot(epoch, val, color=colour, marker=single)
    kept, shown = epoch == model.training["best_epoch"], train if val is None else val
    axes.plot(epoch[kept], shown[kept], color=colour, marker=MARKERS[name], markersize=6, linestyle="")


def count_epochs(axes: Axes) -> None:
    """Let the axis of what is drawn show whole epochs, which are counted from 1, and no 0."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(left=max(0.5, axes.get_xlim()[0]))


def reliability(bins: Sequence[Mapping[str, str]], models: Sequence[str], when: str) -> Markup:
    """Accuracy by confidence, above the share of the test examples in each bin of confidence.

    Args:
        bins: rows of `calibration.csv`; a bin without examples is not drawn.
        models: those to draw.
        when: before or after calibration.
    """
    drawn = [row for row in bins if row["calibration"] == when]

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 2])
        above.set(ylabel="Accuracy", xlim=(0, 1), ylim=(0, 1.02))
        below.set(xlabel="Confidence", ylabel="Examples (share)")
        above.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for axis in (above.xaxis, above.yaxis, below.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for name in models:
            _reliability(above, below, name, [row for row in drawn if row["model"] == name])
        below.set_ylim(bottom=0)

    return to_svg(f"reliability-{when}", (5.0, 4.4), draw)


def _reliability(above: Axes, below: Axes, name: str, bins: Sequence[Mapping[str, str]]) -> None:
    columns = ([to_float(row[key]) for row in bins] for key in ("confidence", "accuracy", "count"))
    confidence, accuracy, count = (np.array(column) for column in columns)
    filled = count > 0
    above.plot(confidence[filled], accuracy[filled])
    below.plot(confidence[filled], count[filled] / count.sum(), linewidth=1)
    for line in (*above.lines[-1:], *below.lines[-1:]):
        line.set(color=COLOURS[name], marker=MARKERS[name], markersize=4.5)


def confusion_matrix(matrix: Array, classes: Sequence[str], name: str = "confusion") -> Markup:
    """`matrix`: (K, K) counts, rows actual, columns predicted. Counts are written up to 20 classes."""
    return _counts(name, matrix, classes, classes, "Actual", "Predicted")


def contingency(matrix: Array, classes: Sequence[str], clusters: Sequence[str]) -> Markup:
    """`matrix`: (K, C) counts, rows classes, columns clusters. Counts are written up to 20 of either."""
    return _counts("contingency", matrix, classes, clusters, "Class", "Cluster")


def _counts(
    name: str, matrix: Array, rows: Sequence[str], columns: Sequence[str], of_rows: str, of_columns: str
) -> Markup:
    few = max(len(rows), len(columns)) <= FEW
    height, width = (side(len(names), few) for names in (rows, columns))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel=of_columns, ylabel=of_rows)
        axes.grid(visible=False)
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(_shade(share), interpolation="none")
        name_cells(axes, rows, columns, 8 if few else 5.5)
        for row, column in zip(*np.nonzero(matrix), strict=True) if few else ():
            ink = "#ffffff" if share[row, column] > 0.25 else INK
            number = f"{matrix[row, column]:,}"
            axes.text(column, row, number, color=ink, ha="center", va="center_baseline", fontsize=7.5)

    return to_svg(name, (width + 1.2, height + 1.2), draw)


def side(cells: int, few: bool) -> float:
    """Inches of a side of a matrix."""
    return max(2.4, 0.4 * cells) if few else min(10.5, max(6.5, 0.105 * cells))


def _shade(share: Array) -> Array:
    """Blue whose opacity is the square root of the share: a confusion of 1 in 100 is still visible."""
    blue = np.broadcast_to(np.array([0.13, 0.44, 0.71]), (*share.shape, 3))
    return np.concatenate([blue, np.sqrt(share)[..., None]], axis=-1)


def name_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str], size: float) -> None:
    """Name the rows and columns of a matrix, in this size; long names are cut."""
    down, across = (
        [name if len(name) <= 16 else f"{name[:9]}…{name[-6:]}" for name in names] for names in (rows, columns)
    )
    sideways = max(map(len, across)) > 2
    axes.set_xticks(range(len(columns)), across, fontsize=size, rotation=90 if sideways else 0)
    axes.set_yticks(range(len(rows)), down, fontsize=size)
    axes.tick_params(length=0)


def confidence_histogram(labeller: str, confidence: Array) -> Markup:
    """Histogram of the confidence of the labels of a model that are accepted, (n,) in 0..1."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Confidence", ylabel="Accepted labels")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        low = min(0.99, float(confidence.min()))
        axes.hist(confidence, bins=20, range=(low, 1.0), color=MUTED, edgecolor=LINE, linewidth=0.4)

    return to_svg(f"confidence-{labeller.replace(' ', '-')}", CURVE, draw)


def labels_by_epoch(rows: Sequence[Mapping[str, str]]) -> Markup:
    """Coverage and precision of the labels that a training gave, from rows of `labels_by_epoch.csv`; with intervals."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Epoch", ylabel="Share of the labels")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for measure, words, colour in (("coverage", "counted", MUTED), ("precision", "of these right", STUDENT)):
            of_measure = [row for row in rows if row["measure"] == measure and row["total"] != "0"]
            columns = (
                np.array([to_float(row[key]) for row in of_measure]) for key in ("epoch", "share", "low", "high")
            )
            epoch, share, low, high = columns
            if len(epoch):
                axes.fill_between(epoch, low, high, color=colour, alpha=0.15, linewidth=0)
                axes.plot(epoch, share, color=colour, label=words, marker="o", markersize=3)
        count_epochs(axes)
        axes.legend(frameon=False)

    return to_svg("labels-by-epoch", CURVE, draw)


def scatter(true: Array, predicted: Array, model: str) -> Markup:
    """Predicted against true values, (N,) each; they are equal on the dotted line."""
    chosen = np.unique(np.linspace(0, len(true) - 1, min(len(true), MAX_POINTS)).round().astype(int))

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


def residuals(residual: Array, model: str) -> Markup:
    """Histogram of the residuals, (N,) predicted minus true."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="Predicted minus true", ylabel="Test examples")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.hist(residual, bins=_bins(len(residual)), color=COLOURS[model], edgecolor=LINE, linewidth=0.4)
        axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))

    return to_svg("residuals", CURVE, draw)


def error_histogram(noisy: Array | None, restored: Array, model: str) -> Markup:
    """Histograms of mean squared errors, (N,) each: of noisy images, if any, in grey, and of restored ones."""
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
    """Bins of a histogram of this many examples."""
    return int(np.clip(round(examples**0.5), 5, 30))
