"""A trained model: examples in, predictions out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax as reference

from handmade import CLUSTERS, MLP, card, model, save
from networks import build
from sprout.data.store import Array
from sprout.models import predictor as module
from sprout.models.predictor import Predictor, load_predictor, max_batch, use_threads
from sprout.runtime.errors import UserError
from sprout.tasks import TASKS

SHAPE = (4, 3, 2)
MEAN, STD = [0.25, 0.5], [0.5, 2.0]
MLP = MLP | {"dropout": 0.5}


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    made = model("classify", SHAPE, architecture=MLP, mean=MEAN, std=STD)
    return load_predictor(save(tmp_path / "model", made))


@pytest.fixture
def images() -> Array:
    return np.random.default_rng(0).integers(0, 256, (9, *SHAPE), dtype=np.uint8)


def by_hand(predictor: Predictor, images: Array) -> Any:
    """The same network in numpy."""
    flat = ((images / 255 - MEAN) / STD).transpose(0, 3, 1, 2).reshape(len(images), -1)
    state = {name: tensor.numpy() for name, tensor in predictor.network.state_dict().items()}
    hidden = np.tanh(flat @ state["1.weight"].T + state["1.bias"])
    return hidden @ state["4.weight"].T + state["4.bias"]


def test_outputs_and_probabilities(predictor: Predictor, images: Array) -> None:
    expected = by_hand(predictor, images)
    outputs, probabilities = predictor.outputs(images), predictor.predict(images)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(probabilities, reference(expected / 2.5, axis=1), atol=1e-5)
    assert outputs.dtype == probabilities.dtype == np.float32
    assert predictor.classes == ["a", "b", "c"]


def test_images_are_scaled_to_0_to_1_with_channels_first(predictor: Predictor, images: Array) -> None:
    scaled = predictor.scaled(images)
    np.testing.assert_allclose(scaled.numpy(), images.transpose(0, 3, 1, 2) / 255, rtol=1e-6)
    np.testing.assert_array_equal(predictor.network_outputs(scaled), predictor.outputs(images))


def test_rows_of_a_table(tmp_path: Path) -> None:
    made = model("classify", (2,), architecture=MLP, mean=[100.0, -1.0], std=[50.0, 0.5])
    rows = np.random.default_rng(0).normal([100, -1], [50, 0.5], (9, 2)).astype(np.float32)
    with torch.inference_mode():
        expected = made.network(torch.from_numpy((rows - [100, -1]) / [50, 0.5]).float()).numpy()
    predictor = load_predictor(save(tmp_path, made))
    np.testing.assert_allclose(predictor.outputs(rows), expected, atol=1e-5)
    np.testing.assert_allclose(predictor.predict(rows), reference(expected / 2.5, axis=1), atol=1e-5)


def test_numbers_are_in_the_unit_of_the_data(tmp_path: Path, images: Array) -> None:
    predictor = load_predictor(save(tmp_path, model("regress", SHAPE)))
    values = predictor.predict(images)
    np.testing.assert_allclose(values, predictor.outputs(images)[:, 0] * 20 + 100, rtol=1e-6)
    assert (values.shape, values.dtype) == ((9,), np.float64)


def test_restored_images_are_images(tmp_path: Path, images: Array) -> None:
    predictor = load_predictor(save(tmp_path, model("reconstruct", SHAPE)))
    outputs, restored = predictor.outputs(images), predictor.predict(images)
    np.testing.assert_array_equal(restored, outputs.clip(0, 1).transpose(0, 2, 3, 1))
    assert (restored.shape, restored.dtype) == ((9, *SHAPE), np.float32)
    assert outputs.min() < restored.min() == 0.0


def test_the_nearest_centre_is_the_cluster(tmp_path: Path, images: Array) -> None:
    predictor = load_predictor(save(tmp_path, model("cluster", SHAPE)))
    flat = ((images / 255 - 0.25) / 0.5).transpose(0, 3, 1, 2).reshape(9, -1)
    centres: Any = predictor.network.centres
    squared = ((flat[:, None] - centres.detach().numpy()) ** 2).sum(axis=2)
    np.testing.assert_allclose(predictor.outputs(images), -squared, rtol=1e-4)
    np.testing.assert_array_equal(predictor.predict(images), squared.argmin(axis=1))


@pytest.mark.parametrize("task", TASKS)
def test_the_task_of_the_card_makes_predictions(images: Array, task: str) -> None:
    predictor = model(task, SHAPE)
    assert predictor.task is TASKS[task]
    expected = TASKS[task].predictions(predictor.outputs(images), predictor.card)
    np.testing.assert_array_equal(predictor.predict(images), expected)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UserError, match=r"^task=dream: .*classify"):
        Predictor(torch.nn.Identity(), replace(card("classify", SHAPE), task="dream"))


def test_features_are_what_the_last_dense_layer_takes(predictor: Predictor, images: Array) -> None:
    features = predictor.embed(images)
    head = predictor.network.get_submodule("4").state_dict()
    expected = features @ head["weight"].numpy().T + head["bias"].numpy()
    np.testing.assert_allclose(predictor.outputs(images), expected, atol=1e-5)
    assert (features.shape, features.dtype) == ((9, 6), np.float32)


def test_features_of_a_store(predictor: Predictor, make_store: Any) -> None:
    store = make_store(10, shape=SHAPE)
    np.testing.assert_array_equal(predictor.features_of(store, "pool"), predictor.embed(store.take(np.arange(10))))
    assert predictor.features_of(make_store(0, shape=SHAPE, name="none"), "pool").shape == (0, 6)


def test_features_of_clusters_are_what_is_compared_with_the_centres(images: Array) -> None:
    sizes = {"name": "kmeans", "embedding": None, "clusters": 4, "dimensions": 24, "unit_length": True}
    predictor = model("cluster", SHAPE, architecture=sizes)
    features = predictor.embed(images)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert features.shape == (9, 24)


def test_a_network_without_features_is_refused(images: Array) -> None:
    with pytest.raises(UserError, match="neither an encoder nor a dense layer"):
        model("cluster", SHAPE).embed(images)


def test_strided_images(predictor: Predictor) -> None:
    images = np.random.default_rng(0).integers(0, 256, (18, *SHAPE), dtype=np.uint8)
    np.testing.assert_array_equal(predictor.outputs(images[::2]), predictor.outputs(images[::2].copy()))


@pytest.mark.parametrize("task", TASKS)
def test_all_examples_of_a_store_in_their_order(task: str, make_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store, predictor = make_store(10, shape=SHAPE), model(task, SHAPE)
    expected = predictor.outputs(store.take(np.arange(10)))
    monkeypatch.setattr(module, "BATCH", 4)
    np.testing.assert_allclose(predictor.outputs_of(store, "test"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "shape"), [("classify", (3,)), ("regress", (1,)), ("reconstruct", (2, 4, 3)), ("cluster", (CLUSTERS,))]
)
def test_an_empty_store(task: str, shape: tuple[int, ...], make_store: Any) -> None:
    found = model(task, SHAPE).outputs_of(make_store(0, shape=SHAPE), "test")
    assert (found.shape, found.dtype) == ((0, *shape), np.float32)


@pytest.mark.parametrize(("shape", "largest"), [((4, 3, 2), 1000), ((64, 64, 3), 341), ((1500, 1500, 3), 1)])
def test_large_images_come_in_small_batches(shape: tuple[int, ...], largest: int) -> None:
    store = type("Store", (), {"shape": shape, "__len__": lambda _: 2500})()
    rows = list(model("classify", SHAPE).batches(store, "test"))
    assert max(map(len, rows)) == largest
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(2500))


def test_a_network_that_enlarges_images_gets_smaller_batches() -> None:
    backbone = build((1, 28, 28), 3, name="backbone", architecture="shufflenet_v2_x0_5", side=224)
    assert max_batch(backbone, (28, 28, 1)) == max_batch(torch.nn.Flatten(), (224, 224, 3)) == 27
    assert max_batch(torch.nn.Sequential(backbone), (512, 512, 3)) == 5


def test_gradients_are_not_kept(predictor: Predictor) -> None:
    seen: list[bool] = []
    predictor.network.register_forward_hook(lambda module, inputs, output: seen.append(output.requires_grad))
    predictor.outputs(np.zeros((1, *SHAPE), np.uint8))
    assert seen == [False]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.json: no trained model here"):
        load_predictor(tmp_path)


def test_threads() -> None:
    before = torch.get_num_threads()
    try:
        use_threads(3)
        assert torch.get_num_threads() == 3
        use_threads(0)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_network_and_its_card_are_enough() -> None:
    said = card("classify", (1, 1, 1), classes=["a", "b"], mean=[0.0], std=[1.0])
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2, bias=False))
    for weight in network.parameters():
        torch.nn.init.constant_(weight, 2.0)
    found = Predictor(network, said).outputs(np.full((1, 1, 1, 1), 255, np.uint8))
    np.testing.assert_allclose(found, [[2.0, 2.0]])
