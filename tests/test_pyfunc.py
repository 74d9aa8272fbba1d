"""What a logged model takes and gives: arrays, tables and dictionaries, as MLflow's server hands them on."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from handmade import model, save
from sprout.data.description import Column
from sprout.data.prepare.decode import ImageFormat, decode
from sprout.data.store import Array
from sprout.models.predictor import Predictor
from sprout.predict.examples import RequestError
from sprout.predict.image_files import INPUTS
from sprout.predict.image_format import image_format
from sprout.predict.pyfunc import ServedModel
from sprout.runtime.checksums import renew_sum
from sprout.runtime.files import write_json

SHAPE, CLASSES, FEATURES = (6, 8, 3), ["cat", "dog", "日本"], ["age", "sex = f"]
Open = Callable[..., tuple[Predictor, ServedModel]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Make a model folder as it is logged, and open it."""

    def open_model(
        task: str, shape: tuple[int, ...], resize: str | None = "fit", **changes: Any
    ) -> tuple[Predictor, ServedModel]:
        made = model(task, shape, **changes)
        folder = save(tmp_path / "model", made)
        if resize is not None:
            write_json(folder / INPUTS, {"resize": resize, "max_pixels": 10_000})
            renew_sum(folder, INPUTS)
        return made, ServedModel(folder)

    return open_model


@pytest.fixture
def images(opened: Open) -> tuple[Predictor, ServedModel]:
    return opened("classify", SHAPE, classes=CLASSES)


@pytest.fixture
def rows(opened: Open) -> tuple[Predictor, ServedModel]:
    return opened("regress", (2,), features=FEATURES)


