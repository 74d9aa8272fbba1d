"""Numbers as people write them: $1,013, 1.013,50 EUR, 12 %. A column is read where it can mean one thing only."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from sprout.data.formats.labels import translate

CURRENCY = r"US\$|[$€£¥₹₩]|EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK"  # none has three decimals
SPACES = "'’ \u00a0\u202f"
"""What separates thousands beside a comma or a point."""
ENTRY = re.compile(
    rf"(?P<sign>[+-]?)(?P<before>{CURRENCY})?[ \u00a0\u202f]?(?P<minus>[+-]?)"
    rf"(?P<digits>[0-9](?:[0-9.,{SPACES}]*[0-9])?)"
    rf"[ \u00a0\u202f]?(?P<after>{CURRENCY}|%)?"
)
BODY = {
    decimal: re.compile(
        rf"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:(?P<group>[{other}{SPACES}])[0-9]{{3}})(?:(?P=group)[0-9]{{3}})*)"
        rf"(?P<rest>{re.escape(decimal)}[0-9]+)?"
    )
    for decimal, other in ((".", ","), (",", "."))
}
"""By decimal mark: digits, with thousands separated or not."""


class Writing(NamedTuple):
    """How the numbers of a column are written."""

    decimal: str
    """Its decimal mark, a point or a comma."""
    example: str
    """An entry."""

    def plain(self, entry: str) -> str:
        """Return an entry as a plain number; unchanged if it is none."""
        found = ENTRY.fullmatch(entry)
        if found is None or BODY[self.decimal].fullmatch(found["digits"]) is None:
            return entry
        whole, _, rest = found["digits"].partition(self.decimal)
        return found["sign"] + found["minus"] + re.sub(r"[^0-9]", "", whole) + (f".{rest}" if rest else "")

    def plain_column(self, column: pa.Array) -> pa.Array:
        """Return a column of text with plain numbers, null where it is null."""
        entries = column.unique().drop_null().to_pylist()
        return translate(column, {entry: self.plain(entry) for entry in entries})[0]


@dataclass
class WritingSurvey:
    """What the entries of a column say of how they are written; to be filled batch by batch."""

    readings: set[str] = field(default_factory=lambda: {*BODY})
    """Decimal marks by which all entries are numbers."""
    units: set[str] = field(default_factory=set)
    """Currencies or %; empty text where an entry has none."""
    marks: set[str] = field(default_factory=set)
    """Of point and comma, those that stand in an entry."""
    proven: bool = False
    """Whether an entry has thousands as well as decimals, or millions."""
    example: str = ""

    def update(self, entries: Iterable[str]) -> None:
        """Add entries, until one is not a number."""
        for entry in entries:
            if not self.readings:
                return
            self.add(entry)

    def add(self, entry: str) -> None:
        """Add an entry."""
        found = ENTRY.fullmatch(entry)
        if found is None or (found["before"] and found["after"]) or (found["sign"] and found["minus"]):
            self.readings.clear()
            return
        bodies = {mark: body for mark in self.readings if (body := BODY[mark].fullmatch(found["digits"]))}
        self.readings &= bodies.keys()
        self.units.add(found["before"] or found["after"] or "")
        self.marks |= {*found["digits"]} & {".", ","}
        groups = [body for body in bodies.values() if body["group"] in (".", ",")]
        self.proven |= any(body["rest"] or found["digits"].count(body["group"]) > 1 for body in groups)
        self.example = max(self.example, entry, key=lambda text: (len(text), text))

    @property
    def unclear(self) -> str | None:
        """An entry, where all are such numbers, but may mean several; else None."""
        return self.example if self.readings and self.units and self.found is None else None

    @property
    def found(self) -> Writing | None:
        """How all entries are written; None where some are no such numbers, or it is not clear what they mean.

        Without a unit, 1,013 alone may be a number of thousands or have decimals; prices do not have three.
        """
        if not self.readings or len(self.units) != 1:
            return None
        (unit,) = self.units
        if len(self.readings) == 1:
            (decimal,) = self.readings
            return Writing(decimal, self.example) if unit or self.proven else None
        if not self.marks:
            return Writing(".", self.example) if unit else None
        if unit in ("", "%") or len(self.marks) > 1:
            return None
        return Writing("." if self.marks == {","} else ",", self.example)
