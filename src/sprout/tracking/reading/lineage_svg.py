"""A lineage as a drawing: boxes from top to bottom, with arrows from what was used to what was made from it."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from sprout.report.svg import COLOURS, INK, MUTED, VARIABLES, to_svg
from sprout.runtime.files import atomic_write
from sprout.tracking.reading.lineage import Lineage, Node

WIDTH, LINE, PAD = 3.3, 0.19, 0.12
"""Of a box, of a line of text, and around the text, in inches."""
GAP_X, GAP_Y, MARGIN = 0.35, 0.4, 0.25
BESIDE = {"weights", "control"}
"""The nodes of the second column."""
LETTERS = 46
"""Characters that fit into a line of a box."""
DARK = {"ink": "#e3e6e8", "muted": "#9aa3ab", "line": "#31373d", "paper": "#14171a"}
DARK |= {"teacher": "#f0a04b", "control": "#a9c94f", "student": "#62b4ee"}
"""Colours on a dark screen, as on the report's page."""


@dataclass(frozen=True)
class Box:
    """Where a node is drawn, in inches from the top left."""

    node: Node
    left: float
    top: float

    @property
    def height(self) -> float:
        """Of the box."""
        return height_of(self.node)


def write_svg(path: Path, lineage: Lineage) -> None:
    """Write the drawing as a file of its own."""
    boxes = placed(lineage)
    width = max(box.left + WIDTH for box in boxes.values()) + MARGIN
    height = max(box.top + box.height for box in boxes.values()) + MARGIN
    drawn = to_svg("lineage", (width, height), lambda figure: draw(figure, lineage, boxes, (width, height)))
    with atomic_write(path) as beside:
        beside.write_text(standalone(str(drawn)), encoding="utf-8")


def standalone(svg: str) -> str:
    """Return an element of a page as a file, with the colours and the font that the page would give it."""
    light = {variable.removeprefix("var(--").removesuffix(")"): colour for colour, variable in VARIABLES.items()}
    colours, dark = ("".join(f"--{k}: {v};" for k, v in each.items()) for each in (light | {"paper": "#ffffff"}, DARK))
    style = (
        f"<style>svg {{{colours} background: var(--paper); font-family: system-ui, sans-serif}}"
        f"@media (prefers-color-scheme: dark) {{svg {{{dark}}}}}</style>"
    )
    names = ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head, rest = svg.split(">", 1)
    return f"{head.replace('<svg', f'<svg{names}', 1)}>{style}{rest}\n"


def placed(lineage: Lineage) -> dict[str, Box]:
    """Return a box for each node: one below the other, with those of `BESIDE` in a second column."""
    above, nodes = ancestors(lineage), {node.name: node for node in lineage.nodes}
    rows = {name: [node] for name, node in nodes.items() if name not in BESIDE}
    for name in nodes.keys() & BESIDE:
        apart = [each for each in rows if each not in above[name] and name not in above[each]]
        rows.get(apart[-1] if apart else name, rows.setdefault(name, [])).append(nodes[name])
    top, boxes = MARGIN + (len(title_of(lineage)) + 1) * LINE, dict[str, Box]()
    for row in filter(None, rows.values()):
        for node in row:
            left = MARGIN + (WIDTH + GAP_X if node.name in BESIDE else 0)
            boxes[node.name] = Box(node, left, top)
        top += max(map(height_of, row)) + GAP_Y
    return boxes


def ancestors(lineage: Lineage) -> dict[str, set[str]]:
    """Return all that each node was made from, directly or not."""
    above: dict[str, set[str]] = {}
    for node in lineage.nodes:
        above[node.name] = set(node.sources).union(*(above[source] for source in node.sources))
    return above


def direct(lineage: Lineage) -> list[tuple[str, str]]:
    """Return the arrows, from a source to what was made from it, without those that a longer way implies."""
    above = ancestors(lineage)
    return [
        (source, node.name)
        for node in lineage.nodes
        for source in node.sources
        if not any(source in above[other] for other in node.sources)
    ]


def draw(figure: Figure, lineage: Lineage, boxes: Mapping[str, Box], size: tuple[float, float]) -> None:
    """Draw boxes and arrows on a figure of a size in inches."""
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.axis("off")
    for number, text in enumerate(title_of(lineage)):
        axes.text(MARGIN, MARGIN + number * LINE, text, weight="bold", va="center")
    for source, made in direct(lineage):
        draw_arrow(axes, boxes[source], boxes[made])
    for box in boxes.values():
        draw_box(axes, box, asked=box.node.name == lineage.asked)


def draw_arrow(axes: Axes, source: Box, made: Box) -> None:
    """Draw an arrow downwards; between the columns it leaves or enters the first one by the side."""
    style = {"arrowstyle": "-|>", "color": MUTED, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.2}
    start, end = (source.left + WIDTH / 2, source.top + source.height), (made.left + WIDTH / 2, made.top)
    if source.left < made.left:
        start = (source.left + WIDTH, source.top + 2 / 3 * source.height)
        style["connectionstyle"] = "angle,angleA=0,angleB=90"
    elif source.left > made.left:
        end = (made.left + WIDTH, made.top + made.height / 3)
        style["connectionstyle"] = "angle,angleA=90,angleB=0"
    axes.annotate("", end, start, arrowprops=style)


def draw_box(axes: Axes, box: Box, *, asked: bool) -> None:
    """Draw a node; a thick border marks the one that was asked for."""
    name = box.node.name
    shape = FancyBboxPatch((box.left, box.top), WIDTH, box.height, boxstyle="round,pad=0,rounding_size=0.08")
    shape.set(facecolor="none", edgecolor=COLOURS.get(name, MUTED), linewidth=2.4 if asked else 1.0)
    axes.add_patch(shape)
    left, top = box.left + PAD, box.top + PAD + LINE / 2
    axes.text(left, top, name, color=COLOURS.get(name, INK), weight="bold", va="center")
    for number, text in enumerate(lines_of(box.node), 1):
        axes.text(left, top + number * LINE, text, color=MUTED, size=8.5, va="center")


def title_of(lineage: Lineage) -> list[str]:
    """Return the lines of the title."""
    run = f", run {lineage.run[:8]}" if lineage.run else ""
    return textwrap.wrap(f"{lineage.title}{run}", LETTERS - 6)  # which are bold


def height_of(node: Node) -> float:
    """Return the height of a node's box."""
    return 2 * PAD + LINE * (1 + len(lines_of(node)))


def lines_of(node: Node) -> list[str]:
    """Return the lines of a box below its name: path with hash, runs, details."""
    place = " ".join(filter(None, [node.path, (node.hash or "")[:12]]))
    runs = f"run{'s' if len(node.runs) > 1 else ''} {', '.join(run[:8] for run in node.runs)}" if node.runs else ""
    return [line for text in (place, runs, *node.details) if text for line in textwrap.wrap(text, LETTERS)]
