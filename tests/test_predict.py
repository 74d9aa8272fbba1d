"""`sprout predict` with a model of this project."""

import csv
import io
import json
import os
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from rich.console import Console

from commands import Ended
from handmade import model, save
from pictures import encoded
from sprout.data.description import Column
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import without_pillow_limits
from sprout.data.prepare.image_file import decode_file
from sprout.models import predictor as inference
from sprout.models.predictor import Predictor, load_predictor
from sprout.predict.image_format import image_format
from sprout.predict.replicas import Replicas

SHAPE = (6, 8, 3)
RNG = np.random.default_rng(0)


def pixels(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def draw(path: Path, levels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels() if levels is None else levels).save(path)
    return path


def lock(folder: Path, **prepare: Any) -> None:
    """A `dvc.lock` that says how the data was prepared."""
    said = {"resize": "fit", "max_pixels": 10_000} | prepare
    stages = {"prepare": {"cmd": "x", "params": {"build/config.yaml": {"prepare": said}}}}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


@pytest.fixture
def student(project: Path) -> Predictor:
    """A workspace with a student that classifies; its data was prepared with resize=fit."""
    lock(project)
    made = model("classify", SHAPE, classes=["cat", "dog", "猫"])
    save(project / "models/student", made)
    return made


def asked(predictor: Predictor, path: Path, resize: str = "fit") -> np.ndarray:
    """The model's own prediction for one file."""
    height, width, channels = SHAPE
    with without_pillow_limits():
        image_format = ImageFormat((height, width), channels, resize, 10**6)
        levels = decode_file(str(path.parent), path.name, image_format)
    found: np.ndarray = predictor.predict(levels[None].copy())[0]
    return found


def answers(done: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def test_classes_and_probabilities(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    path = draw(project / "a.png")
    done = sprout("predict", "a.png", "--json")
    (answer,) = answers(done)
    expected = asked(student, path)
    assert (done.code, done.err, answer["input"]) == (0, "", "a.png")
    order = np.argsort(-expected)
    assert [each["class"] for each in answer["top"]] == [student.classes[index] for index in order]
    np.testing.assert_allclose([each["probability"] for each in answer["top"]], expected[order], rtol=1e-6)


def test_the_workspaces_student_is_found_from_a_folder_below(
    project: Path, student: Predictor, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(project / "a.png")
    (whole,) = answers(sprout("predict", "a.png", "--json"))
    monkeypatch.chdir("conf")
    (answer,) = answers(sprout("predict", "../a.png", "--json"))
    assert answer == whole | {"input": "../a.png"}


def test_levels_and_page_are_those_of_the_models_data(project: Path, student: Predictor) -> None:
    card = replace(student.card, levels=[1000.0, 2275.0], page=1)
    found = image_format(project / "models/student", card, None)
    height, width, channels = SHAPE
    assert found == ImageFormat((height, width), channels, "fit", 10_000, (1000.0, 2275.0), 1)
    (project / "dvc.lock").unlink()
    assert image_format(project / "models/student", card, "crop").levels == (1000.0, 2275.0)


def test_lines_say_the_same_in_columns(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    for name in ("a.png", "longer.png"):
        draw(project / name)
    done = sprout("predict", "a.png", "longer.png")
    lines = done.out.splitlines()
    for line, answer in zip(lines, answers(sprout("predict", "a.png", "longer.png", "--json")), strict=True):
        found = re.findall(r"(\S+) +([\d.]+)%", line)
        assert line.split()[0] == answer["input"]
        assert found == [(each["class"], f"{100 * each['probability']:.1f}") for each in answer["top"]]
    assert {line.index(" ", 10) for line in lines} == {10}


@pytest.mark.parametrize("resize", ["fit", "crop", "stretch"])
def test_another_size_is_treated_as_the_data_was(
    project: Path, student: Predictor, sprout: Callable[..., Ended], resize: str
) -> None:
    lock(project, resize=resize)
    path = draw(project / "tall.png", pixels((40, 9)))
    (answer,) = answers(sprout("predict", "tall.png", "--json"))
    assert answer["top"][0]["probability"] == pytest.approx(asked(student, path, resize).max())
    (other,) = answers(sprout("predict", "tall.png", "--json", "--resize", "stretch"))
    assert other["top"][0]["probability"] == pytest.approx(asked(student, path, "stretch").max())


def test_another_size_fits_where_nothing_was_resized_and_that_is_said_once(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    lock(project, resize="none")
    larger = [draw(project / f"{name}.png", pixels((9, 9, 3))) for name in ("large", "other")]
    draw(project / "right.png")
    assert sprout("predict", "right.png").err == ""
    done = sprout("predict", "right.png", "large.png", "other.png", "--json")
    assert done.code == 0
    name, _, said = done.err.partition(": ")
    assert name in ("large.png", "other.png"), "threads read both at once"
    assert said == (
        "9×9 pixels, not 8×6; resized to fit, on black, as all others of another size; `resize` chooses otherwise\n"
    )
    for path, answer in zip(larger, answers(done)[1:], strict=True):
        assert answer["top"][0]["probability"] == pytest.approx(asked(student, path, "fit").max())
    assert sprout("predict", "large.png", "--resize", "fit").err == ""
    refused = sprout("predict", "large.png", "--resize", "none")
    assert refused.code == 2
    assert "large.png: 9×9 pixels, not 8×6; resize=none" in refused.err


def test_folders_are_searched(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    names = ["in/a.png", "in/b/c.png", "in/b/d/e.png", "in/f.png"]
    for name in [*names, "in/.hidden/x.png", "in/.y.png"]:
        draw(project / name)
    (project / "in/README.md").write_text("what this is")
    done = sprout("predict", "in", "in/a.png", "in/b/", "--json")
    assert (done.code, done.err) == (0, "")
    assert [each["input"] for each in answers(done)] == [*names, "in/a.png", "in/b/c.png", "in/b/d/e.png"]


def test_unreadable_files_are_named_and_the_others_are_predicted(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    whole = encoded(Image.fromarray(pixels((64, 64, 3))), "JPEG")
    (project / "bad").mkdir()
    bad = {
        "bad/cut.jpg": whole[: len(whole) // 2],
        "bad/empty.png": b"",
        "bad/head.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
        "bad/large.png": encoded(Image.new("L", (200, 200)), "PNG"),
        "bad/text.png": b"no image at all",
    }
    for name, data in bad.items():
        (project / name).write_bytes(data)
    (project / "bare").mkdir()
    (project / "bad/gone.png").symlink_to("nothing")
    pipe = project / "bad/pipe"
    os.mkfifo(pipe)
    draw(project / "good.png")
    done = sprout("predict", "bad", "missing.png", "bare", "good.png")
    assert done.code == 1
    assert [line.split()[0] for line in done.out.splitlines()] == ["good.png"]
    said = dict(line.split(": ", 1) for line in done.err.splitlines())
    assert {name: reason.split(" (")[0].split(":")[0] for name, reason in said.items()} == {
        "bad/cut.jpg": "truncated",
        "bad/empty.png": "zero bytes",
        "bad/gone.png": "a broken link",
        "bad/head.png": said["bad/head.png"].split(" (")[0].split(":")[0],
        "bad/large.png": "200×200 pixels, more than prepare.max_pixels=10000",
        "bad/pipe": "a device or pipe, not a file",
        "bad/text.png": "not an image in a known format",
        "missing.png": "not readable",
        "bare": "no files in this folder, or only hidden ones",
    }


def test_without_a_readable_image_it_ends_with_2(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    done = sprout("predict", "missing.png")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "missing.png: not readable (No such file or directory)",
        "error: nothing could be predicted; models/student takes image files, folders and archives of them, and tables",
    ]


def test_any_file_names(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    names = ["new\nline.png", "\x1b[31mred.png", "größe 猫.png", os.fsdecode(b"bytes\xff.png")]
    source = draw(project / "a.png").read_bytes()
    for name in names:
        (project / name).write_bytes(source)
    done = sprout("predict", *names)
    lines = done.out.splitlines()
    assert (done.code, done.err, len(lines)) == (0, "", 4)
    assert [line.split(".png")[0] for line in lines] == ["new\\nline", "\\x1b[31mred", "größe 猫", "bytes\\udcff"]
    assert [each["input"] for each in answers(sprout("predict", *names, "--json"))] == names
    (project / names[0]).write_bytes(b"")
    assert sprout("predict", names[0], "a.png").err == "new\\nline.png: zero bytes\n"


def test_a_link_is_followed_where_it_was_named(
    project: Path, student: Predictor, sprout: Callable[..., Ended], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = draw(tmp_path_factory.mktemp("elsewhere") / "a.png")
    (project / "in").mkdir()
    (project / "in/link.png").symlink_to(elsewhere)
    (project / "in/out").symlink_to(elsewhere.parent)
    assert answers(sprout("predict", "in/link.png", "in/out", "--json"))[1]["input"] == "in/out/a.png"
    done = sprout("predict", "in")
    assert done.code == 2
    assert "in/link.png: a link that leads out of the data folder" in done.err


def test_a_terminal_has_a_table(
    project: Path, student: Predictor, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(project / "a.png")
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "80")
    done = sprout("predict", "a.png")
    lines = re.sub("\x1b\\[[0-9;]*m", "", done.out).splitlines()
    assert [cell.strip() for cell in lines[1].strip("┃").split("┃")] == ["input", "1", "2", "3"]
    assert "│ a.png" in lines[3] or "a.png" in lines[3]
    assert lines[3].count("%") == 3


@pytest.mark.parametrize("top", [1, 2])
def test_top_classes_are_named(project: Path, student: Predictor, sprout: Callable[..., Ended], top: int) -> None:
    draw(project / "a.png")
    assert len(answers(sprout("predict", "a.png", "--json", "--top", top))[0]["top"]) == top


def test_two_classes_are_enough(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    draw(project / "a.png")
    save(project / "models/student", model("classify", SHAPE, classes=["no", "yes"]))
    assert len(answers(sprout("predict", "a.png", "--json"))[0]["top"]) == 2


def test_many_images_come_in_order(
    project: Path, student: Predictor, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "BATCH", 3)
    paths = [draw(project / f"in/{number}.png") for number in range(8)]
    (project / "in/4.png").write_bytes(b"")
    done = sprout("predict", "in", "--json")
    found = answers(done)
    assert (done.code, [each["input"] for each in found]) == (1, [f"in/{n}.png" for n in range(8) if n != 4])
    for each in found:
        expected = asked(student, paths[int(each["input"][3])]).max()
        assert each["top"][0]["probability"] == pytest.approx(expected, rel=1e-5)


def test_a_regression_gives_numbers(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    path, made = draw(project / "a.png"), model("regress", SHAPE)
    save(project / "other", made)
    value = float(asked(made, path))
    assert answers(sprout("predict", "a.png", "--json", "--model", "other")) == [
        {"input": "a.png", "value": pytest.approx(value, rel=1e-6)}
    ]
    assert sprout("predict", "a.png", "--model", "other").out.split() == ["a.png", f"{value:.6g}"]


def test_a_clustering_gives_clusters(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    path, made = draw(project / "a.png"), model("cluster", SHAPE)
    save(project / "other", made)
    cluster = int(asked(made, path))
    assert answers(sprout("predict", "a.png", "--json", "--model", "other")) == [{"input": "a.png", "cluster": cluster}]
    assert sprout("predict", "a.png", "--model", "other").out.split() == ["a.png", str(cluster)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["labels.csv"], "labels.csv: no column of images among 'a', 'b'; name it path, file, filename or image"),
        (["labels.csv", "--model", "rows"], "labels.csv: no column '0', '1', '2', '3', '4', which rows takes"),
        (["gone.csv"], "gone.csv: no such file"),
        (["a.png", "--model", "nowhere"], "nowhere/model.json: no trained model here"),
        (["a.png", "--model", "restoring"], "restoring: the task reconstruct"),
        (
            ["a.png", "--model", "rows"],
            "rows: takes rows of a table with the columns '0', '1', ",
        ),
        (["a.png", "--top", "4"], "--top 4: models/student knows 3 classes; accepted: 1 to 3"),
        (["a.png", "--top", "0"], "--top 0: models/student knows 3 classes; accepted: 1 to 3"),
        (["a.png", "--top", "2", "--model", "number"], "--top 2: number does not predict classes"),
        (["a.png", "--format", "parquet"], "--format parquet: is not text; add --out FILE"),
        (["a.png", "--device", "tpu"], "device=tpu: cannot be used"),
        (["a.png", "--weights", "x.pth"], "--weights x.pth: is for --model torchvision:NAME"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    project: Path, student: Predictor, sprout: Callable[..., Ended], words: list[str], said: str
) -> None:
    draw(project / "a.png")
    (project / "labels.csv").write_text("a,b\n1,2\n")
    save(project / "restoring", model("reconstruct", SHAPE))
    save(project / "rows", model("classify", (5,)))
    save(project / "number", model("regress", SHAPE))
    done = sprout("predict", *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"error: {said}")


def test_a_model_without_a_lock_fits_images_of_another_size(project: Path, sprout: Callable[..., Ended]) -> None:
    path, made = draw(project / "a.png", pixels((9, 20, 3))), model("classify", SHAPE)
    save(project / "models/student", made)
    done = sprout("predict", "a.png", "--json")
    assert (done.code, done.err.count("resized to fit")) == (0, 1)
    assert answers(done)[0]["top"][0]["probability"] == pytest.approx(asked(made, path, "fit").max())
    (answer,) = answers(sprout("predict", "a.png", "--json", "--resize", "crop"))
    assert answer["top"][0]["probability"] == pytest.approx(asked(made, path, "crop").max())


def probabilities(made: Predictor, path: Path) -> dict[str, Any]:
    """The columns of a table for one image."""
    found = asked(made, path)
    best = int(found.argmax())
    each = {f"probability_{name}": pytest.approx(found[place], rel=1e-5) for place, name in enumerate(made.classes)}
    return {"class": made.classes[best], "probability": pytest.approx(found[best], rel=1e-5), **each}


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.txt"])
def test_csv_and_parquet_hold_every_probability(
    project: Path, student: Predictor, sprout: Callable[..., Ended], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "BATCH", 2)
    paths = [draw(project / f'in/{number}, "x".png') for number in range(5)]
    (project / 'in/2, "x".png').write_bytes(b"")
    done = sprout("predict", "in", "--out", name, *(["--format", "csv"] if name == "out.txt" else []))
    assert (done.code, done.out) == (1, f"4 predictions: {name}; 1 could not be read, as said above\n")
    if name == "out.parquet":
        rows = pq.read_table(name).to_pylist()
    else:
        with open(name, newline="", encoding="utf-8") as file:
            rows = [
                {k: v if k in ("input", "class") else float(v) for k, v in row.items()} for row in csv.DictReader(file)
            ]
    expected = [{"input": f"in/{path.name}", **probabilities(student, path)} for path in paths if path.stat().st_size]
    assert rows == expected


def test_a_file_is_written_whole_or_not_at_all(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    draw(project / "a.png")
    (project / "out.csv").write_text("before")
    assert sprout("predict", "gone.png", "--out", "out.csv").code == 2
    assert (project / "out.csv").read_text() == "before"
    assert sprout("predict", "a.png", "--out", "out.csv").out == "1 predictions: out.csv\n"
    assert (project / "out.csv").read_text().startswith("input,class,probability,probability_cat,")
    assert sprout("predict", "a.png", "--out", "new/out.json").code == 0
    assert json.loads((project / "new/out.json").read_text())["input"] == "a.png"
    assert not list(project.glob("*.tmp-new"))


def test_a_damaged_archive_is_named_and_the_others_are_predicted(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    draw(project / "a.png")
    (project / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(project / "evil.zip", "w") as archive:
        archive.writestr("../evil.png", b"x")
    done = sprout("predict", "cut.zip", "evil.zip", "a.png", "--json")
    assert (done.code, [each["input"] for each in answers(done)]) == (1, ["a.png"])
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["cut.zip", "evil.zip"]
    assert not (project.parent / "evil.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "in"], "--out in: is a folder; name a file"),
        (["--out", "a.png/x.csv"], "--out a.png/x.csv: a.png is no folder that can be written to"),
        (["--out", "a.png", "--format", "csv"], "--out a.png: is one of the inputs; name another file"),
        (["--out", "x.tsv"], "--out x.tsv: its ending tells no format; add --format"),
        (["--json", "--format", "csv"], "--json --format csv: choose one of them"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_anything_else(
    project: Path, student: Predictor, sprout: Callable[..., Ended], words: list[str], said: str
) -> None:
    before = draw(project / "a.png").read_bytes()
    (project / "in").mkdir()
    done = sprout("predict", "a.png", *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"error: {said}")
    assert (project / "a.png").read_bytes() == before


def test_a_pipe_is_written_to_and_not_replaced(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    draw(project / "a.png")
    os.mkfifo(project / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((project / "pipe").read_text()))
    reader.start()
    assert sprout("predict", "a.png", "--out", "pipe", "--format", "csv").code == 0
    reader.join()
    assert read[0].startswith("input,class,probability")
    assert (project / "pipe").is_fifo()


def test_an_archive_is_searched(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    path = draw(project / "in/a.png")
    with zipfile.ZipFile(project / "images.zip", "w") as archive:
        archive.write(path, "deep/a.png")
        archive.writestr("deep/b.png", b"no image")
    done = sprout("predict", "images.zip", "in/a.png", "--json")
    assert (done.code, done.err.split(":")[0]) == (1, "images.zip/deep/b.png")
    first, second = answers(done)
    assert (first["input"], second["input"], first["top"]) == ("images.zip/deep/a.png", "in/a.png", second["top"])


def test_a_table_of_paths_relative_to_its_folder(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    for name in ("a", "b"):
        draw(project / f"data/{name}.png")
    (project / "data/list.csv").write_text(f"No,File name\n1,b.png\n2,\n3,{project}/data/a.png\n4,gone.png\n")
    done = sprout("predict", "data/list.csv", "--json")
    assert [each["input"] for each in answers(done)] == ["data/b.png", f"{project}/data/a.png"]
    assert done.err.splitlines() == [
        "data/list.csv row 2: column 'File name' is empty",
        "data/gone.png: not readable (No such file or directory)",
    ]


def test_a_table_that_holds_images(project: Path, student: Predictor, sprout: Callable[..., Ended]) -> None:
    path = draw(project / "a.png")
    pq.write_table(pa.table({"image": [path.read_bytes(), None], "label": [0, 1]}), project / "images.parquet")
    done = sprout("predict", "images.parquet", "--json")
    assert (done.code, done.err) == (1, "images.parquet row 2: no image in column 'image'\n")
    (answer,) = answers(done)
    assert answer["input"] == "images.parquet row 1"
    assert answer["top"][0]["probability"] == pytest.approx(asked(student, path).max())


def test_a_list_on_standard_input(
    project: Path, student: Predictor, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["b.png", "with space.png", "a.png"]
    for name in names:
        draw(project / name)
    for separator in ("\n", "\0"):
        monkeypatch.setattr("sys.stdin", io.StringIO(separator.join(names[:2]) + 2 * separator))
        assert [each["input"] for each in answers(sprout("predict", "-", "a.png", "--json"))] == names
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert sprout("predict", "-").err == "error: -: no paths on standard input; write one on each line\n"


def test_a_list_without_a_header_is_not_taken_for_one_with(
    project: Path, student: Predictor, sprout: Callable[..., Ended]
) -> None:
    draw(project / "a.png")
    (project / "list.csv").write_text("a.png\na.png\n")
    done = sprout("predict", "list.csv")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: list.csv: its first line names a file, 'a.png'; add a header")


COLUMNS = [
    Column("age", empty=True, median=40.0),
    Column("town", values=["Bonn", "Köln"]),
    Column("price", decimal=","),
]
NAMES = ["age", "age is empty", "town=Bonn", "town=Köln", "price"]
TABLE = 'town,price,id,age\nKöln,"1.013,50 €",x,3\nBonn,2 €,y,\nRom,2 €,z,1\nBonn,many,w,2\n'
ROWS = np.array([[3, 0, 0, 1, 1013.5], [40, 1, 1, 0, 2]], np.float32)


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_rows_of_a_table_become_the_features_of_the_training(
    project: Path, sprout: Callable[..., Ended], task: str
) -> None:
    made = model(task, (5,), features=NAMES, columns=COLUMNS, classes=["no", "yes"])
    save(project / "models/student", made)
    (project / "rows.csv").write_text(TABLE)
    done = sprout("predict", "rows.csv", "--json")
    assert done.err.splitlines() == [
        "rows.csv row 3: column 'town' is 'Rom', not one of 'Bonn', 'Köln'",
        "rows.csv row 4: column 'price' is 'many', not a finite number",
    ]
    expected = made.predict(ROWS)
    for answer, row, each in zip(answers(done), (1, 2), expected, strict=True):
        assert answer["input"] == f"rows.csv row {row}"
        given = answer["value"] if task == "regress" else answer["top"][0]["probability"]
        assert given == pytest.approx(float(each.max()), rel=1e-5)


def test_several_devices_give_what_one_gives(project: Path, student: Predictor) -> None:
    images = np.stack([pixels() for _ in range(5)])
    three = load_predictor(project / "models/student", partial(Replicas, devices=[torch.device("cpu")] * 3))
    np.testing.assert_allclose(three.predict(images), student.predict(images), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(three.embed(images), student.embed(images), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(three.predict(images[:2]), student.predict(images[:2]), rtol=1e-6, atol=1e-6)
