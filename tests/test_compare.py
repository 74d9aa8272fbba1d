"""Comparing tracked runs: what differs, and whether two models differ beyond chance on the same examples."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table
from scipy.stats import ttest_rel

from compared_builds import CLASSES, EXAMPLES, build, subjects, training
from sprout.commands.compare import asked, lines
from sprout.comparison.words import headline, sentence
from sprout.evaluate.significance import paired_interval
from sprout.runtime.errors import UserError
from sprout.tracking import GitState, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.reading.compare import Comparison, compare, differing, side_by_side
from sprout.tracking.reading.curves import curves_of
from sprout.tracking.reading.paired import Cell, Estimate, Paired
from tracked_runs import make_build, runs_of, track


def compared(*ids: str) -> Comparison:
    return compare(subjects(*ids))


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
    assert isinstance(paired, Paired)
    # Wrong are 40 of A, 20 of B; 10 of both.
    assert (paired.examples, paired.worse, paired.better) == (200, 10, 30)
    low, high = paired_interval(10, 30, 200)
    assert paired.difference == Estimate(-0.1, -high, -low)
    assert paired.p == pytest.approx(0.0022, abs=1e-4)
    assert [error and error.value for error in found.errors] == [0.2, 0.1]
    printed = list(lines(found))
    assert [line for line in printed if line == "data: equal"]
    tables = {line.columns[0].header: line for line in printed if isinstance(line, Table)}
    assert set(tables) == {"settings", "code", "figures", "error of class"}
    assert [[*column.cells] for column in tables["code"].columns] == [["commit"], ["aaaa"], ["bbbb and changes"]]
    assert str(printed[-2]).startswith("B against A: 10.0 points less error on the same 200 test examples")
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
    assert compared(first, training.info.run_id).paired == ["train digits is not a finished build"]
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


def of_classes(worse: int, better: int, *estimate: float, p: float) -> Paired:
    return Paired("error", "test example", 200, worse, better, Estimate(*estimate), p)


@pytest.mark.parametrize(
    ("paired", "said"),
    [
        (
            of_classes(10, 30, -0.1, -0.16, -0.04, p=0.002),
            r"10\.0 points less .*-16\.0 to -4\.0 points, beyond chance",
        ),
        (
            of_classes(3, 1, 0.01, -0.01, 0.03, p=0.6),
            r"1\.0 points more .*within chance; only A is right on 3, only B on 1",
        ),
        (
            of_classes(3, 3, 0.0, -0.02, 0.02, p=1.0),
            r"^the same error on the same 200 .*\(McNemar's p = 1\)",
        ),
        (
            Paired("absolute error", "test example", 9, 2, 7, Estimate(-1.25, -2.5, 0.125), 0.07),
            r"^1\.25 less absolute error on the same 9 test examples, 95% interval -2\.5 to \+0\.125, within chance; "
            r"only A is nearer on 2, only B on 7 \(the paired t-test's p = 0\.07\)",
        ),
    ],
)
def test_what_is_said(paired: Paired, said: str) -> None:
    assert re.search(said, sentence(paired, "B"))


def test_values_side_by_side() -> None:
    assert side_by_side([{"a": 1}, {"b": 2}]) == {"a": (1, None), "b": (None, 2)}
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 3}]) == {"b": (2, 3)}


def test_each_class_is_compared(root: Path) -> None:
    # A takes all 20 examples of class 3 for class 4, B the half of them and one of class 5.
    threes = range(3, EXAMPLES, 10)
    first, second = build(root, 0, wrong=threes), build(root, 1, wrong=[*threes[:10], 5])
    found = compared(first, second)
    assert [each.name for each in found.classes] == CLASSES
    three = found.classes[3]
    assert (three.examples, three.errors) == ((20, 20), (1.0, 0.5))
    low, high = paired_interval(0, 10, 20)
    assert three.differences == (Estimate(-0.5, -high, -low),)
    assert found.classes[0].errors == (0.0, 0.0)
    assert found.confusions == [[Cell("3", "4", 20, 10), Cell("5", "6", 0, 1)]]
    printed = list(lines(found))
    (table,) = [each for each in printed if isinstance(each, Table) and each.columns[0].header == "error of class"]
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert [row[:4] for row in rows] == [("3", "20", "100.0%", "50.0%*"), ("5", "20", "0.0%", "5.0%")]
    assert rows[0][4] == "-50.0 (-68.1 to -22.8)"
    assert "classes that differ less or not at all: 8; --json and --html have all" in printed
    assert printed[-1] == "  most changed: 3 taken for 4 (A 20, B 10); 5 taken for 6 (A 0, B 1)"


def test_builds_with_other_classes(root: Path) -> None:
    names = [*CLASSES[:8], "eight", "9"]
    first, second = build(root, 0), build(root, 1, classes=names)
    third = build(root, 2, classes=CLASSES[::-1])
    found = compared(first, second, third)
    assert found.paired == [
        "the builds have other classes: only the first has 8, only the other has eight",
        "the builds have the same classes in another order",
    ]
    assert [each.examples for each in found.classes if each.name in ("8", "eight")] == [
        (20, None, 20),
        (None, 20, None),
    ]
    assert found.confusions == [[], []]
    assert headline(found) == "Against A: B, C not comparable"


def test_numbers_are_compared_by_their_absolute_errors(root: Path) -> None:
    random = np.random.default_rng(0)
    value = random.normal(size=50)
    tables = [{"row": np.arange(50), "value": value, "student": value + random.normal(0.0, std, 50)} for std in (1, 2)]
    first, second = (build(root, seed, table=table, classes=[]) for seed, table in enumerate(tables))
    found = compared(first, second)
    errors = [np.abs(table["student"] - value) for table in tables]
    test = ttest_rel(errors[1], errors[0])
    (paired,) = found.paired
    assert isinstance(paired, Paired)
    assert (paired.measure, paired.examples, paired.worse) == ("absolute error", 50, int((errors[0] < errors[1]).sum()))
    expected = (np.mean(errors[1] - errors[0]), *test.confidence_interval(0.95), test.pvalue)
    assert (*vars(paired.difference).values(), paired.p) == pytest.approx(expected)
    assert found.classes == []


def test_what_is_not_the_same_is_said(root: Path) -> None:
    rows, noise = np.arange(5), np.full(5, 0.1)
    image = {"row": rows, "noisy_mse": noise, "student": noise / 2}
    ids = [
        build(root, 0, table=image, classes=[]),
        build(root, 1, table=image | {"noisy_mse": noise * 2}, classes=[]),
        build(root, 2, table={"row": rows, "label": rows, "cluster": rows, "distance": noise}, classes=[]),
        build(root, 3, wrong=[1]),
        build(root, 4, table=image | {"student": noise / 4}, classes=[]),
    ]
    found = compared(*ids)
    assert found.paired[:3] == [
        "their inputs have other noise",
        "digits has no predictions example by example to compare with another build's",
        "one predicts images, the other classes",
    ]
    last = found.paired[3]
    assert isinstance(last, Paired)
    assert (last.measure, last.better, last.difference.value) == ("squared error", 5, pytest.approx(-0.025))
    assert last.p < 1e-9


def test_cross_validated_labels_are_no_test_examples(root: Path) -> None:
    crossed = {"student/cross_validation_error_rate": 0.1}
    ids = [build(root, seed, wrong=range(seed), figures=crossed) for seed in range(2)]
    found = compared(*ids, build(root, 2))
    assert isinstance(found.paired[0], Paired)
    assert found.paired[0].noun == "cross-validated label"
    assert found.paired[1] == "one was tested on the test split, the other by cross-validation"


def test_figures_that_are_equal_are_named_alone(root: Path) -> None:
    first, second = (build(root, seed, figures={"same": 0.5, "other": float(seed)}) for seed in range(2))
    printed = list(lines(compared(first, second)))
    tables = {each.columns[0].header: each for each in printed if isinstance(each, Table)}
    assert list(tables["figures"].columns[0].cells) == ["other"]
    assert "equal in all runs: same" in printed
    assert "errors of the classes: equal" in printed


def test_a_run_given_twice_is_refused(root: Path) -> None:
    first = build(root, 0)
    with pytest.raises(UserError, match=rf"run {first[:8]} \(digits\): is given twice"):
        subjects(first, first)


def test_the_curves_of_a_build_are_those_of_the_model_that_it_hands_on(root: Path) -> None:
    training(0, "teacher", [9.0])
    training(0, "control", [3.0, 2.0], val_error_rate=0.2)
    training(0, "control", [3.0, 1.0], val_error_rate=0.1)
    training(0, "control", [5.0], val_error_rate=0.3)
    run = build(root, 0, role="control", figures={"control/val_error_rate": 0.1, "control/test_error_rate": 0.0})
    (subject, _) = subjects(run, build(root, 1))
    curves = curves_of(connect(tracking_uri()), subject.facts)
    assert {name: (curve.steps.tolist(), curve.values.tolist()) for name, curve in curves.items()} == {
        "epoch/val_loss": ([1, 2], [3.0, 1.0])
    }


def test_several_runs_are_each_compared_with_the_first(root: Path) -> None:
    ids = [build(root, seed, wrong=range(wrong)) for seed, wrong in enumerate((40, 40, 10, 80, 42))]
    found = compared(*ids)
    assert headline(found) == "Against A: C better; D worse; B, E within chance"