def pixels(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(levels: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_raw_images_give_classes_by_name(images: tuple[Predictor, ServedModel]) -> None:
    made, served = images
    given = pixels(3, *SHAPE)
    expected, found = made.predict(given), served.predict(given)
    assert list(found.columns) == ["class", "probability", "probability_cat", "probability_dog", "probability_日本"]
    assert found["class"].tolist() == [CLASSES[index] for index in expected.argmax(axis=1)]
    np.testing.assert_allclose(found["probability"], expected.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.iloc[:, 2:].to_numpy(), expected, rtol=1e-6)
    from_json = served.predict(given.astype(np.int64))
    pd.testing.assert_frame_equal(from_json, found)
    pd.testing.assert_frame_equal(served.predict({"image": given.astype(np.int64)}), found)
    pd.testing.assert_frame_equal(served.predict(pd.DataFrame({"image": given.tolist()})), found)


def test_images_in_base64_are_decoded_as_in_prepare(images: tuple[Predictor, ServedModel], tmp_path: Path) -> None:
    """Of another size, of one channel, and as a data URL; however MLflow's server hands them on."""
    made, served = images
    sent = [png(pixels(20, 30, 3)), png(pixels(6, 8)), png(pixels(*SHAPE, seed=1))]
    target = image_format(tmp_path / "model", made.card, None)
    expected = made.predict(np.stack([decode(io.BytesIO(each), target) for each in sent]))
    texts = [text(sent[0]), text(sent[1]), f"data:image/png;base64,{text(sent[2])}"]
    for given in (
        pd.DataFrame({"image": texts}),
        pd.DataFrame([[each] for each in texts]),
        {"image": np.array(texts)},
        {"image": texts},
        np.array(texts),
        [{"image": np.array(each)} for each in texts],
    ):
        np.testing.assert_allclose(served.predict(given).iloc[:, 2:].to_numpy(), expected, rtol=1e-6)
    one = served.predict({"image": np.array(texts[0])})
    assert one["class"].tolist() == [CLASSES[expected[0].argmax()]]


def test_images_of_a_model_logged_without_its_data_are_resized_to_fit(opened: Open) -> None:
    made, served = opened("classify", SHAPE, resize=None, classes=CLASSES)
    sent = png(pixels(10, 12, 3))
    expected = made.predict(np.stack([decode(io.BytesIO(sent), ImageFormat((6, 8), 3, "fit", 10_000))]))
    found = served.predict([{"image": text(sent)}])
    np.testing.assert_allclose(found.iloc[:, 2:].to_numpy(), expected, rtol=1e-6)


def test_rows_are_those_of_the_table_that_the_model_has_learned_from(opened: Open) -> None:
    """Its categories become features as they were there; features as prepared are taken as well."""
    columns = [Column("town", values=["Bonn", "Köln"]), Column("age")]
    made, served = opened("regress", (3,), features=["town = Bonn", "town = Köln", "age"], columns=columns)
    expected = made.predict(np.array([[0, 1, 7], [1, 0, 8]], np.float32))
    for given in (
        pd.DataFrame({"age": [7, 8], "town": ["Köln", "Bonn"]}),
        np.array([["Köln", 7], ["Bonn", 8]], object),
        np.array([[0, 1, 7], [1, 0, 8]]),
    ):
        np.testing.assert_allclose(served.predict(given)["value"], expected, rtol=1e-6)
    with pytest.raises(RequestError, match=r"^rows\[0\]: .*Ulm"):
        served.predict({"age": [7], "town": ["Ulm"]})


def test_rows_by_place_and_by_name(rows: tuple[Predictor, ServedModel]) -> None:
    made, served = rows
    given = np.array([[40, 1], [2.5, 0]], np.float32)
    expected = made.predict(given)
    by_name = {"sex = f": [1, 0], "age": [40, 2.5]}
    for each in (
        given,
        given.astype(np.float64),
        pd.DataFrame(by_name),
        pd.DataFrame(given),
        {name: np.array(values) for name, values in by_name.items()},
        [{"age": np.array(40), "sex = f": np.array(1)}, {"age": 2.5, "sex = f": 0}],
    ):
        found = served.predict(each)
        assert list(found.columns) == ["value"]
        np.testing.assert_allclose(found["value"], expected, rtol=1e-6)
    np.testing.assert_allclose(served.predict({"age": 40, "sex = f": 1})["value"], expected[:1], rtol=1e-6)


def test_a_clustering_gives_numbers_and_a_reconstruction_images(opened: Open) -> None:
    given = pixels(4, 4, 4, 1)
    made, served = opened("cluster", (4, 4, 1))
    found = served.predict(given)
    assert (list(found.columns), found["cluster"].tolist()) == (["cluster"], made.predict(given).tolist())
    made, served = opened("reconstruct", (4, 4, 1))
    np.testing.assert_allclose(served.predict(given), made.predict(given), rtol=1e-6)


def test_many_examples_are_predicted_in_batches(
    images: tuple[Predictor, ServedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, served = images
    given = pixels(7, *SHAPE)
    monkeypatch.setattr(served.model, "batch", 3)
    sizes, predict = [], served.model.predict_array
    monkeypatch.setattr(served.model, "predict_array", lambda batch: sizes.append(len(batch)) or predict(batch))
    np.testing.assert_allclose(served.predict(given).iloc[:, 2:].to_numpy(), made.predict(given), rtol=1e-6)
    assert sizes == [3, 3, 1]
    assert len(served.predict(given[:0])) == 0


OF_IMAGES: dict[str, tuple[Any, str]] = {
    "no base64": ({"image": ["%%%"]}, "images[0]: is not base64"),
    "no image": ({"image": [text(png(pixels(*SHAPE))), text(b"hello")]}, "images[1]: not an image in a known format"),
    "nothing": (pd.DataFrame({"image": [None]}), "images[0]: should be an image in base64"),
    "nested": (np.array([["aaaa"]]), "images[0]: should be an image in base64"),
    "address": (["http://localhost/a.png"], "images[0]: addresses are not fetched; send the image itself in base64"),
    "pixels": ([text(png(pixels(200, 200)))], "images[0]: 200×200 pixels, more than"),
    "column": (pd.DataFrame({"photo": ["x"]}), "the model takes images, in one column `image`; not `photo`"),
    "shape": (pixels(2, 6, 6, 3), "examples of shape 2 × 6 × 6 × 3; the model takes N × 6 × 8 × 3"),
    "single": (7, "examples of shape 1; the model takes N × 6 × 8 × 3"),
    "value": (np.full((1, *SHAPE), 256), "pixels should be whole numbers from 0 to 255"),
    "share": (np.full((1, *SHAPE), 0.5), "pixels should be whole numbers from 0 to 255"),
    "ragged": (pd.DataFrame({"image": [[1], [1, 2]]}), "the examples are lists of different lengths"),
}


@pytest.mark.parametrize("name", OF_IMAGES)
def test_what_is_no_image_is_named_in_one_line(images: tuple[Predictor, ServedModel], name: str) -> None:
    given, reason = OF_IMAGES[name]
    with pytest.raises(RequestError) as caught:
        images[1].predict(given)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


OF_ROWS: dict[str, tuple[Any, str]] = {
    "missing": ({"age": [1]}, "rows[0]: 'sex = f' is missing"),
    "unknown": (
        pd.DataFrame({"age": [1], "sex = f": [1], "name": ["a"]}),
        "rows[0]: 'name' is not a column of the model",
    ),
    "text": ({"age": [1, "old"], "sex = f": [1, 0]}, "rows[1]: "),
    "gap": (np.array([[1, 2], [np.nan, 2]]), "rows[1]: 'age' is not a number, text, true, false or null"),
    "lengths": ({"age": [1], "sex = f": [1, 0]}, "the columns have different lengths"),
    "width": (np.ones((2, 3)), "examples of shape 2 × 3; the model takes N × 2"),
    "an image": (np.array([text(png(pixels(*SHAPE)))]), "examples of shape 1; the model takes N × 2"),
}


@pytest.mark.parametrize("name", OF_ROWS)
def test_what_is_no_row_is_named_in_one_line(rows: tuple[Predictor, ServedModel], name: str) -> None:
    given, reason = OF_ROWS[name]
    with pytest.raises(RequestError) as caught:
        rows[1].predict(given)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)
