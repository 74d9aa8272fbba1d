"""How each run is drawn: a colour, a line and a marker, so that none of them alone must tell runs apart."""

from dataclasses import dataclass

from sprout.report.svg import INK, VARIABLES

COLOURS = ("#1d70b8", "#c4500c", "#2e8540", "#8f4fc4", "#c72c6c", "#0f7f86")
"""Each has a contrast of 3 or more to a white page and to a dark one."""
LINES: tuple[tuple[int, tuple[float, ...]], ...] = ((0, ()), (0, (4, 2)), (0, (1.2, 1.6)))
"""Solid, dashed and dotted, as matplotlib takes them."""
MARKERS = {
    "s": "M13 1h10v10H13Z",
    "^": "M18 0L24.5 11H11.5Z",
    "D": "M18 -.5L24.5 6L18 12.5L11.5 6Z",
    "v": "M18 12L11.5 1H24.5Z",
    "P": "M16 .5h4v3.5h3.5v4H20v3.5h-4V8h-3.5V4H16Z",
    "X": "M14.5 .5L18 4L21.5 .5L24 3L21 6L24 9L21.5 11.5L18 8L14.5 11.5L12 9L15 6L12 3Z",
}
"""By matplotlib's name, the same as a path in a box of 36 × 12."""
FIRST_MARKER, FIRST_PATH = "o", "M13 6a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z"


@dataclass(frozen=True)
class Style:
    """How one run is drawn."""

    colour: str
    line: tuple[int, tuple[float, ...]]
    marker: str
    path: str
    """The marker as a path of SVG."""

    @property
    def css(self) -> str:
        """The colour as the page writes it."""
        return VARIABLES.get(self.colour, self.colour)

    @property
    def dashes(self) -> str:
        """The line as SVG writes it; empty for a solid one."""
        return " ".join(f"{2 * length:g}" for length in self.line[1])


def style(number: int) -> Style:
    """Return the style of a run, by its number from 0; the first is drawn in the ink of the page."""
    if not number:
        return Style(INK, LINES[0], FIRST_MARKER, FIRST_PATH)
    turn, place = divmod(number - 1, len(COLOURS))
    marker = list(MARKERS)[(number - 1 + turn) % len(MARKERS)]
    return Style(COLOURS[place], LINES[turn % len(LINES)], marker, MARKERS[marker])
