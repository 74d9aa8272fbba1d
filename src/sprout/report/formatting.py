"""Numbers as text. A missing value, NaN or infinity is a dash, never a zero."""

import json
import math
from typing import Any

MISSING = "–"
MINUS = "\N{MINUS SIGN}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.0519 → "5.2%"."""
    if share is None or not math.isfinite(share):
        return MISSING
    return f"{100 * share:.{digits}f}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """0.03149 → "0.031"; a zero has no sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:z.{digits}f}".replace("-", MINUS)


def compact(value: float | None) -> str:
    """A number in any unit, with four significant digits: 5.84333 → "5.843", 1234567.8 → "1.235e+06"."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.4g}".replace("-", MINUS)


def count(value: float | None) -> str:
    """12345 → "12,345"."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{round(value):,}"


def signed(value: float | None, digits: int, unit: str = "") -> str:
    """-0.02 → "−0.02": with its sign, except for zero."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.{digits}f}"
    sign = "" if float(text) == 0 else MINUS if value < 0 else "+"
    return sign + text + unit


def plural(value: int, noun: str, many: str | None = None) -> str:
    """1, "mistake" → "1 mistake"; 3 → "3 mistakes"; `many` is an irregular plural."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {many or noun + 's'}"


def settings(section: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Every setting below `section` as (dotted key, value), in the syntax of Hydra's overrides."""
    if not isinstance(section, dict) or not section:
        return [(prefix, section if isinstance(section, str) else json.dumps(section, ensure_ascii=False))]
    pairs: list[tuple[str, str]] = []
    for key, value in section.items():
        pairs += settings(value, f"{prefix}.{key}" if prefix else str(key))
    return pairs
