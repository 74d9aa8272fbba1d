"""The report page of a regression."""

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from html_page import Reader, decoded, linked, sections, self_contained
from sprout.data.store import open_store
from sprout.runtime.files import write_rows
from task_builds import GRADIENT_DESCENT, IMAGE, ROW, page_of, write_page


def test_a_regression(tmp_path: Path) -> None:
    page = page_of(tmp_path, "regress", ROW)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    off = np.array(table["teacher"]) - table["value"]
    error = np.abs(off)
    half = 2.093024 * error.std(ddof=1) / 20**0.5  # t of 19 degrees of freedom
    low, high = (f"{error.mean() + sign * half:.4g}" for sign in (-1, 1))
    assert f"<h1>Off by {error.mean():.4g} on average (95% interval {low} to {high}), R² −" in page
    r2 = re.search(r"R² (−[\d.]+) \((−[\d.]+) to (−[\d.]+)\)</h1>", page)
    assert r2
    below, middle, above = (float(r2[place].replace("−", "-")) for place in (2, 1, 3))
    assert below < middle < above
    assert "On 20 test examples, the mean absolute error is" in page
    assert "no better than always predicting the mean of the true values" in page
    assert "from 4 training examples whose number is known" in page
    found = Reader(page)
    assert ["Mean absolute error", f"{np.abs(off).mean():.4g}"] in found.rows
    assert [row[0] for row in found.rows].count("95% confidence interval") == 3
    assert ["95% confidence interval", f"{low} –{high}"] in found.rows
    assert ["test", "30", "20"] in found.rows
    assert ["Learning rate", "0.01"] in found.rows
    furthest = np.argsort(-np.abs(off))[:6]
    assert [row[0] for row in found.rows[-6:]] == [f"test:{table['row'][i]}" for i in furthest]
    assert sections(page) == ["built", "scores", "training", "predictions", "worst", "configuration"]
    assert linked(page) == sections(page)
    assert 'aria-label="Mean absolute error by epoch"' in page
    assert self_contained(page)


def test_worst_predictions_of_images_are_drawn(tmp_path: Path) -> None:
    page = page_of(tmp_path, "regress", IMAGE, wanted=2)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    worst = np.argsort(-np.abs(np.array(table["teacher"]) - table["value"]))[:2]
    stored = open_store(tmp_path / "prepared" / "test").take(np.array(table["row"])[worst])
    assert [decoded(image).tolist() for image in Reader(page).images] == [one[:, :, 0].tolist() for one in stored]


def test_a_linear_model_shows_its_equation(tmp_path: Path) -> None:
    page_of(tmp_path, "regress", ROW)
    named = {"age": 2.5, "<b>": -0.125, "bias": -7.0}
    rows = [{"name": name, "coefficient": value} for name, value in named.items()]
    write_rows(tmp_path / "teacher" / "coefficients.csv", ["name", "coefficient"], rows)
    page = write_page(tmp_path, GRADIENT_DESCENT, 6)
    assert "value = 2.5 · <b>age</b> − 0.125 · <b>&lt;b&gt;</b> − 7</p>" in page
    assert ["<b>", "−0.125"] in Reader(page).rows
    assert linked(page)[-2] == "equation"
    many = [{"name": f"pixel {i}", "coefficient": i} for i in range(64)]
    write_rows(tmp_path / "teacher" / "coefficients.csv", ["name", "coefficient"], many)
    page = write_page(tmp_path, GRADIENT_DESCENT, 6)
    assert "value = " not in page
    assert "The other 44" in page


def test_a_test_split_without_values_is_reported(tmp_path: Path) -> None:
    page = page_of(tmp_path, "regress", ROW, tests=1)
    assert "<h1>A regression, without test examples to measure it on</h1>" in page
    assert page.count("The test split has no example whose number is known.") == 2


def test_large_scatter_plots_draw_some_of_the_points(tmp_path: Path) -> None:
    page = page_of(tmp_path, "regress", ROW, tests=1800)
    assert "(1,000 of 1,200 are drawn)" in page
    assert len(page) < 500_000
