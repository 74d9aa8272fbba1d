"""The task reconstruct: the noise, the loss, and the errors of restored images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handmade import card, model
from sprout.augment.draws import OUTSIDE, draws
from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.data.store import Store
from sprout.runtime.errors import UserError
from sprout.tasks import Reconstruct
from sprout.tasks.distances import Distance
from sprout.tasks.interfaces import Limits
from sprout.tasks.reconstruct import (
    ImageCriterion,
    noisy,
    reconstruction_metrics,
    restore,
    squared_errors,
    write_restored,
)

SHAPE = (4, 3, 2)
CARD = card("reconstruct", SHAPE)


def ids(n: int) -> torch.Tensor:
    return torch.arange(n)


# The noise.


def test_the_noise_has_the_standard_deviation_that_was_asked_for() -> None:
    grey = torch.full((200, 1, 16, 16), 0.5)
    found = noisy(grey, draws(0, 0, ids(200)), 0.1)
    assert found.shape == grey.shape
    assert abs(found.mean().item() - 0.5) < 0.002
    assert abs(found.std().item() - 0.1) < 0.002


def test_noisy_pixels_stay_in_0_to_1() -> None:
    found = noisy(torch.rand(50, 3, 8, 8), draws(0, 0, ids(50)), 2.0)
    assert (found.min().item(), found.max().item()) == (0.0, 1.0)


def test_no_noise_changes_nothing() -> None:
    images = torch.rand(5, 1, 4, 4)
    assert torch.equal(noisy(images, draws(0, 0, ids(5)), 0.0), images)


def test_noise_depends_on_the_example_and_not_on_its_batch() -> None:
    images = torch.rand(6, 1, 4, 4)
    all_of_them = noisy(images, draws(0, OUTSIDE, ids(6)), 0.3)
    for rows in ([4, 1], [5], [0, 2, 3]):
        picked = torch.tensor(rows)
        assert torch.equal(noisy(images[picked], draws(0, OUTSIDE, picked), 0.3), all_of_them[picked])


def test_each_epoch_and_each_example_has_noise_of_its_own() -> None:
    grey = torch.full((2, 1, 8, 8), 0.5)
    outside, first, second = (noisy(grey, draws(0, epoch, ids(2)), 0.1) for epoch in (OUTSIDE, 0, 1))
    assert not torch.equal(outside, first)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_noise_keeps_the_number_format() -> None:
    images = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    assert noisy(images, draws(0, 0, ids(2)), 0.3).dtype == torch.float64


# The loss.


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_the_loss_is_the_mean_distance_of_the_pixels_to_the_clean_image(loss: Distance) -> None:
    outputs, images = np.random.default_rng(0).random((2, 7, 3, 4, 5))
    size = np.abs(outputs - images)
    expected = {"mse": size**2, "mae": size, "huber": size**2 / 2}[loss]
    criterion = ImageCriterion(loss, 0.5)
    found = criterion.losses(torch.as_tensor(outputs), torch.zeros(7), torch.as_tensor(images), training=True)
    np.testing.assert_allclose(found.numpy(), expected.mean(axis=(1, 2, 3)))
    assert criterion.metrics(torch.as_tensor(outputs), torch.zeros(7)).tolist() == [0] * 7
    assert Reconstruct.epoch_metric is None


def test_the_network_is_shown_the_noisy_image() -> None:
    images = torch.rand(7, 1, 4, 4)
    assert ImageCriterion("mse", 0.0).network_input(images, draws(0, 0, ids(7))) is images
    shown = ImageCriterion("mse", 0.3).network_input(images, draws(0, 4, ids(7)))
    assert torch.equal(shown, noisy(images, draws(0, 4, ids(7)), 0.3))


def task(noise: float = 0.25) -> Reconstruct:
    return Reconstruct(kind="reconstruct", loss="mae", noise=noise)


def test_the_criterion_is_that_of_the_settings() -> None:
    assert task().criterion(Examples([]), CARD) == ImageCriterion("mae", 0.25)


def test_what_it_asks_of_a_network() -> None:
    assert task().input_noise == 0.25
    assert task().describe_outputs(3) == "the image itself"
    assert (Reconstruct.outputs_image, Reconstruct.column) == (True, None)


def test_rows_of_a_table_are_refused(make_store: Any, tmp_path: Path) -> None:
    task().check("train", Examples.of(make_store(3)))
    with pytest.raises(UserError, match=r"^train\.task\.kind=reconstruct: .*rows"):
        task().check("train", Examples.of(make_store(3, name="table", shape=(2,))))


@pytest.mark.parametrize("target", ["class", "number", None])
def test_any_data_will_do(target: str | None) -> None:
    Reconstruct.check_data(Path("data"), Description(target, [], [0.5], [0.5], None, None, None), "train")


# Metrics.


def test_predictions_are_images() -> None:
    outputs = np.random.default_rng(0).normal(0.5, 1, (5, 2, 4, 3)).astype(np.float32)
    found = Reconstruct.predictions(outputs, CARD)
    np.testing.assert_array_equal(found, outputs.clip(0, 1).transpose(0, 2, 3, 1))


def test_the_metrics_are_mean_squared_errors() -> None:
    found = reconstruction_metrics(np.array([0.5, 0.25], np.float32), np.array([0.125, 0.0], np.float32))
    assert found == pytest.approx({"mse": 0.0625, "noisy_mse": 0.375, "noise_left": 1 / 6})


def test_without_noise_no_share_of_it_is_left() -> None:
    found = reconstruction_metrics(np.zeros(2), np.array([0.5, 1.0]))
    assert found == {"mse": 0.75, "noisy_mse": 0.0, "noise_left": None}


def test_without_an_image_there_are_no_metrics() -> None:
    assert set(reconstruction_metrics(np.zeros(0), np.zeros(0)).values()) == {None}


@pytest.fixture
def store(make_store: Any) -> Store:
    """Thirty random images."""
    store: Store = make_store(30, shape=SHAPE)
    return store


def measured(store: Store, **changes: Any) -> dict[str, float | None]:
    predictor = model("reconstruct", SHAPE, **changes)
    return Reconstruct.metrics(Reconstruct.examine(predictor, store, "val"), predictor.card, store, 5)


def test_the_metrics_of_a_store_are_against_noise_that_is_always_the_same(store: Store) -> None:
    clean = torch.from_numpy(store.take(np.arange(30))).permute(0, 3, 1, 2) / 255
    shown = noisy(clean, draws(0, -1, ids(30)), 0.3)
    with torch.inference_mode():
        restored = model("reconstruct", SHAPE).network((shown - 0.25) / 0.5).clamp(0, 1)
    found = measured(store)
    mse, noisy_mse = ((restored - clean) ** 2).mean().item(), ((shown - clean) ** 2).mean().item()
    assert found == pytest.approx({"mse": mse, "noisy_mse": noisy_mse, "noise_left": mse / noisy_mse}, rel=1e-5)


def test_the_noise_of_a_row_depends_on_no_other(store: Store) -> None:
    predictor = model("reconstruct", SHAPE)
    all_of_them, some = (restore(predictor, store, rows) for rows in (np.arange(30), np.array([17, 4])))
    for every, images in zip(all_of_them, some, strict=True):
        np.testing.assert_allclose(images, every[[17, 4]], atol=1e-6)
    noise = ((all_of_them[1] - all_of_them[0]) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(Reconstruct.examine(predictor, store, "val")[:, 0], noise, rtol=1e-5)
    np.testing.assert_allclose(squared_errors(predictor, store, np.array([17, 4]))[:, 0], noise[[17, 4]], rtol=1e-5)


def test_a_plain_autoencoder_is_shown_the_image_itself(store: Store) -> None:
    found = measured(store, noise=0.0)
    assert found["mse"]
    assert (found["noisy_mse"], found["noise_left"]) == (0, None)


def test_an_empty_store_has_no_metrics(make_store: Any) -> None:
    assert set(measured(make_store(0, shape=SHAPE)).values()) == {None}


# The evaluation.


def test_an_evaluation(tmp_path: Path, make_store: Any) -> None:
    test, models = make_store(9, shape=SHAPE), {"teacher": model("reconstruct", SHAPE)}
    models["student"] = model("reconstruct", SHAPE, seed=1)
    examined = {role: Reconstruct.examine(each, test, "test") for role, each in models.items()}
    table = Reconstruct.write_evaluation(tmp_path, models, test, examined, Limits(bins=5, examples=4)).to_pydict()
    assert list(table) == ["row", "noisy_mse", "teacher", "student"]
    clean, shown, restored = restore(models["student"], test, np.arange(9))
    assert table["row"] == list(range(9))
    assert table["noisy_mse"] == pytest.approx(((shown - clean) ** 2).mean(axis=(1, 2, 3)))
    assert table["student"] == pytest.approx(((restored - clean) ** 2).mean(axis=(1, 2, 3)))
    assert table["teacher"] != table["student"]
    assert (tmp_path / "confusion.csv").read_text() == "actual,predicted\n"
    kept = np.load(tmp_path / "restored.npz", allow_pickle=False)
    ranked = np.argsort(table["student"])
    assert kept["row"].tolist() == ranked[[0, 3, 5, 8]].tolist()
    np.testing.assert_array_equal(kept["clean"], test.take(kept["row"]))
    for name, images in (("noisy", shown), ("restored", restored)):
        expected = (images[kept["row"]] * 255).transpose(0, 2, 3, 1)
        np.testing.assert_allclose(kept[name], expected, atol=0.51)


@pytest.mark.parametrize(("n", "examples", "shown"), [(3, 40, 3), (0, 40, 0), (3, 0, 0), (3, 1, 1)])
def test_no_more_images_are_kept_than_asked_for_or_there_are(
    tmp_path: Path, make_store: Any, n: int, examples: int, shown: int
) -> None:
    student, test = model("reconstruct", SHAPE), make_store(n, shape=SHAPE)
    write_restored(tmp_path, student, test, Reconstruct.examine(student, test, "test")[:, 1], examples)
    kept = np.load(tmp_path / "restored.npz", allow_pickle=False)
    assert kept["row"].shape == (shown,)
    assert {kept[name].shape for name in ("clean", "noisy", "restored")} == {(shown, *SHAPE)}


def test_what_users_are_shown() -> None:
    assert Reconstruct.summary({"mse": 0.0125, "noisy_mse": 0.1}, 5) == "mean squared error 0.01250 of 0.10000"
    assert Reconstruct.signature([8, 6, 3], []) == ("float32", (-1, 8, 6, 3))
    assert Reconstruct.printed_columns(3) == []
    with pytest.raises(NotImplementedError, match="reconstruct"):
        Reconstruct.printed_prediction(None, [], 3)
