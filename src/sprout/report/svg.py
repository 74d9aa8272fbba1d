"""Matplotlib figures as SVG that takes its colours and its font from the page around it.

A figure is drawn with the placeholder colours below, which the SVG replaces by the CSS variables of the page: one
drawing fits a light screen, a dark screen and paper. Text stays text, in the page's font.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, LINE = "#101010", "#707070", "#d0d0d0"
TEACHER, CONTROL, STUDENT = "#b65a00", "#5d7a00", "#0068a8"
COLOURS = {"teacher": TEACHER, "control": CONTROL, "student": STUDENT}
LARGEST = 110
"""CSS pixels per inch, at most; 96 is the natural size."""
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    TEACHER: "var(--teacher)",
    CONTROL: "var(--control)",
    STUDENT: "var(--student)",
}
STYLE = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
}


def to_svg(name: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Markup:
    """Draw on an empty figure of `size` (width, height in inches) and return one `<svg>` element.

    The same drawing gives the same text. `name` must be unique on the page, as the ids of clip paths and markers are
    made from it.
    """
    file = io.StringIO()
    with _style(name):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        nothing = dict.fromkeys(["Date", "Creator", "Format", "Type"])
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    return Markup(_inline(file.getvalue(), size[0]))  # noqa: S704, matplotlib escapes the text that it writes


@contextmanager
def _style(name: str) -> Iterator[None]:
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Matplotlib measures text with its own font; a glyph missing there is drawn by the browser's.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE | {"svg.hashsalt": name})
        yield


def _inline(svg: str, inches: float) -> str:
    """The `<svg>` element alone, as wide as the page but no wider than LARGEST allows, so that text keeps its size."""
    svg = svg[svg.index("<svg ") :]
    width = f' style="max-width: {LARGEST * inches:.0f}px"'
    svg = re.sub(r' width="[^"]*" height="[^"]*"', width, svg, count=1)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' *<g id="[^"]*"/>\n', "", svg)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"| version="1.1"', "", svg)
    return re.sub(r'style="[^"]*"', _restyle, svg).strip()


def _restyle(style: re.Match[str]) -> str:
    text = re.sub(r"font-family: [^;\"]*;? ?", "", style.group())
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    return text
