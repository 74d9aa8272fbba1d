"""The figures of a model on a store."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from handmade import model
from sprout.augment.draws import draws
from sprout.augment.noise import noisy
from sprout.data.store import label_table, open_store, write_store
from sprout.measure import examine, measure, restore
from sprout.metrics import classification_metrics, clustering_metrics, regression_metrics

SHAPE = (4, 3, 2)


@pytest.fixture
def store(tmp_path):
    """Thirty images, with a class and a number each but for every third."""
    n, generator = 30, np.random.default_rng(0)
    rows, known = np.arange(n), np.arange(n) % 3 > 0
    table = label_table(
        rows,
        pa.array(rows % 3, mask=~known),
        value=pa.array(generator.normal(100, 20, n), mask=~known),
        source="given",
        group=rows,
        origin=[""] * n,
    )
    write_store(tmp_path / "store", generator.integers(0, 256, (n, *SHAPE), dtype=np.uint8), table)
    return open_store(tmp_path / "store"), rows[known]


def test_a_classifier_by_its_calibrated_probabilities(store):
    opened, known = store
    predictor = model("classify", SHAPE)
    probabilities = predictor.probabilities(opened.take(known))
    expected = classification_metrics(probabilities, known % 3, 5)
    assert measure(predictor, opened, "val", 5) == pytest.approx(expected)


def test_what_has_been_examined_is_not_asked_again(store):
    opened, _ = store
    predictor = model("classify", SHAPE)
    logits = examine(predictor, opened, "val")
    expected = measure(predictor, opened, "val", 5)
    predictor.network.register_forward_hook(lambda *_: pytest.fail("asked again"))
    assert measure(predictor, opened, "val", 5, logits) == expected


def test_a_regression_in_the_unit_of_the_data(store):
    opened, known = store
    predictor = model("regress", SHAPE)
    true = np.array([value for value in opened.labels["value"].to_pylist() if value is not None])
    expected = regression_metrics(predictor.values(opened.take(known)), true)
    assert measure(predictor, opened, "val", 5) == pytest.approx(expected)
    assert 1 < expected["mae"] < 100


def test_a_reconstruction_against_the_noise_that_everyone_meets(store):
    opened, _ = store
    predictor = model("reconstruct", SHAPE)
    clean = torch.from_numpy(opened.take(np.arange(30))).permute(0, 3, 1, 2) / 255
    given = noisy(clean, draws(0, -1, torch.arange(30)), 0.3)
    with torch.inference_mode():
        restored = predictor.network((given - 0.25) / 0.5).clamp(0, 1)
    found = measure(predictor, opened, "val", 5)
    assert found["mse"] == pytest.approx(((restored - clean) ** 2).mean().item(), rel=1e-5)
    assert found["noisy_mse"] == pytest.approx(((given - clean) ** 2).mean().item(), rel=1e-5)
    assert found["noise_left"] == pytest.approx(found["mse"] / found["noisy_mse"])


def test_a_rows_noise_does_not_hang_on_the_others(store):
    opened, _ = store
    predictor = model("reconstruct", SHAPE)
    whole = restore(predictor, opened, np.arange(30))
    some = restore(predictor, opened, np.array([17, 4]))
    for all_images, images in zip(whole, some, strict=True):
        np.testing.assert_allclose(images, all_images[[17, 4]], atol=1e-6)
    noise = ((whole[1] - whole[0]) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(examine(predictor, opened, "val")[:, 0], noise, rtol=1e-5)


def test_a_plain_autoencoder_is_given_the_image_itself(store):
    opened, _ = store
    found = measure(model("reconstruct", SHAPE, noise=0.0), opened, "val", 5)
    assert found["mse"] > 0
    assert (found["noisy_mse"], found["noise_left"]) == (0, None)


def test_clusters_against_the_classes_that_are_known(store):
    opened, _ = store
    predictor = model("cluster", SHAPE)
    outputs = predictor.outputs(opened.take(np.arange(30)))
    labels = np.where(np.arange(30) % 3 > 0, np.arange(30) % 3, -1)
    expected = clustering_metrics(outputs.argmax(axis=1), -outputs.max(axis=1), labels)
    assert measure(predictor, opened, "val", 5) == pytest.approx(expected)


@pytest.mark.parametrize("task", ["regress", "reconstruct", "cluster"])
def test_an_empty_store_has_no_figures(task, make_store):
    found = measure(model(task, SHAPE), make_store(0, shape=SHAPE), "test", 5)
    assert {value for key, value in found.items() if key != "clusters"} == {None}
