"""The list of faulty examples: a few are left out, many end the stage."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from sprout.data.prepare.csv_lists import QUARANTINE, usable_rows, write_quarantine
from sprout.runtime.errors import UserError

ORIGIN = pa.array([f"cat/{row}.jpg" for row in range(99)] + ['a, "b"\nc'])


def test_few_faults_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier attempt listed is gone."""
    monkeypatch.chdir(tmp_path)
    QUARANTINE.parent.mkdir()
    QUARANTINE.write_text("earlier")
    assert usable_rows({3: "zero bytes"}, ORIGIN, 0.01).tolist() == [0, 1, 2, *range(4, 100)]
    assert len(usable_rows({}, ORIGIN, 0.0)) == 100
    assert not QUARANTINE.exists()


def test_too_many_faults_end_the_stage_and_are_all_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    faults = dict.fromkeys(range(0, 100, 10), "zero bytes") | {99: "no image"}
    with pytest.raises(UserError) as refused:
        usable_rows(faults, ORIGIN, 0.1)
    said = str(refused.value)
    assert "11 of 100 examples are faulty, more than prepare.max_faulty=0.1" in said
    assert "cat/0.jpg: zero bytes; cat/10.jpg" in said
    assert "and 6 more" in said
    with QUARANTINE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1] == {"origin": 'a, "b"\nc', "reason": "no image"}
    assert len(rows) == 11


def test_all_faulty_is_refused_even_where_all_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="2 of 2 examples are faulty"):
        usable_rows({0: "x", 1: "y"}, ORIGIN[:2], 1.0)


def test_no_examples_are_refused() -> None:
    with pytest.raises(UserError, match="no examples"):
        usable_rows({}, ORIGIN[:0], 0.01)


def test_without_faults_the_list_has_only_a_header(tmp_path: Path) -> None:
    write_quarantine(tmp_path / "q.csv", {}, ORIGIN, {})
    assert (tmp_path / "q.csv").read_text() == "origin,reason\n"
