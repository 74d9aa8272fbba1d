"""The scan of a user's data, its report, and the suggested settings."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from sprout.commands.terminal import print_all
from sprout.config.formats import Table
from sprout.data.importing import suggest_settings as suggest_settings_module
from sprout.data.importing.check_report import check_report
from sprout.data.importing.detect_format import Detected
from sprout.data.importing.draft import draft_experiment
from sprout.data.importing.suggest_settings import suggest_settings
from sprout.data.importing.user_data import UserData, open_user_data, scan_examples
from sprout.data.listing import Files, Listing, texts
from sprout.data.prepare import pixels
from sprout.runtime.errors import UserError

CONF = Path(__file__).parents[1] / "conf"


def images(sizes: list[tuple[int, int]], *, channels: int = 3, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (*size, channels), np.uint8) for size in sizes]


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(path)


def listed(folder: Path, pictures: list[np.ndarray], **further: Any) -> Listing:
    """A listing of pictures in files."""
    for number, picture in enumerate(pictures):
        save(picture, folder / f"{number}.png")
    names = [f"{number}.png" for number in range(len(pictures))]
    return Listing(Files(folder, texts(names)), pa.array(names), **further)


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    """The report on a path, as it is printed."""

    def printed(path: Path) -> str:
        with open_user_data(CONF, path) as data:
            print_all(check_report(data))
        return capsys.readouterr().out

    return printed


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Two classes and some more that look alike, with an exact duplicate in another class, and faults."""
    one, *others = images([(6, 9)] * 30 + [(8, 8)])
    for number, picture in enumerate(others):
        save(picture, tmp_path / "flowers" / ("rose" if number < 15 else "daisy") / f"{number}.png")
    save(one, tmp_path / "flowers" / "rose" / "same.png")
    save(one, tmp_path / "flowers" / "Rose" / "same.bmp")
    save(np.repeat(images([(6, 9)], channels=1, seed=1)[0], 3, axis=2), tmp_path / "flowers" / "rose" / "grey.png")
    (tmp_path / "flowers" / "rose" / "text.jpg").write_text("no image")
    (tmp_path / "flowers" / "rose" / "link.jpg").symlink_to("/etc/hostname")
    return tmp_path / "flowers"


def test_the_report_on_a_folder(flowers: Path, report: Callable[[Path], str]) -> None:
    text = report(flowers)
    assert "images in folders, 35 examples, 3 classes" in text
    assert re.search(r"^rose +17\s*$", text, re.MULTILINE)
    assert re.search(r"^all +33\s*$", text, re.MULTILINE)
    assert "9×6 most often (32 of 33), from 8×6 to 9×8, 2 different" in text
    assert "32 in colour, 1 grey (all stored as colour)" in text
    assert "equal images: 1 equal an earlier one, 1 of them with another label" in text
    assert "faults: 2 (5.7%)" in text
    assert re.search(r"rose/link.jpg +a link that leads out", text)
    assert re.search(r"rose/text.jpg +not an image", text)
    assert "differ only in case or Unicode form: 'Rose', 'rose'" in text
    assert "classes with fewer than 10 examples: Rose 1" in text
    assert "17 times as many examples as the smallest" in text


def test_the_report_counts_by_the_datas_own_splits(tmp_path: Path, report: Callable[[Path], str]) -> None:
    picture, *others = images([(4, 4)] * 7)
    for number, other in enumerate(others):
        save(other, tmp_path / ("train" if number < 4 else "test") / "ab"[number % 2] / f"{number}.png")
    save(picture, tmp_path / "train" / "a" / "x.png")
    save(picture, tmp_path / "test" / "a" / "x.png")
    text = report(tmp_path)
    assert re.search(r"^class +train +test\s*$", text, re.MULTILINE)
    assert re.search(r"^a +3 +2\s*$", text, re.MULTILINE)
    assert "1 equal an earlier one, 1 of them in another split" in text


def test_names_with_line_ends_and_escapes_stay_on_one_line(tmp_path: Path, report: Callable[[Path], str]) -> None:
    for name in ("a\nb", "c\x1b[31m"):
        save(images([(4, 4)])[0], tmp_path / name / "1.png")
    lines = report(tmp_path).splitlines()
    assert any(line.startswith(r"a\nb ") for line in lines)
    assert any(line.startswith(r"c\x1b[31m ") for line in lines)


