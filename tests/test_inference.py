"""A trained model at work."""

import numpy as np
import pytest
import torch
from scipy.special import softmax as reference

from handmade import CLUSTERS, MLP, card, model, save
from sprout.models import build
from sprout.models import predictor as inference
from sprout.models.predictor import Predictor, at_once, batches, load_predictor, outputs_of, softmax, use_threads
from sprout.runtime.errors import UserError

SHAPE = (4, 3, 2)
MEAN, STD = [0.25, 0.5], [0.5, 2.0]
MLP = MLP | {"dropout": 0.5}


@pytest.fixture
def predictor(tmp_path):
    made = model("classify", SHAPE, architecture=MLP, mean=MEAN, std=STD)
    return load_predictor(save(tmp_path / "model", made))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (9, *SHAPE), dtype=np.uint8)


def by_hand(predictor, images):
    """The same network in numpy."""
    flat = ((images / 255 - MEAN) / STD).transpose(0, 3, 1, 2).reshape(len(images), -1)
    state = {name: tensor.numpy() for name, tensor in predictor.network.state_dict().items()}
    hidden = np.tanh(flat @ state["1.weight"].T + state["1.bias"])
    return hidden @ state["4.weight"].T + state["4.bias"]


def test_outputs_and_probabilities(predictor, images):
    expected = by_hand(predictor, images)
    outputs, probabilities = predictor.outputs(images), predictor.probabilities(images)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(probabilities, reference(expected / 2.5, axis=1), atol=1e-5)
    assert outputs.dtype == probabilities.dtype == np.float32
    assert predictor.classes == ["a", "b", "c"]


def test_rows_of_a_table(tmp_path):
    made = model("classify", (2,), architecture=MLP, mean=[100.0, -1.0], std=[50.0, 0.5])
    rows = np.random.default_rng(0).normal([100, -1], [50, 0.5], (9, 2)).astype(np.float32)
    with torch.inference_mode():
        expected = made.network(torch.from_numpy((rows - [100, -1]) / [50, 0.5]).float()).numpy()
    predictor = load_predictor(save(tmp_path, made))
    np.testing.assert_allclose(predictor.outputs(rows), expected, atol=1e-5)
    np.testing.assert_allclose(predictor.probabilities(rows), reference(expected / 2.5, axis=1), atol=1e-5)


def test_values_stand_in_the_unit_of_the_data(tmp_path, images):
    predictor = load_predictor(save(tmp_path, model("regress", SHAPE)))
    values = predictor.values(images)
    np.testing.assert_allclose(values, predictor.outputs(images)[:, 0] * 20 + 100, rtol=1e-6)
    assert (values.shape, values.dtype) == ((9,), np.float64)


def test_restored_images_are_images(tmp_path, images):
    predictor = load_predictor(save(tmp_path, model("reconstruct", SHAPE)))
    outputs, restored = predictor.outputs(images), predictor.images(images)
    np.testing.assert_array_equal(restored, outputs.clip(0, 1).transpose(0, 2, 3, 1))
    assert (restored.shape, restored.dtype) == ((9, *SHAPE), np.float32)
    assert outputs.min() < restored.min() == 0.0


def test_the_nearest_centre_is_the_cluster(tmp_path, images):
    predictor = load_predictor(save(tmp_path, model("cluster", SHAPE)))
    flat = ((images / 255 - 0.25) / 0.5).transpose(0, 3, 1, 2).reshape(9, -1)
    apart = ((flat[:, None] - predictor.network.centres.detach().numpy()) ** 2).sum(axis=2)
    np.testing.assert_allclose(predictor.outputs(images), -apart, rtol=1e-4)
    np.testing.assert_array_equal(predictor.clusters(images), apart.argmin(axis=1))


