"""The page of `sprout compare`, and where it goes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from commands import Ended
from compared_builds import CLASSES, build, subjects, training
from html_page import Reader, linked, sections, self_contained
from sprout.comparison import figures
from sprout.comparison.page import write_page
from sprout.comparison.rows import interval
from sprout.comparison.styles import COLOURS, style
from sprout.comparison.words import letters
from sprout.evaluate.significance import cross_validated_interval, wilson_interval
from sprout.tracking import tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.reading.compare import compare
from sprout.tracking.reading.curves import curves_of
from tracked_runs import artifacts, runs_of

Sprout = Callable[..., Ended]
THREES = range(3, 200, 10)


def page_of(root: Path, *ids: str) -> str:
    found, client = subjects(*ids), connect(tracking_uri())
    write_page(root / "page.html", found, compare(found), [curves_of(client, each.facts) for each in found])
    return (root / "page.html").read_text(encoding="utf-8")


def test_the_page_of_two_classifiers(root: Path) -> None:
    for seed, losses in enumerate(([3.0, 2.0, 1.0], [2.0, 1.5])):
        training(seed, "student", losses)
    first, second = build(root, 0, wrong=THREES), build(root, 1, wrong=[*THREES[:10], 5])
    page = page_of(root, first, second)
    assert self_contained(page)
    assert sections(page) == linked(page) == ["runs", "answer", "differs", "figures", "classes", "confusions", "curves"]
    assert "<h1>B has 4.5 points less error than A: beyond chance</h1>" in page
    rows = Reader(page).rows
    low, high = (f"{100 * share:.1f}%" for share in wilson_interval(20, 200))
    assert ["A", f"10.0%{low} to {high}", "–", "", "–", "–", "–"] in rows
    assert ["B", "5.5%3.1% to 9.6%", "−4.5−7.8 to −1.2", "better", "0.012", "1", "10"] in rows
    assert ["seed", "0", "1"] in rows
    assert ["3", "20", "100.0%", "50.0%−50.0 (−68.1 to −22.8)"] in rows
    assert ["3 → 4", "20", "10"] in rows
    assert ["5 → 6", "0", "1"] in rows
    assert "Confusion matrix of B minus that of A" in page
    assert re.findall(r"<figcaption><code>(.*?)</code>", page) == ["epoch/val_loss"]


def test_the_page_of_builds_that_cannot_be_compared(root: Path) -> None:
    numbers = {"row": np.arange(9), "value": np.arange(9.0), "student": np.arange(9.0) + 1}
    others = build(root, 0, wrong=[1]), build(root, 1, wrong=[1], digest="def")
    page = page_of(root, build(root, 2, table=numbers, classes=[], figures={"student/test_mae": 1.0}), *others)
    assert self_contained(page)
    assert sections(page) == linked(page) == ["runs", "answer", "differs", "figures", "classes", "confusions"]
    assert "<h1>Against A: B, C not comparable</h1>" in page
    assert "B is not compared with A example by example: one predicts numbers, the other classes." in page
    assert " minus that of A" not in page
    assert ["A", "11 to 1", "–", "", "–", "–", "–"] in Reader(page).rows


def test_names_are_text_and_no_markup(root: Path) -> None:
    names = [*CLASSES[:9], "<script>alert(1)</script>"]
    ids = [build(root, seed, wrong=range(9, 9 + 10 * seed), classes=names) for seed in range(2)]
    page = page_of(root, *ids)
    assert self_contained(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_is_written_and_logged(root: Path, sprout: Sprout) -> None:
    first, second = build(root, 0, wrong=[1, 2]), build(root, 1, wrong=[1])
    ended = sprout("compare", first, second, "--html", "out/page.html", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["paired"][0]["better"] == 1
    name = f"comparison/{first[:8]}-with-{second[:8]}.html"
    assert ended.err.splitlines() == ["written to out/page.html", f"logged as {name} of run {first[:8]} (digits)"]
    (run,) = [each for each in runs_of(tracking_uri(), role="build") if each.info.run_id == first]
    assert artifacts(tracking_uri(), run, "comparison") == {name}
    logged = root / "mlruns" / "artifacts" / "digits" / first / "artifacts" / name
    assert logged.read_bytes() == (root / "out" / "page.html").read_bytes()


def test_a_store_that_refuses_does_not_lose_the_page(
    root: Path, sprout: Sprout, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = build(root, 0, wrong=[1, 2]), build(root, 1, wrong=[1])

    def refuse(*_: object) -> None:
        raise PermissionError("read-only store")

    monkeypatch.setattr("mlflow.MlflowClient.log_artifact", refuse)
    ended = sprout("compare", first, second, "--html", "page.html")
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == f"error: run {first[:8]}: the store does not take the page: read-only store"
    assert "B has 0.5 points less error than A" in (root / "page.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_named(root: Path, sprout: Sprout) -> None:
    first, second = build(root, 0), build(root, 1)
    ended = sprout("compare", first, second, "--html", "params.yaml/page.html")
    assert ended.code == 2
    assert "error: --html=params.yaml/page.html: cannot be written: " in ended.err
    assert "B against A: the same error" in ended.out


@pytest.mark.parametrize(
    ("name", "message"),
    [("page.txt", "is no page; give a file that ends in .html or .htm"), ("folder.html", "is a folder; give a file")],
)
def test_a_file_that_is_no_page_is_refused_first(root: Path, sprout: Sprout, name: str, message: str) -> None:
    (root / "folder.html").mkdir()
    ended = sprout("compare", "no-such-run", "other", "--html", name)
    assert ended.code == 2
    assert f"--html={name}: {message}" in ended.err


def test_intervals_of_figures(root: Path) -> None:
    (subject, _) = subjects(build(root, 0), build(root, 1))
    splits = {"train": {"labelled": 60}, "val": {"labelled": 0}, "test": {"labelled": 200}}
    subject.facts.splits.update(splits)  # type: ignore[arg-type]
    assert interval("student/test_error_rate", 0.1, subject.facts) == pytest.approx(wilson_interval(20, 200))
    assert interval("val_accuracy", 0.9, subject.facts) is None
    crossed = interval("teacher/cross_validation_error_rate", 0.1, subject.facts)
    assert crossed == cross_validated_interval(6, 60)
    assert interval("student/test_log_loss", 0.1, subject.facts) is None


def luminance(colour: str) -> float:
    shares = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


@pytest.mark.parametrize("colour", COLOURS)
def test_runs_are_visible_on_white_and_on_black_pages(colour: str) -> None:
    """WCAG asks for a contrast of 3 for what is drawn."""
    assert 1.05 / (luminance(colour) + 0.05) >= 3
    assert (luminance(colour) + 0.05) / (luminance("#1b1f23") + 0.05) >= 3


def test_each_run_has_its_own_look_and_name() -> None:
    assert len({(style(number).colour, style(number).line, style(number).marker) for number in range(19)}) == 19
    assert letters(28)[-3:] == ["Z", "AA", "AB"]


def test_a_long_curve_is_thinned() -> None:
    chosen = figures.thinned(100_000)
    assert (len(chosen), chosen[0], chosen[-1]) == (figures.MOST_POINTS, 0, 99_999)
    assert figures.thinned(3).tolist() == [0, 1, 2]
