"""Comparing tracked runs: what differs, and whether two models differ beyond chance on the same examples."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.table import Table

from sprout.commands.compare import asked, lines, sentence
from sprout.evaluate.significance import paired_interval
from sprout.runtime.errors import UserError
from sprout.tracking import HANDED_ON, GitState, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.reading.compare import Paired, compare, differing, side_by_side
from sprout.tracking.reading.find import find_run
from tracked_runs import make_build, runs_of, track

LABELS = np.arange(200) % 10


def build(
    root: Path, seed: int, *, wrong: range, digest: str = "abc", store: str | None = None, git: GitState | None = None
) -> str:
    """Track a build whose student is wrong on these examples; return the id of its run."""
    table = pa.table({"row": np.arange(200), "label": LABELS, "student": LABELS + np.isin(np.arange(200), wrong)})
    (root / "evaluation").mkdir(exist_ok=True)
    pq.write_table(table, root / "predictions.parquet")
    (root / "store.json").write_text(json.dumps({"sha256": store, "examples": 200}))
    made = make_build(seed)
    data = {"data/prepared": digest * 12}
    with track(made, "build", tracking_uri(), data, git, {HANDED_ON: "student"}) as run:
        run.log_metrics({"student/test_error_rate": len(wrong) / 200})
        run.log_artifact(root / "predictions.parquet", "evaluation")
        if store:
            run.log_artifact(root / "store.json", "data/test")
    (found,) = runs_of(tracking_uri(), role="build", build=made.name)
    return str(found.info.run_id)


def compared(*ids: str) -> Any:
    client = connect(tracking_uri())
    return compare(client, [find_run(client, each) for each in ids])


def test_what_differs_between_builds(root: Path) -> None:
    git = [GitState("aaaa", ""), GitState("bbbb", "--- x\n")]
    first = build(root, 0, wrong=range(40), git=git[0])
    second = build(root, 1, wrong=range(30, 50), git=git[1])
    found = compared(first, second)
    assert found.settings == {"seed": ("0", "1")}
    assert found.data == {}
    assert found.code == (("aaaa", False), ("bbbb", True))
    assert found.figures == {"student/test_error_rate": (0.2, 0.1)}
    (paired,) = found.paired
    # Wrong are 40 of A, 20 of B; 10 of both.
    assert (paired.examples, paired.worse, paired.better, paired.difference) == (200, 10, 30, -0.1)
    low, high = paired_interval(10, 30, 200)
    assert (paired.low, paired.high) == (-high, -low)
    assert paired.p == pytest.approx(0.0022, abs=1e-4)
    printed = list(lines(found))
    assert [line for line in printed if line == "data: equal"]
    tables = {line.columns[0].header: line for line in printed if isinstance(line, Table)}
    assert set(tables) == {"settings", "code", "figures"}
    assert [[*column.cells] for column in tables["code"].columns] == [["commit"], ["aaaa"], ["bbbb and changes"]]
    assert str(printed[-1]).startswith("B against A: 10.0 points less error on the same 200 test examples")
    assert json.loads(json.dumps(asdict(found)))["paired"][0]["better"] == 30


def test_the_same_test_split_of_other_data(root: Path) -> None:
    first = build(root, 0, wrong=range(10), digest="abc", store="same")
    second = build(root, 1, wrong=range(10), digest="def", store="same")
    third = build(root, 2, wrong=range(10), digest="ghi", store="other")
    fourth = build(root, 3, wrong=range(10), digest="jkl")
    paired = compared(first, second, third, fourth).paired
    assert isinstance(paired[0], Paired)
    assert (paired[0].worse, paired[0].better, paired[0].p) == (0, 0, 1.0)
    assert paired[1:] == ["the builds were tested on other examples"] * 2


def test_what_cannot_be_compared_example_by_example(root: Path) -> None:
    first = build(root, 0, wrong=range(10))
    with track(make_build(5), "train", tracking_uri(), nested=False):
        pass
    (training,) = runs_of(tracking_uri(), role="train")
    assert compared(first, training.info.run_id).paired == ["train digits is no build that has ended"]
    with pytest.raises(UserError, match="1 run: give two or more, or a filter that finds them"):
        compared(first)


def test_runs_are_named_or_found(root: Path) -> None:
    ids = [build(root, seed, wrong=range(10 * (seed + 1))) for seed in range(3)]
    client = connect(tracking_uri())
    assert [run.info.run_id for run in asked(client, ["student.error_rate<0.12", "best=9"])] == ids[:2]
    assert [run.info.run_id for run in asked(client, [ids[2], ids[0][:10]])] == [ids[2], ids[0]]


@pytest.mark.parametrize(
    ("first", "second", "total", "low", "high"),
    # By hand: (c − b) / (n + 2) ± 1.96 · sqrt(b + c − (c − b)² / (n + 2)) / (n + 2), half an example more in each cell.
    [(0, 0, 98, -0.0196, 0.0196), (10, 30, 200, 0.0384, 0.1596), (1, 0, 8, -0.3702, 0.1702)],
)
def test_the_interval_of_a_paired_difference(first: int, second: int, total: int, low: float, high: float) -> None:
    assert paired_interval(first, second, total) == pytest.approx((low, high), abs=2e-4)


def test_the_interval_covers_the_difference() -> None:
    """Of 2,000 simulated comparisons of 300 examples at least 94% hold the true difference."""
    random = np.random.default_rng(0)
    cells = random.multinomial(300, [0.8, 0.05, 0.1, 0.05], size=2000)
    held = [low <= 0.05 <= high for low, high in (paired_interval(b, c, 300) for _, b, c, _ in cells.tolist())]
    assert np.mean(held) >= 0.94


@pytest.mark.parametrize(
    ("paired", "said"),
    [
        (
            Paired(200, 10, 30, -0.1, -0.16, -0.04, 0.002),
            r"10\.0 points less .*-16\.0 to -4\.0 points, beyond chance",
        ),
        (
            Paired(200, 3, 1, 0.01, -0.01, 0.03, 0.6),
            r"1\.0 points more .*within chance; only A is right on 3, only B on 1",
        ),
        (
            Paired(200, 3, 3, 0.0, -0.02, 0.02, 1.0),
            r"^the same error on the same 200 .*\(McNemar's p = 1\)",
        ),
    ],
)
def test_what_is_said(paired: Paired, said: str) -> None:
    assert re.search(said, sentence(paired, "B"))


def test_values_side_by_side() -> None:
    assert side_by_side([{"a": 1}, {"b": 2}]) == {"a": (1, None), "b": (None, 2)}
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 3}]) == {"b": (2, 3)}