def test_a_model_predicts_what_its_task_asks_for(images):
    predictors = {task: model(task, SHAPE) for task in ("classify", "regress", "reconstruct", "cluster")}
    np.testing.assert_array_equal(predictors["classify"].predict(images), predictors["classify"].probabilities(images))
    np.testing.assert_array_equal(predictors["regress"].predict(images), predictors["regress"].values(images))
    np.testing.assert_array_equal(predictors["reconstruct"].predict(images), predictors["reconstruct"].images(images))
    np.testing.assert_array_equal(predictors["cluster"].predict(images), predictors["cluster"].clusters(images))


def test_strided_images(predictor):
    images = np.random.default_rng(0).integers(0, 256, (18, *SHAPE), dtype=np.uint8)
    np.testing.assert_array_equal(predictor.outputs(images[::2]), predictor.outputs(images[::2].copy()))


@pytest.mark.parametrize("task", ["classify", "regress", "reconstruct", "cluster"])
def test_a_whole_store_in_its_order(task, make_store, monkeypatch):
    store, predictor = make_store(10, shape=SHAPE), model(task, SHAPE)
    whole = predictor.outputs(store.take(np.arange(10)))
    monkeypatch.setattr(inference, "BATCH", 4)
    np.testing.assert_allclose(outputs_of(predictor, store, "test"), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "shape"), [("classify", (3,)), ("regress", (1,)), ("reconstruct", (2, 4, 3)), ("cluster", (CLUSTERS,))]
)
def test_an_empty_store(task, shape, make_store):
    found = outputs_of(model(task, SHAPE), make_store(0, shape=SHAPE), "test")
    assert (found.shape, found.dtype) == ((0, *shape), np.float32)


@pytest.mark.parametrize(("shape", "largest"), [((4, 3, 2), 1000), ((64, 64, 3), 341), ((1500, 1500, 3), 1)])
def test_large_images_come_in_small_batches(shape, largest):
    store = type("Told", (), {"shape": shape, "__len__": lambda _: 2500})()
    rows = list(batches(model("classify", SHAPE), store, "test"))
    assert max(map(len, rows)) == largest
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(2500))


def test_a_network_that_enlarges_images_gets_fewer_at_once():
    backbone = build((1, 28, 28), 3, name="backbone", architecture="shufflenet_v2_x0_5", side=224)
    assert at_once(backbone, (28, 28, 1)) == at_once(torch.nn.Flatten(), (224, 224, 3)) == 27
    assert at_once(torch.nn.Sequential(backbone), (512, 512, 3)) == 5


def test_gradients_are_not_kept(predictor):
    seen = []
    predictor.network.register_forward_hook(lambda module, inputs, output: seen.append(output.requires_grad))
    predictor.outputs(np.zeros((1, *SHAPE), np.uint8))
    assert seen == [False]


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
def test_softmax(temperature):
    logits = np.random.default_rng(0).normal(0, 30, (50, 4)).astype(np.float32)
    found = softmax(logits, temperature)
    np.testing.assert_allclose(found, reference(logits.astype(np.float64) / temperature, axis=1), atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_logits_without_a_temperature_are_taken_as_they_are():
    logits = np.array([[0.0, np.log(3)]], np.float32)
    np.testing.assert_allclose(softmax(logits, None), [[0.25, 0.75]], rtol=1e-6)


def test_no_model_is_said(tmp_path):
    with pytest.raises(UserError, match=r"model\.json: no trained model here"):
        load_predictor(tmp_path)


def test_threads():
    before = torch.get_num_threads()
    try:
        use_threads(3)
        assert torch.get_num_threads() == 3
        use_threads(0)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_network_and_its_card_are_enough():
    said = card("classify", (1, 1, 1), classes=["a", "b"], mean=[0.0], std=[1.0])
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2, bias=False))
    torch.nn.init.constant_(network[1].weight, 2.0)
    found = Predictor(network, said).outputs(np.full((1, 1, 1, 1), 255, np.uint8))
    np.testing.assert_allclose(found, [[2.0, 2.0]])
