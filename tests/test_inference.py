"""A trained model at work."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax as reference

from sprout.core.errors import UserError
from sprout.models import build, inference
from sprout.models.inference import Predictor, load_predictor, logits_of, probabilities_of, softmax, use_threads
from sprout.models.model_file import ModelCard, save_model

MLP = {"name": "mlp", "hidden": (5,), "batch_norm": False, "activation": "tanh", "dropout": 0.5}
MEAN, STD = [0.25, 0.5], [0.5, 2.0]
CARD = ModelCard("classify", MLP, ["a", "b", "c"], [4, 3, 2], MEAN, STD, 2.5, None, None, 0, "teacher", None)


@pytest.fixture
def predictor(tmp_path):
    torch.manual_seed(0)
    (tmp_path / "model").mkdir()
    save_model(tmp_path / "model", build((2, 4, 3), 3, **MLP).state_dict(), CARD)
    return load_predictor(tmp_path / "model")


def by_hand(predictor, images):
    """The same network in numpy."""
    flat = ((images / 255 - MEAN) / STD).transpose(0, 3, 1, 2).reshape(len(images), -1)
    state = {name: tensor.numpy() for name, tensor in predictor.network.state_dict().items()}
    hidden = np.tanh(flat @ state["1.weight"].T + state["1.bias"])
    return hidden @ state["4.weight"].T + state["4.bias"]


def test_logits_and_probabilities(predictor):
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 3, 2), dtype=np.uint8)
    expected = by_hand(predictor, images)
    logits, probabilities = predictor.logits(images), predictor.probabilities(images)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(probabilities, reference(expected / 2.5, axis=1), atol=1e-5)
    assert logits.dtype == probabilities.dtype == np.float32
    assert predictor.classes == ["a", "b", "c"]


def test_rows_of_a_table(tmp_path):
    torch.manual_seed(0)
    network = build((2,), 3, **MLP)
    card = replace(CARD, input_shape=[2], mean=[100.0, -1.0], std=[50.0, 0.5], temperature=2.0)
    save_model(tmp_path, network.state_dict(), card)
    rows = np.random.default_rng(0).normal([100, -1], [50, 0.5], (9, 2)).astype(np.float32)
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy((rows - [100, -1]) / [50, 0.5]).float()).numpy()
    predictor = load_predictor(tmp_path)
    np.testing.assert_allclose(predictor.logits(rows), expected, atol=1e-5)
    np.testing.assert_allclose(predictor.probabilities(rows), reference(expected / 2, axis=1), atol=1e-5)


def test_strided_images(predictor):
    images = np.random.default_rng(0).integers(0, 256, (18, 4, 3, 2), dtype=np.uint8)
    np.testing.assert_array_equal(predictor.logits(images[::2]), predictor.logits(images[::2].copy()))


def test_a_whole_store_in_its_order(predictor, make_store, monkeypatch):
    store = make_store(10, shape=(4, 3, 2))
    whole = predictor.logits(store.take(np.arange(10)))
    monkeypatch.setattr(inference, "BATCH", 4)
    np.testing.assert_allclose(logits_of(predictor, store, "test"), whole, atol=1e-6)
    expected = reference(whole / 2.5, axis=1)
    np.testing.assert_allclose(probabilities_of(predictor, store, "test"), expected, atol=1e-6)


def test_an_empty_store(predictor, make_store):
    store = make_store(0, shape=(4, 3, 2))
    for found in (logits_of(predictor, store, "test"), probabilities_of(predictor, store, "test")):
        assert (found.shape, found.dtype) == ((0, 3), np.float32)


def test_gradients_are_not_kept(predictor):
    seen = []
    predictor.network.register_forward_hook(lambda module, inputs, output: seen.append(output.requires_grad))
    predictor.logits(np.zeros((1, 4, 3, 2), np.uint8))
    assert seen == [False]


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
def test_softmax(temperature):
    logits = np.random.default_rng(0).normal(0, 30, (50, 4)).astype(np.float32)
    found = softmax(logits, temperature)
    np.testing.assert_allclose(found, reference(logits.astype(np.float64) / temperature, axis=1), atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


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
    card = replace(CARD, classes=["a", "b"], input_shape=[1, 1, 1], mean=[0.0], std=[1.0], temperature=1.0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2, bias=False))
    torch.nn.init.constant_(network[1].weight, 2.0)
    found = Predictor(network, card).logits(np.full((1, 1, 1, 1), 255, np.uint8))
    np.testing.assert_allclose(found, [[2.0, 2.0]])
