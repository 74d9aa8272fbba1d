"""A few faulty examples are left out and listed, many end the stage."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from sprout.data.prepare.quarantine import LISTED, sound_rows, write_quarantine
from sprout.runtime.errors import UserError

ORIGIN = pa.array([f"cat/{row}.jpg" for row in range(99)] + ['a, "b"\nc'])


def test_few_faults_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier attempt listed is gone."""
    monkeypatch.chdir(tmp_path)
    LISTED.parent.mkdir()
    LISTED.write_text("earlier")
    assert sound_rows({3: "zero bytes"}, ORIGIN, 0.01).tolist() == [0, 1, 2, *range(4, 100)]
    assert len(sound_rows({}, ORIGIN, 0.0)) == 100
    assert not LISTED.exists()


def test_more_than_the_share_end_the_stage_and_are_all_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    faults = dict.fromkeys(range(0, 100, 10), "zero bytes") | {99: "no image"}
    with pytest.raises(UserError) as refused:
        sound_rows(faults, ORIGIN, 0.1)
    said = str(refused.value)
    assert "11 of 100 examples are faulty, more than prepare.max_faulty=0.1" in said
    assert "cat/0.jpg: zero bytes; cat/10.jpg" in said
    assert "and 6 more" in said
    with LISTED.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1] == {"origin": 'a, "b"\nc', "reason": "no image"}
    assert len(rows) == 11


def test_all_faulty_is_refused_even_where_all_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="2 of 2 examples are faulty"):
        sound_rows({0: "x", 1: "y"}, ORIGIN[:2], 1.0)


def test_no_examples_are_refused() -> None:
    with pytest.raises(UserError, match="no examples"):
        sound_rows({}, ORIGIN[:0], 0.01)


def test_without_faults_there_is_the_head_alone(tmp_path: Path) -> None:
    write_quarantine(tmp_path / "q.csv", {}, ORIGIN)
    assert (tmp_path / "q.csv").read_text() == "origin,reason\n"
