"""`import sprout`: models, data and trainings for notebooks."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import sprout
from handmade import model, save
from pictures import encoded
from sprout.data.description import Column
from sprout.models.predictor import Predictor
from sprout.runtime.errors import UserError
from workspaces import copy_workspace

SHAPE = (6, 8, 3)
DOCS = Path(__file__).parents[1] / "docs/python.md"


@pytest.fixture
def made(tmp_path: Path) -> Predictor:
    found = model("classify", SHAPE, classes=["cat", "dog", "猫"])
    save(tmp_path / "model", found)
    return found


@pytest.fixture
def opened(made: Predictor, tmp_path: Path) -> sprout.Model:
    return sprout.load(tmp_path / "model")


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


def test_only_what_is_public_is_offered_and_torch_waits() -> None:
    assert set(sprout.__all__) == set(sprout.PLACES) <= set(dir(sprout))
    assert all(getattr(sprout, name) is not None for name in sprout.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        sprout.lod  # noqa: B018
    code = "import sprout, sys; assert 'torch' not in sys.modules and 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_as_prepared(opened: sprout.Model, made: Predictor, images: Any) -> None:
    table, expected = opened.predict(images), made.predict(images)
    assert table.column_names == ["input", "class", "probability", *(f"probability_{name}" for name in made.classes)]
    assert table["input"].to_pylist() == ["0", "1", "2", "3", "4"]
    assert table["class"].to_pylist() == [made.classes[best] for best in expected.argmax(axis=1)]
    np.testing.assert_array_equal(np.stack([table[name] for name in table.column_names[3:]], axis=1), expected)
    np.testing.assert_array_equal(opened.embed(images), made.embed(images))
    assert (opened.classes, opened.shape) == (["cat", "dog", "猫"], SHAPE)
    assert opened.predict(images[:0]).num_rows == 0
    assert opened.embed(images[:0]).shape == (0, 6)


def test_paths_pillow_images_and_arrays_of_any_size(
    opened: sprout.Model, made: Predictor, images: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, each in enumerate(images):
        Image.fromarray(each).save(tmp_path / f"{place}.png")
    expected = made.predict(images)
    paths = [tmp_path / f"{place}.png" for place in range(5)]
    for given in (paths, [Image.open(path) for path in paths], list(images)):
        found = opened.predict(given)
        np.testing.assert_allclose(found["probability_cat"], expected[:, 0], rtol=1e-6)
    assert opened.predict(paths[0])["input"].to_pylist() == [str(paths[0])]
    (tmp_path / "folder").mkdir()
    shutil.copy(paths[3], tmp_path / "folder/a.png")
    assert opened.predict(str(tmp_path / "folder"))["probability_cat"].to_pylist() == pytest.approx([expected[3, 0]])
    assert capsys.readouterr().err == ""
    large = np.kron(images[0], np.ones((4, 4, 1), np.uint8))
    again = opened.predict([large, large])["probability_cat"].to_pylist()
    assert again == pytest.approx([expected[0, 0]] * 2, abs=0.01)
    assert capsys.readouterr().err.count("resized to fit") == 1


def test_pixels_that_speak_for_a_prediction(opened: sprout.Model, made: Predictor, images: Any) -> None:
    found = opened.explain(list(images))
    assert found.saliency is not None
    assert (found.saliency.shape, found.saliency.min() >= 0, found.saliency.max() <= 1) == ((5, 6, 8), True, True)
    assert found.predicted.tolist() == made.predict(images).argmax(axis=1).tolist()
    np.testing.assert_allclose(found.features, made.embed(images), rtol=1e-5)
    with pytest.raises(UserError, match="examples: none to explain"):
        opened.explain([])


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_an_image_of_pillow_is_read_as_its_file(opened: sprout.Model, tmp_path: Path, mode: str) -> None:
    rng = np.random.default_rng(1)
    if mode in ("I;16", "F"):
        levels = rng.integers(0, 65536, (6, 8), dtype=np.uint16)
        image = Image.fromarray(levels if mode == "I;16" else (levels / 65535).astype(np.float32))
    else:
        image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).convert(mode)
    image.save(path := tmp_path / f"image.{'tiff' if mode in ('CMYK', 'F') else 'png'}")
    by_path, by_image = opened.predict(path), opened.predict(Image.open(path))
    assert by_image.drop(["input"]) == by_path.drop(["input"])


def test_an_image_of_pillow_is_turned_as_its_file(opened: sprout.Model, images: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(images[0]).save(path := tmp_path / "turned.png", exif=exif)
    turned = opened.predict(np.rot90(images[:1], 2, axes=(1, 2)))
    assert opened.predict(Image.open(path))["probability_cat"] == turned["probability_cat"]
    data = encoded(Image.fromarray(images[1]).resize((64, 64)), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with Image.open(tmp_path / "cut.jpg") as cut, pytest.raises(UserError, match=r"^examples\[0\]: .*truncated"):
        opened.predict(cut)


def test_arrays_of_other_types(opened: sprout.Model, made: Predictor, images: Any) -> None:
    expected = opened.predict(images)
    for given in (images.astype(np.int64), list(images.astype(np.int32)), images.astype(np.uint16) * np.uint16(257)):
        assert opened.predict(given).drop(["input"]) == expected.drop(["input"])
    black_and_white = images > 127
    assert opened.predict(black_and_white)["class"] == opened.predict(black_and_white * np.uint8(255))["class"]
    with pytest.raises(UserError, match=r"^examples\[1\]: "):
        opened.predict([images[0], images[1] / 255 + 7])


@pytest.mark.parametrize("kind", [pd.DataFrame, pa.Table.from_pylist, list])
def test_rows_of_a_table(tmp_path: Path, kind: Callable[[Any], Any]) -> None:
    columns = [Column("age", empty=True, median=40.0), Column("town", values=["Bonn", "Köln"])]
    names = ["age", "age is empty", "town=Bonn", "town=Köln"]
    made = model("regress", (4,), features=names, columns=columns)
    opened = sprout.load(save(tmp_path / "model", made))
    rows = [{"town": "Köln", "age": 3.0, "more": "x"}, {"town": "Bonn", "age": None, "more": "y"}]
    expected = made.predict(np.array([[3, 0, 0, 1], [40, 1, 1, 0]], np.float32))
    assert opened.predict(kind(rows))["value"].to_pylist() == pytest.approx(list(expected))
    features = np.array([[3, 0, 0, 1]], np.float64)
    assert opened.predict(features)["value"].to_pylist() == pytest.approx([expected[0]])
    with pytest.raises(UserError, match=r"^examples: no column 'town', which .* takes$"):
        opened.predict(kind([{"age": 3}]))
    with pytest.raises(UserError, match=r"^examples\[1\]: column 'town' is 'Rom', not one of 'Bonn', 'Köln'$"):
        opened.predict(kind([rows[0], {"town": "Rom", "age": 1.0}]))


def test_rows_in_odd_shapes(tmp_path: Path) -> None:
    columns = [Column("age", empty=True, median=40.0), Column("town", values=["7", "Bonn"], empty=True)]
    made = model("regress", (5,), features=list("abcde"), columns=columns)
    opened = sprout.load(save(tmp_path / "model", made))
    rows = [{"town": 7, "age": "3"}, {"town": float("nan"), "age": None}, {"town": None, "age": 2}]
    features = np.array([[3, 0, 1, 0, 0], [40, 1, 0, 0, 1], [2, 0, 0, 0, 1]], np.float32)
    assert opened.predict(rows)["value"].to_pylist() == pytest.approx(list(made.predict(features)))
    assert opened.predict(rows[2])["value"].to_pylist() == pytest.approx([made.predict(features[2:])[0]])
    twice = pd.DataFrame([[1, "Bonn", 2]], columns=["age", "town", "age"])
    with pytest.raises(UserError, match=r"^examples: cannot be read as a table \(Duplicate column names"):
        opened.predict(twice)
    for given in ("rows.csv", [[1, "Bonn"]]):
        with pytest.raises(UserError, match="takes rows of a table with the columns 'age', 'town'; give a DataFrame"):
            opened.predict(given)


def test_what_cannot_be_predicted_is_named(opened: sprout.Model, images: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"text")
    for given, said in [
        (tmp_path / "bad.png", "bad.png: not an image in a known format"),
        (tmp_path / "gone.png", "gone.png: not readable"),
        (images[0], r"put a single image into a list: \[image\]"),
        ([7], r"examples\[0\]: int cannot be predicted"),
        (7, "examples: int cannot be predicted"),
        (pd.DataFrame({"a": [1]}), "takes images"),
        ([{"a": 1}], "takes images"),
        (np.zeros((2, 6, 8, 2), np.uint8), "2 channels"),
    ]:
        with pytest.raises(UserError, match=said):
            opened.predict(given)
    with pytest.raises(UserError, match="nowhere"):
        sprout.load("nowhere")
    with pytest.raises(UserError, match="resize=foo: accepted: fit, crop, stretch, none"):
        sprout.load(tmp_path / "model", resize="foo")
    with pytest.raises(UserError, match="only `sprout predict` takes"):
        sprout.load("torchvision:resnet18")
    with pytest.raises(UserError, match="no prediction to print"):
        sprout.load(save(tmp_path / "other", model("reconstruct", SHAPE))).predict(images)
    with pytest.raises(UserError, match=r"resize=fit: .* takes rows"):
        sprout.load(save(tmp_path / "rows", model("classify", (4,))), resize="fit")


@pytest.mark.slow
def test_the_page_of_the_documentation_runs(
    prepared_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_workspace(prepared_project, tmp_path / "project")
    save(project / "models/student", model("classify", (8, 8, 1), classes=[str(digit) for digit in range(10)]))
    Image.new("L", (8, 8), 200).save(project / "photo.png")
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_ROOT", str(project))
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL):
        exec(block, names)  # noqa: S102
    val, trained = names["val"], names["trained"]
    assert (names["config"]["train"]["lr"], names["features"].shape) == (0.01, (1, 6))
    assert names["frame"]["class"].isin(val.classes).all()
    assert val.examples.shape == (len(val.labels), 8, 8, 1) == (val.table.num_rows, 8, 8, 1)
    predicted = np.array(trained.model.predict(val.examples)["class"].to_pylist())
    wrong = predicted != np.array(val.classes)[val.labels]
    assert trained.metrics["val"]["error_rate"] == pytest.approx(wrong.mean(), abs=1e-6)
    assert Path.cwd() == project


def test_wrong_settings_and_splits(project: Path) -> None:
    with pytest.raises(UserError, match=r"is no text; give each as one"):
        sprout.compose(["train.lr=1"])  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^train.lr=-1"):
        sprout.compose("train.lr=-1")
    with pytest.raises(UserError, match="split 'vali': unknown; accepted: train, val, unlabelled, test"):
        sprout.read_split("vali")
    with pytest.raises(UserError, match="no prepared data here"):
        sprout.read_split("val")


def test_outside_of_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is not in a workspace"):
        sprout.compose()
