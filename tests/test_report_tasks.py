"""The report page of other tasks than classification, made from models with random weights."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handmade import model, save
from sprout.data.store import Array, label_table, open_store, write_labels, write_store
from sprout.evaluate.evaluate import evaluate
from sprout.measure import measure
from sprout.models.predictor import Predictor
from sprout.report import write_report
from sprout.runtime.files import write_json, write_rows
from test_report import Reader, decoded

IMAGE, ROW = (8, 8, 1), (3,)
HEAD = ["epoch", "lr", "train_loss", "val_loss"]
GRADIENT_DESCENT = {
    "method": "gradient_descent",
    "epochs": 2,
    "batch_size": 10,
    "lr": 0.01,
    "optimizer": {"name": "adam"},
}
SCIKIT_LEARN = {"method": "scikit_learn", "seed": 0}


def config(training: dict[str, Any]) -> dict[str, Any]:
    sections = {"model": {"name": "mlp"}, "augment": {"copies": 0}, "pseudo_label": {"threshold": 0.9}}
    return {"experiment": "try", "train": training, "retrain": training, **sections}


def examples(n: int, shape: tuple[int, ...], seed: int) -> Array:
    drawn = np.random.default_rng(seed).integers(0, 256, (n, *shape))
    return drawn.astype(np.uint8 if len(shape) == 3 else np.float32)


def make_store(folder: Path, given: Array, labels: Any, values: Any) -> None:
    rows = np.arange(len(given))
    origin = [f"{folder.name}:{row}" for row in rows]
    value = None if values is None else pa.array(values, pa.float64())
    write_store(folder, given, label_table(rows, labels, value=value, source="given", group=rows, origin=origin))


def make_prepared(folder: Path, stores: dict[str, tuple[Array, Any, Any]], classes: list[str]) -> None:
    """What `prepare` leaves: for each split its examples, labels and values."""
    for split, (given, labels, values) in stores.items():
        make_store(folder / split, given, labels, values)
    shape, names = stores["test"][0].shape[1:], None
    if len(shape) == 1:
        names = [f"feature {i}" for i in range(shape[0])]
    figures: dict[str, Any] = {name: [0.5] * shape[-1] for name in ("mean", "std", "min", "max")}
    described = {"shape": list(shape), "dtype": stores["test"][0].dtype.name, "features": names, "notes": []}
    write_json(folder / "summary.json", described | figures)
    write_json(folder / "classes.json", classes)
    write_rows(folder / "quarantine.csv", ["origin", "reason"], [])
    pq.write_table(
        pa.table({"row": pa.array([], pa.int64()), "label": pa.array([], pa.int64())}), folder / "truth.parquet"
    )


def make_models(root: Path, predictor: Predictor, history: list[dict[str, float]], wanted: int) -> None:
    """The teacher, the student that is the teacher, no pseudo-labels, and what `evaluate` says."""
    val, test = open_store(root / "prepared" / "val"), open_store(root / "prepared" / "test")
    kept = Predictor(predictor.network, type(predictor.card)(**vars(predictor.card) | {"kept": "teacher"}))
    for role, one in (("teacher", predictor), ("student", kept)):
        folder = save(root / role, one)
        epochs = {"epochs": len(history), "best_epoch": 0} if history else {}
        write_json(folder / "metrics.json", epochs | {"val": measure(one, val, "val", 5)})
        write_rows(folder / "history.csv", list(history[0]) if history else HEAD, history)
    write_labels(root / "pseudo_labels", test.labels.slice(0, 0))
    write_rows(root / "pseudo_labels" / "rounds.csv", ["round"], [])
    (root / "evaluation").mkdir()
    nothing = {"pool": 0, "accepted": 0, "known": 0, "accuracy": None}
    models = {"teacher": predictor, "student": kept}
    evaluate(root / "evaluation", models, test, bins=5, examples=wanted, accepted=nothing)


def write_page(root: Path, training: dict[str, Any], wanted: int) -> str:
    folders = {name: root / name for name in ("prepared", "pseudo_labels", "teacher", "student", "evaluation")}
    write_report(root / "index.html", config=config(training), build="3f9a1c7e", examples=wanted, **folders)
    return (root / "index.html").read_text(encoding="utf-8")


def page_of(
    root: Path,
    task: str,
    shape: tuple[int, ...],
    *,
    tests: int = 30,
    wanted: int = 6,
    training: dict[str, Any] = GRADIENT_DESCENT,
    labels: bool = False,
    **changes: Any,
) -> str:
    """The page of a build of this task; of a regression, every third value of the test split is not known."""
    stores: dict[str, tuple[Array, Any, Any]] = {}
    for seed, (split, n) in enumerate({"train": 6, "val": 5, "unlabelled": 4, "test": tests}.items()):
        values = [None if split == "unlabelled" or i % 3 == 0 else 90.0 + i for i in range(n)]
        classes = [i % 3 if labels and split != "unlabelled" else None for i in range(n)]
        stores[split] = examples(n, shape, seed), classes, values if task == "regress" else None
    make_prepared(root / "prepared", stores, ["ant", "bee", "cat"] if labels else [])
    figure = {"train_mae": 1.0, "val_mae": 2.0} if task == "regress" else {}
    epochs = [{"epoch": e, "lr": 0.01, "train_loss": 2.0 - e, "val_loss": 2.0, **figure} for e in range(2)]
    made = model(task, shape, classes=["ant", "bee", "cat"] if labels else [], **changes)
    make_models(root, made, epochs if training is GRADIENT_DESCENT else [], wanted)
    return write_page(root, training, wanted)


def self_contained(page: str) -> bool:
    found = Reader(page)
    inside = all(link.startswith(("data:", "#")) for link in found.links)
    return inside and "script" not in found.tags and len(found.ids) == len(set(found.ids))


def sections(page: str) -> list[str]:
    return re.findall(r'<section id="([\w-]+)">', page)


def linked(page: str) -> list[str]:
    contents = page[page.index('<nav class="contents"') : page.index("</nav>")]
    return re.findall(r'href="#([\w-]+)"', contents)


def test_a_regression(tmp_path: Path) -> None:
    page = page_of(tmp_path, "regress", ROW)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    off = np.array(table["teacher"]) - table["value"]
    assert f"<h1>Off by {np.abs(off).mean():.4g} on average, R² −" in page
    assert "On 20 test examples, the prediction is off by" in page
    assert "That is no better than always saying the mean of the true values." in page
    assert "from 4 training examples whose number is known" in page
    found = Reader(page)
    assert ["Mean absolute error", f"{np.abs(off).mean():.4g}"] in found.rows
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


def test_an_equation_stands_where_there_is_one(tmp_path: Path) -> None:
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


def test_no_known_value_is_said(tmp_path: Path) -> None:
    page = page_of(tmp_path, "regress", ROW, tests=1)
    assert "<h1>A number predicted, and no test example to try it on</h1>" in page
    assert page.count("The test split has no example whose number is known.") == 2


def test_a_reconstruction(tmp_path: Path) -> None:
    page = page_of(tmp_path, "reconstruct", IMAGE)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    left = np.mean(table["teacher"]) / np.mean(table["noisy_mse"])
    assert f"<h1>{left:.1%} of the noise is left</h1>" in page
    assert "Noise of spread 0.3 was put on 30 test images" in page
    assert "The model made it worse: their mean squared error rose" in page  # its weights are random
    assert "takes noise of spread 0.3 out of images, from 10 images; it needs no labels" in page
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
    assert re.search(r"<h1>Mean squared error [\d.]+</h1>", page)
    assert "A model that gives images back, from 10 images" in page
    assert len(Reader(page).images) == 12
    assert ["Noise left", "–"] in Reader(page).rows
    assert "noisy" not in page


def test_an_empty_test_split_of_images_is_said(tmp_path: Path) -> None:
    page = page_of(tmp_path, "reconstruct", IMAGE, tests=0)
    assert "<h1>Images restored, and no test image to try it on</h1>" in page
    assert "None are shown: the test split is empty." in page


def test_a_clustering(tmp_path: Path) -> None:
    page = page_of(tmp_path, "cluster", IMAGE, training=SCIKIT_LEARN, labels=True)
    table = pq.read_table(tmp_path / "evaluation" / "predictions.parquet").to_pydict()
    clusters, labels = np.array(table["cluster"]), np.array(table["label"])
    used = np.unique(clusters)
    held = {c: np.bincount(labels[clusters == c], minlength=3) for c in used}
    pure = sum(counts.max() for counts in held.values()) / 30
    assert f"<h1>{len(used)} clusters, {pure:.1%} pure</h1>" in page
    assert "found in 10 examples without a look at any label" in page
    rows = Reader(page).rows
    for c in used:
        (row,) = (row for row in rows if row[:2] == [str(c), str((clusters == c).sum())])
        assert row[4:] == [["ant", "bee", "cat"][held[c].argmax()], f"{held[c].max() / held[c].sum():.1%}"]
    # No epochs, so no curves and no settings of gradient descent.
    assert sections(page) == ["built", "scores", "clusters", "holds", "nearest", "configuration"]
    assert linked(page) == sections(page)
    assert "Learning rate" not in page
    drawn = page[page.index('<section id="holds">') : page.index('<section id="nearest">')]
    written = sorted(int(n) for n in re.findall(r">(\d+)</text>", drawn))
    # Beside the counts stand the numbers of the clusters.
    assert written == sorted([*used.tolist(), *(int(n) for counted in held.values() for n in counted if n)])
    assert self_contained(page)


def test_each_cluster_shows_who_is_nearest_to_its_centre(tmp_path: Path) -> None:
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
    assert "Commonest class" not in page
    assert "holds" not in sections(page)
    assert re.search(r'<th scope="row">test:\d+</th>', page)
    assert ["Purity", "–"] in Reader(page).rows


@pytest.mark.parametrize(("task", "shape"), [("regress", ROW), ("reconstruct", IMAGE), ("cluster", IMAGE)])
def test_no_examples_are_shown_where_none_are_wanted(tmp_path: Path, task: str, shape: tuple[int, ...]) -> None:
    page = page_of(tmp_path, task, shape, wanted=0)
    assert "the setting <code>report.examples</code> is 0" in page
    assert Reader(page).images == []


@pytest.mark.parametrize("task", ["regress", "reconstruct", "cluster"])
def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, task: str) -> None:
    page = page_of(tmp_path, task, IMAGE)
    assert write_page(tmp_path, GRADIENT_DESCENT, 6) == page


def test_large_scatter_plots_draw_some_of_the_points(tmp_path: Path) -> None:
    page = page_of(tmp_path, "regress", ROW, tests=1800)
    assert "(1,000 of 1,200 are drawn)" in page
    assert len(page) < 500_000