def test_a_numeric_target_is_reported_by_its_range(tmp_path: Path, report: Callable[[Path], str]) -> None:
    (tmp_path / "t.csv").write_text("a,price\n" + "".join(f"{row},{row / 2}\n" for row in range(101)))
    assert "target: 0 to 50, mean 25" in report(tmp_path)


def test_many_files_are_scanned_in_processes_with_the_same_result(tmp_path: Path) -> None:
    pictures = images([(4 + number % 3, 4) for number in range(520)])
    listing = listed(tmp_path, pictures)
    (tmp_path / "7.png").write_bytes(b"")
    scan = scan_examples(listing, max_pixels=100)
    assert scan.faults == {7: "zero bytes"}
    assert [tuple(shape) for shape in scan.shapes[8:]] == [picture.shape for picture in pictures[8:]]
    assert len(np.unique(scan.digests, axis=0)) == 520


def test_images_are_equal_only_in_the_same_shape(tmp_path: Path) -> None:
    blank = [np.zeros(shape, np.uint8) for shape in ((4, 6, 3), (6, 4, 3), (4, 6, 3))]
    digests = scan_examples(listed(tmp_path, blank), max_pixels=100).digests
    assert digests is not None
    assert (digests[0] == digests[2]).all()
    assert (digests[0] != digests[1]).any()


def test_arrays_are_scanned_as_images(tmp_path: Path) -> None:
    pictures = np.stack(images([(5, 5)] * 6))
    pictures[4] = pictures[1]
    scan = scan_examples(Listing(pictures, pa.array(list("abcdef"))), max_pixels=100)
    assert scan.shapes.tolist() == [[5, 5, 3]] * 6
    assert not scan.grey.any()
    assert scan.digests is not None
    assert (scan.digests[4] == scan.digests[1]).all()


