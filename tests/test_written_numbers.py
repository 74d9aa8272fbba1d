"""Numbers with a currency, thousands separators or percent signs."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sprout.config.formats import FORMATS
from sprout.config.validate import choice
from sprout.data.formats import read_format
from sprout.data.formats.written_numbers import WritingSurvey
from sprout.data.listing import Listing


def read(*entries: str) -> list[str] | None:
    """The plain numbers of a column, which are added one by one; None where they are not read."""
    survey = WritingSurvey()
    for entry in entries:
        survey.update([entry])
    found = survey.found
    return None if found is None else found.plain_column(pa.array(entries)).to_pylist()


@pytest.mark.parametrize(
    ("entries", "plain"),
    [
        (["$1,013", "$950", "$12,500"], ["1013", "950", "12500"]),
        (["$1,013.50", "$9.99", "-$5"], ["1013.50", "9.99", "-5"]),
        (["1.013,50 EUR", "20,00 EUR", "1.000.000 EUR"], ["1013.50", "20.00", "1000000"]),
        (["1.013 EUR", "950 EUR"], ["1013", "950"]),
        (["€ 1 013,5", "€ 7"], ["1013.5", "7"]),
        (["CHF 1'013.50", "CHF 2'000"], ["1013.50", "2000"]),
        (["1\u00a0013,50 €", "7,25 €"], ["1013.50", "7.25"]),
        (["12 %", "7.5 %", "100%"], ["12", "7.5", "100"]),
        (["12,5 %", "7 %"], ["12.5", "7"]),
        (["1,013.25", "7", "950"], ["1013.25", "7", "950"]),
        (["1,234,567", "12"], ["1234567", "12"]),
        (["$1,01", "$7"], ["1.01", "7"]),
    ],
)
def test_what_is_clear_is_read(entries: list[str], plain: list[str]) -> None:
    assert read(*entries) == plain
    assert read(*reversed(entries)) == [*reversed(plain)]


@pytest.mark.parametrize(
    "entries",
    [
        ["1,013", "2,500"],  # thousands or decimals
        ["1,013 %", "2,500 %"],
        ["1,2", "3,4"],  # decimals or two numbers
        ["$5", "€7"],
        ["$5", "7"],
        ["12 %", "0.5"],
        ["$1,013", "$1.013"],
        ["1,013.50", "1.013,50"],
        ["555 123 456", "555 765 432"],
        ["192.168.1.10", "10.0.0.1"],
        ["2024-05-01"],
        ["$5", "on request"],
        ["+-5 %"],
        ["$5 EUR"],
        ["3", "4"],  # plain numbers
        [],
    ],
    ids=str,
)
def test_what_could_mean_several_numbers_or_none_is_not_read(entries: list[str]) -> None:
    assert read(*entries) is None


def table(root: Path, *lines: str, empty: str = "median") -> Listing:
    (root / "scratch").mkdir()
    (root / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"kind": "table", "file": "t.csv", "target": "y", "number": False, "missing": None, "columns": None}
    settings |= {"empty": empty, "split": None, "group": None, "classes": None}
    return read_format(root, root / "scratch", choice("format", settings, "kind", FORMATS))


def test_they_are_features_of_a_table_and_said(tmp_path: Path) -> None:
    lines = ["price,share,unclear,y", '"$1,013",12 %,"1,013",a', '"$950",NA,"2,500",b', ',7 %,"1,013",a']
    listing = table(tmp_path, *lines)
    assert listing.features == ["price", "price is empty", "share", "share is empty", "unclear=1,013", "unclear=2,500"]
    assert isinstance(listing.examples, np.ndarray)
    none = pytest.approx(float("nan"), nan_ok=True)
    assert listing.examples.tolist() == [[1013, 0, 12, 0, 1, 0], [950, 0, none, 1, 0, 1], [none, 1, 7, 0, 1, 0]]
    assert not listing.faults
    assert listing.notes[0] == (
        "numbers with signs or separators are read in 'price' ($1,013 is 1013), 'share' (12 % is 12)"
    )
    assert listing.notes[1].startswith(
        "taken as categories, as it is not clear which numbers they are: 'unclear' (such as 2,500); write plain "
    )


def test_an_empty_entry_may_be_a_fault(tmp_path: Path) -> None:
    listing = table(tmp_path, "price,y", "$5,a", ",b", "$7,a", empty="faulty")
    assert listing.faults == {1: "column 'price' is empty"}
    assert isinstance(listing.examples, np.ndarray)
    assert listing.examples[:, 0].tolist() == [5, 0, 7]
