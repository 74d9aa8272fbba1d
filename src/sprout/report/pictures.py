"""Examples as pictures inside the page: PNG in a data URI, small ones enlarged with crisp pixels."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from sprout.data.store import Array

SIDES = (96, 64, 48, 32)
"""Longest side of a thumbnail in pixels; the first one that keeps a grid within GRID_BYTES is taken."""
GRID_BYTES = 800_000


@dataclass(frozen=True)
class Picture:
    """A thumbnail: `uri` is a data URI; width and height are in CSS pixels."""

    uri: str
    width: int
    height: int
    crisp: bool


def are_pictures(summary: dict[str, Any]) -> bool:
    """True when the examples of the store can be drawn: uint8 (H, W, 1) or (H, W, 3)."""
    shape = summary["shape"]
    return summary["dtype"] == "uint8" and len(shape) == 3 and shape[2] in (1, 3)


def pictures(images: Array) -> list[Picture]:
    """Draw `images`, (n, H, W, C) uint8 with C = 1 (grey) or 3 (RGB), in their order."""
    for side in SIDES:
        drawn = [picture(image, side) for image in images]
        if sum(len(one.uri) for one in drawn) <= GRID_BYTES:
            break
    return drawn


def picture(image: Array, side: int = SIDES[0]) -> Picture:
    """Draw one image, (H, W, C) uint8, at most `side` pixels long in the file.

    In the browser it is shown as large as a thumbnail may be; a small image is enlarged by a whole number, so
    that its pixels stay squares of one size.
    """
    drawn = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    if max(drawn.size) > side:
        drawn.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    drawn.save(file, format="PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    fit = SIDES[0] / max(image.shape[:2])
    zoom = int(fit) if fit >= 2 else fit
    height, width = (max(1, round(zoom * length)) for length in image.shape[:2])
    return Picture(uri, width, height, crisp=fit >= 2)


def spread(classes: Sequence[int], confidence: Sequence[float], wanted: int) -> list[int]:
    """Choose `wanted` examples spread over the classes and, within a class, from least to most confident.

    Returns positions into the two sequences, by class and then by rising confidence. Every class gets the
    same number as long as it has that many; with fewer places than classes, some classes get one each.
    """
    ranked: dict[int, list[int]] = {}
    for position in sorted(range(len(classes)), key=lambda i: (classes[i], confidence[i], i)):
        ranked.setdefault(classes[position], []).append(position)
    present = list(ranked)
    if wanted < len(present):
        present = [present[i] for i in _evenly(len(present), wanted)]
    shares = _shares([len(ranked[label]) for label in present], wanted)
    return [
        ranked[label][i]
        for turn, (label, share) in enumerate(zip(present, shares, strict=True))
        for i in _evenly(len(ranked[label]), share, alone=turn % 3 / 2)
    ]


def _shares(sizes: list[int], wanted: int) -> list[int]:
    """Deal `wanted` places out, one a turn, to those that still have examples left."""
    shares = [0] * len(sizes)
    while sum(shares) < min(wanted, sum(sizes)):
        for i, size in enumerate(sizes):
            if shares[i] < size and sum(shares) < wanted:
                shares[i] += 1
    return shares


def _evenly(size: int, wanted: int, alone: float = 0.5) -> list[int]:
    """`wanted` of the positions 0..size-1, evenly spaced from first to last; one alone at `alone`, 0..1."""
    if wanted == 1:
        return [round(alone * (size - 1))]
    return [round(i * (size - 1) / (wanted - 1)) for i in range(wanted)]