@pytest.mark.parametrize(
    ("sizes", "channels", "expected"),
    [
        ([(28, 28)] * 9, 1, {"size": [28, 28], "resize": "none", "channels": 1}),
        ([(96, 40)] * 9, 3, {"size": [96, 40], "resize": "none", "channels": 3}),
        ([(120, 160)] * 9, 3, {"size": [48, 64], "resize": "fit", "channels": 3}),
        ([(160, 120)] * 8 + [(162, 121)], 3, {"size": [64, 48], "resize": "fit", "channels": 3}),
        ([(120, 160), (160, 120)] * 5, 3, {"size": [64, 64], "resize": "fit", "channels": 3}),
        ([(20, 20), (24, 24), (24, 24)], 1, {"size": [24, 24], "resize": "fit", "channels": 1}),
    ],
)
def test_the_suggested_size_fits_the_images(
    tmp_path: Path, sizes: list[tuple[int, int]], channels: int, expected: dict[str, Any]
) -> None:
    listing = listed(tmp_path, images(sizes, channels=channels))
    prepare = suggest_settings(listing, scan_examples(listing, 10**6)).prepare
    assert {key: prepare[key] for key in expected} == expected


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten labels are enough to hold some out."""
    monkeypatch.setattr(suggest_settings_module, "FEW_LABELS", 10)


@pytest.mark.parametrize(
    ("splits", "folds"),
    [
        (None, 5),
        (["train"] * 60 + ["test"] * 40, 5),
        (["train"] * 60 + ["val"] * 20 + ["test"] * 20, None),
        (["train"] * 6 + ["test"] * 94, 3),
        (["train"] * 60 + ["unlabelled"] * 40, 5),
        (["train"] * 12 + ["val"] * 8 + ["unlabelled"] * 80, None),
    ],
)
def test_few_labels_are_not_split(splits: list[str] | None, folds: int | None) -> None:
    """Where the data has no val of its own."""
    labels = pa.array([("a", "b")[row % 2] for row in range(100)])
    given = None if splits is None else pa.array(splits, pa.string())
    listing = Listing(np.zeros((100, 2), np.float32), pa.array(["x"] * 100), label=labels, split=given)
    found = suggest_settings(listing, scan_examples(listing, 1))
    assert found.prepare["folds"] == folds
    pool = splits is not None and "unlabelled" in splits
    assert (found.files.get("/pseudo_label") == "none") == (pool or folds is not None)
    assert (found.files.get("/retrain") == "consistency") == pool
    if folds:
        assert (found.prepare["test"], found.prepare["val"]) == (None, None)
        assert f"{folds}-fold cross-validation measures the error" in found.learns
    labelled = 100 if splits is None else splits.count("train")
    batch = found.train["batch_size"]
    assert isinstance(batch, int)
    assert batch <= (labelled * (folds - 1) // folds if folds else labelled), "a training has as many, and not the pool"


@pytest.mark.parametrize(
    ("splits", "test", "val"),
    [
        (None, 0.15, 0.15),
        (["train"] * 60 + ["test"] * 40, None, 0.15),
        (["train"] * 60 + ["val"] * 20 + ["test"] * 20, None, None),
        (["train"] * 60 + ["val"] * 20 + [None] * 20, 0.15, None),
    ],
)
def test_a_split_is_drawn_where_the_data_has_none(
    splits: list[str | None] | None, test: Any, val: Any, many: None
) -> None:
    labels = pa.array([("a", "b")[row % 2] for row in range(100)])
    given = None if splits is None else pa.array(splits, pa.string())
    listing = Listing(np.zeros((100, 2), np.float32), pa.array(["x"] * 100), label=labels, split=given)
    prepare = suggest_settings(listing, scan_examples(listing, 1)).prepare
    assert (prepare["test"], prepare["val"]) == (test, val)


def test_of_few_examples_one_of_each_class_is_drawn(many: None) -> None:
    labels = pa.array([str(row % 10) for row in range(40)])
    listing = Listing(np.zeros((40, 2), np.float32), pa.array(["x"] * 40), label=labels)
    assert suggest_settings(listing, scan_examples(listing, 1)).prepare["test"] == 10


def draft_of(labels: list[str | None] | None, path: Path, **further: Any) -> Any:
    """The draft for a table with these labels."""
    count = 40 if labels is None else len(labels)
    given = None if labels is None else pa.array(labels, pa.string())
    listing = Listing(np.zeros((count, 2), np.float32), pa.array(["row"] * count), label=given, **further)
    detected = Detected(
        path, path.parent, Table("table", "t.csv", "y", False, None, None, "faulty", None, None, None), []
    )
    return draft_experiment(CONF, "own", UserData(detected, listing, scan_examples(listing, 1)))


@pytest.mark.parametrize(
    ("labels", "further", "learns", "config"),
    [
        (["a", "b"] * 20, {}, "classes", "override /model: mlp"),
        (None, {}, "clusters", "override /train: scikit_learn"),
        (None, {"value": pa.array(np.arange(40.0))}, "numbers", "override /train/task: regress"),
    ],
)
def test_a_model_suits_what_there_is_to_learn(
    labels: list[str | None] | None, further: dict[str, Any], learns: str, config: str, tmp_path: Path
) -> None:
    draft = draft_of(labels, tmp_path, **further)
    assert draft.command == "dvc exp run -S experiment=own -S 'overrides=[]'"
    assert learns in draft.learns
    assert config in draft.files["experiment/own.yaml"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"] * 40, "only one class"),
        (["a"] * 39 + ["b"], "a class has a single example"),
        (["a", "b"], "too few"),
    ],
)
def test_what_prepare_would_refuse_is_refused_before(
    labels: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(labels) > 2:
        monkeypatch.setattr(suggest_settings_module, "FEW_LABELS", 10)
    with pytest.raises(UserError, match=message):
        draft_of(labels, tmp_path)


def test_data_without_a_usable_example_is_refused_with_a_reason(tmp_path: Path) -> None:
    faults = dict.fromkeys(range(40), "bad luck")
    with pytest.raises(UserError, match=r"none of 40 examples can be used; .* row: bad luck"):
        draft_of(None, tmp_path, faults=faults)


def test_the_guide_has_the_conversions_that_the_code_has() -> None:
    def conversions(text: str) -> list[list[str]]:
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
        return [row[1:] for row in cells if len(row) == 3 and row[1] in ("grey", "colour", "either")]

    guide = (CONF.parent / "docs" / "your_own_data.md").read_text(encoding="utf-8")
    assert conversions(guide) == conversions(pixels.__doc__ or "")
