"""The report page of a clustering."""

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from html_page import Reader, decoded, linked, sections, self_contained
from sprout.data.store import open_store
from sprout.evaluate.significance import wilson_interval
from task_builds import IMAGE, ROW, SCIKIT_LEARN, page_of


def test_a_clustering(tmp_path: Path) -> None:
    page = page_of(tmp_path, "cluster", IMAGE, training=SCIKIT_LEARN, labels=True)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    clusters, labels = np.array(table["cluster"]), np.array(table["label"])
    used = np.unique(clusters)
    held = {c: np.bincount(labels[clusters == c], minlength=3) for c in used}
    pure = sum(counts.max() for counts in held.values()) / 30
    low, high = (f"{bound:.1%}" for bound in wilson_interval(round(pure * 30), 30))
    assert f"<h1>{len(used)} clusters, purity {pure:.1%} (95% interval {low} to {high})</h1>" in page
    assert ["95% confidence interval", f"{low} –{high}"] in Reader(page).rows
    assert "found in 10 examples without any label" in page
    rows = Reader(page).rows
    for c in used:
        (row,) = (row for row in rows if row[:2] == [str(c), str((clusters == c).sum())])
        assert row[4:] == [["ant", "bee", "cat"][held[c].argmax()], f"{held[c].max() / held[c].sum():.1%}"]
    # No epochs, so no curves and no settings of gradient descent.
    assert sections(page) == ["built", "scores", "clusters", "by-class", "nearest", "configuration"]
    assert linked(page) == sections(page)
    assert "Learning rate" not in page
    drawn = page[page.index('<section id="by-class">') : page.index('<section id="nearest">')]
    written = sorted(int(n) for n in re.findall(r">(\d+)</text>", drawn))
    # Beside the counts stand the numbers of the clusters.
    assert written == sorted([*used.tolist(), *(int(n) for counted in held.values() for n in counted if n)])
    assert self_contained(page)


def test_each_cluster_shows_the_examples_nearest_to_its_centre(tmp_path: Path) -> None:
    page = page_of(tmp_path, "cluster", IMAGE, training=SCIKIT_LEARN, labels=True, wanted=8)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    clusters, distances = np.array(table["cluster"]), np.array(table["distance"])
    each = max(1, 8 // len(np.unique(clusters)))
    nearest = [
        row
        for c in np.unique(clusters)
        for row in np.flatnonzero(clusters == c)[np.argsort(distances[clusters == c])][:each]
    ]
    stored = open_store(tmp_path / "prepared" / "test").take(np.array(nearest))
    assert [decoded(image).tolist() for image in Reader(page).images] == [one[:, :, 0].tolist() for one in stored]


def test_clusters_of_rows_without_classes(tmp_path: Path) -> None:
    page = page_of(tmp_path, "cluster", ROW, training=SCIKIT_LEARN)
    assert re.search(r"<h1>\d clusters?</h1>", page)
    assert "The class of none of the 30 test examples is known" in page
    assert "Most frequent class" not in page
    assert "by-class" not in sections(page)
    assert re.search(r'<th scope="row">test:\d+</th>', page)
    assert ["Purity", "–"] in Reader(page).rows
