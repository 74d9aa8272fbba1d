"""`sprout explain`: a page about a model, and about its predictions for images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from commands import Ended
from estimators import CNN
from handmade import model, save
from html_page import Reader, self_contained
from sprout.data.store import label_table
from sprout.data.store_writer import write_store
from sprout.models.predictor import Predictor
from sprout.runtime.files import write_json

SHAPE, CLASSES = (8, 8, 1), ["cat", "dog", "emu"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprout.explain.filters.STEPS", 2)


@pytest.fixture
def student(project: Path) -> Predictor:
    """A workspace with a student, whose data was prepared with resize=fit."""
    said = {"resize": "fit", "max_pixels": 10_000}
    stages = {"prepare": {"cmd": "x", "params": {"build/config.yaml": {"prepare": said}}}}
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    made = model("classify", SHAPE, architecture=CNN, classes=CLASSES)
    save(project / "models/student", made)
    return made


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def prepare(project: Path, classes: list[str]) -> None:
    """The labelled training examples of the workspace; the last one has no label."""
    rows = np.arange(9)
    labels = [*(rows[:8] % 3).tolist(), None]
    table = label_table(rows, labels, source="given", group=rows, origin=[f"train-{row}.png" for row in rows])
    write_store(project / "data/prepared/train", images(9), table)
    write_json(project / "data/prepared/classes.json", classes)


def test_images_are_shown_with_saliency_neighbours_and_filters(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    prepare(project, CLASSES)
    Image.fromarray(images(9)[4, :, :, 0]).save(project / "a.png")
    done = sprout("explain", "a.png", "--out", "pages/why.html")
    assert (done.code, done.out, done.err) == (0, "pages/why.html\n", "")
    page = (project / "pages/why.html").read_text(encoding="utf-8")
    assert self_contained(page)
    found = Reader(page)
    titles = [image.get("title") for image in found.images]
    assert titles[:2] == ["a.png", "a.png"], "the image, and its saliency"
    assert titles[2] == "train-4.png", "the nearest is the image itself"
    assert "train-8.png" not in titles
    assert len(titles) == 2 + 4 + 4 + 6, "four neighbours, and the filters of two convolutions"
    prediction = student.predict(images(9)[[4]])[0]
    assert f"<b>{CLASSES[prediction.argmax()]}</b>" in page
    assert f"{prediction.max():.1%}" in page


@pytest.mark.parametrize("classes", [None, ["other"]])
def test_without_the_models_own_data_there_are_no_neighbours(
    project: Path, student: Predictor, sprout: Callable[..., Ended], classes: list[str] | None
) -> None:
    if classes:
        prepare(project, classes)
    Image.fromarray(images(1)[0, :, :, 0]).save(project / "a.png")
    assert sprout("explain", "a.png").code == 0
    page = (project / "explain.html").read_text(encoding="utf-8")
    assert 'class="near"' not in page
    assert "train-" not in page


def test_without_images_the_page_shows_the_filters(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    assert sprout("explain").code == 0
    page = (project / "explain.html").read_text(encoding="utf-8")
    assert len(Reader(page).images) == 10
    assert "Predictions" not in page


def test_files_that_cannot_be_read_are_named(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    Image.fromarray(images(1)[0, :, :, 0]).save(project / "a.png")
    (project / "b.png").write_bytes(b"no image")
    done = sprout("explain", "a.png", "b.png")
    assert (done.code, done.out) == (1, "explain.html\n")
    assert done.err.startswith("b.png: ")
    (project / "explain.html").unlink()
    done = sprout("explain", "b.png")
    assert done.code == 2
    assert "nothing could be explained" in done.err
    assert not (project / "explain.html").exists()


def test_a_mistake_in_the_model_ends_with_one_line(project: Path, sprout: Callable[..., Ended]) -> None:
    done = sprout("explain", "--model", "models/none")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "models/none" in done.err
