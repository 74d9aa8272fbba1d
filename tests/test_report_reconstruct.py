"""The report page of a reconstruction."""

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from html_page import Reader, decoded, linked, sections, self_contained
from task_builds import IMAGE, page_of


def test_a_reconstruction(tmp_path: Path) -> None:
    page = page_of(tmp_path, "reconstruct", IMAGE)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    left = np.mean(table["teacher"]) / np.mean(table["noisy_mse"])
    interval = re.search(rf"<h1>{left:.1%} of the noise is left \(95% interval ([\d.]+)% to ([\d.]+)%\)</h1>", page)
    assert interval
    assert float(interval[1]) < 100 * left < float(interval[2])
    assert [row[0] for row in Reader(page).rows].count("95% confidence interval") == 3
    assert "noise of standard deviation 0.3 was added to 30 test images" in page
    assert "their mean squared error rose" in page  # its weights are random
    assert "removes Gaussian noise of standard deviation 0.3, from 10 images; it needs no labels" in page
    kept = np.load(tmp_path / "evaluation" / "restored.npz")
    images = [decoded(image).tolist() for image in Reader(page).images]
    expected = [kept[step][i, :, :, 0].tolist() for i in range(6) for step in ("clean", "noisy", "restored")]
    assert images == expected
    shown = re.findall(r"([\d.e+-]+) → <b>([\d.e+-]+)</b>", page)
    said = [(f"{table['noisy_mse'][row]:.4g}", f"{table['teacher'][row]:.4g}") for row in kept["row"]]
    assert shown == said
    assert sections(page) == ["built", "scores", "training", "images", "errors", "configuration"]
    assert linked(page) == sections(page)
    assert "by epoch" in page
    assert self_contained(page)


def test_a_plain_autoencoder_has_no_noisy_images(tmp_path: Path) -> None:
    page = page_of(tmp_path, "reconstruct", IMAGE, noise=0.0)
    assert re.search(r"<h1>Mean squared error [\d.]+ \(95% interval [\d.]+ to [\d.]+\)</h1>", page)
    assert "A model that reconstructs its input, from 10 images" in page
    assert len(Reader(page).images) == 12
    assert ["Noise left", "–"] in Reader(page).rows
    assert "noisy" not in page


def test_an_empty_test_split_of_images_is_reported(tmp_path: Path) -> None:
    page = page_of(tmp_path, "reconstruct", IMAGE, tests=0)
    assert "<h1>A reconstruction, without test images to measure it on</h1>" in page
    assert "No images are shown: the test split is empty." in page
