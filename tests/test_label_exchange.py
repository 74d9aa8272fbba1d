"""`sprout label` with other tools, and the command itself."""

import base64
import csv
import io
import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import requests
from PIL import Image

from commands import Ended
from labelling import STRATEGY, build, open_standing, save_model
from sprout.data.store import open_store
from sprout.label.exchange import NONE, format_of, read_tasks, write_tasks
from sprout.label.standing import Standing
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, read_rows, write_json, write_rows
from test_prepare import CLASSES
from warm_python import commands
from workspaces import copy_workspace, run, surroundings

FILES = {"csv": Path("tasks.csv"), "label-studio": Path("tasks.json")}


@pytest.fixture
def standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Standing:
    monkeypatch.chdir(tmp_path)
    build()
    return open_standing()


def export(standing: Standing, kind: Any, count: int = 6) -> list[dict[str, Any]]:
    """The rows, or the data of the tasks, that are exported."""
    write_tasks(FILES[kind], kind, standing, STRATEGY, count)
    if kind == "csv":
        return list(read_rows(FILES[kind]))
    return [task["data"] for task in read_json(FILES[kind])]


def annotated(data: dict[str, Any], *labels: str, **more: Any) -> dict[str, Any]:
    """A task as Label Studio exports it."""
    results = [
        {"type": "choices", "from_name": "label", "to_name": "image", "value": {"choices": [label]}} for label in labels
    ]
    return {"id": 7, "data": data, "annotations": [{"result": [each], **more} for each in results]}


def state(standing: Standing) -> dict[str, str]:
    return {standing.images.name(place): each.label for place, each in standing.answered().items()}


def test_images_as_a_table_and_back(standing: Standing) -> None:
    rows = export(standing, "csv")
    assert len({row["image"] for row in rows}) == 6
    store = open_store(Path("data/prepared/unlabelled"))
    names = store.labels["origin"].to_pylist()
    for row in rows:
        (expected,) = store.take(np.array([names.index(row["image"])]))
        np.testing.assert_array_equal(np.asarray(Image.open(row["path"])), expected)
    labels = ["ant", "", NONE, "dog", "cat", ""]
    back = [{"label": label, "image": row["image"]} for row, label in zip(rows, labels, strict=True)]
    write_rows(Path("back.csv"), ("label", "image"), back)
    said = read_tasks(Path("back.csv"), "csv", standing)
    assert said.startswith(
        "back.csv: 4 answers are new, 0 were known, 2 images have none; the answers are in data/source"
    )
    expected = {row["image"]: row["label"].removeprefix(NONE) for row in back if row["label"]}
    assert state(standing) == expected
    assert "0 answers are new, 4 were known" in read_tasks(Path("back.csv"), "csv", standing)
    assert len(standing.file.read()) == 4
    assert not {row["image"] for row in export(standing, "csv", 200)} & set(expected), "an answered image is no task"


def test_tasks_of_label_studio_and_back(standing: Standing) -> None:
    tasks = export(standing, "label-studio")
    store = open_store(Path("data/prepared/unlabelled"))
    names = store.labels["origin"].to_pylist()
    image = Image.open(io.BytesIO(base64.b64decode(tasks[0]["image"].removeprefix("data:image/png;base64,"))))
    np.testing.assert_array_equal(np.asarray(image), store.take(np.array([names.index(tasks[0]["origin"])]))[0])
    choices = ElementTree.parse("tasks.xml").getroot().iter("Choice")  # noqa: S314 - our own file
    assert [each.get("value") for each in choices] == [*CLASSES, NONE]
    one, two, three, four, five, six = tasks
    exported = [
        annotated(one, "ant"),
        annotated(two, "ant", "bee"),
        annotated(three, "cat", was_cancelled=True),
        annotated(four),
        annotated(five, NONE),
        annotated(six, "dog"),
    ]
    write_json(Path("back.json"), exported)
    assert "4 answers are new, 0 were known, 2 images have none" in read_tasks(
        Path("back.json"), "label-studio", standing
    )
    assert state(standing) == {one["origin"]: "ant", two["origin"]: "bee", five["origin"]: "", six["origin"]: "dog"}


def test_images_are_exported_until_all_have_an_answer(standing: Standing) -> None:
    rows = export(standing, "csv", 1000)
    assert len(rows) == 160
    write_rows(Path("back.csv"), ("image", "label"), [{"image": row["image"], "label": "ant"} for row in rows])
    read_tasks(Path("back.csv"), "csv", standing)
    with pytest.raises(UserError, match="every image of the pool has an answer"):
        export(standing, "csv")


BAD_ROWS = {
    "class": ("file:1,eel", r"back\.csv:3: label='eel': no such class; accepted: ant, bee, cat, dog, none of these"),
    "image": ("file:none,ant", r"back\.csv:3: image='file:none': no such image in the pool or in train"),
    "val": ("VAL,ant", r"back\.csv:3: image='file:\d+': is in val or test, which keep their labels"),
    "test": ("TEST,ant", r"back\.csv:3: image='file:\d+': is in val or test"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_cannot_be_taken_is_named_and_nothing_is_taken(standing: Standing, name: str) -> None:
    row, says = BAD_ROWS[name]
    for split in ("val", "test"):
        row = row.replace(split.upper(), open_store(Path("data/prepared", split)).labels["origin"][0].as_py())
    learned = [place.as_py() for place in standing.images.origin["pool"]]
    row = row.replace("file:1,", f"{learned[1]},")
    Path("back.csv").write_text(f"image,label\n{learned[0]},ant\n{row}\n")
    with pytest.raises(UserError, match=says):
        read_tasks(Path("back.csv"), "csv", standing)
    assert not standing.file.path.exists()


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "columns": ("csv", b"a,b\n", "has no column image, label"),
    "bytes": ("csv", b"image,label\n\xff,ant\n", r"not readable as CSV in UTF-8"),
    "json": ("label-studio", b"{", "not readable as JSON"),
    "no list": ("label-studio", b"{}", "should be a list of tasks"),
    "no task": ("label-studio", b"[1]", "task 1: needs data with origin"),
    "min": ("label-studio", b'[{"image": "x", "label": "ant"}]', "task 1: needs data .* not JSON-MIN"),
    "two choices": (
        "label-studio",
        json.dumps(
            [
                {
                    "data": {"origin": "a", "digest": "", "decoded": ""},
                    "annotations": [{"result": [{"type": "choices", "value": {"choices": ["ant", "bee"]}}]}],
                }
            ]
        ).encode(),
        "task 1: needs data .* annotations with one choice",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_of_another_kind_is_refused(standing: Standing, name: str) -> None:
    kind, content, says = BAD_FILES[name]
    Path("bad").write_bytes(content)
    with pytest.raises(UserError, match=says) as refused:
        read_tasks(Path("bad"), kind, standing)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_the_format_of_a_file() -> None:
    assert format_of(Path("a.CSV"), None) == "csv"
    assert format_of(Path("a.json"), None) == "label-studio"
    assert format_of(Path("a.txt"), "label-studio") == "label-studio"
    with pytest.raises(UserError, match=r"a\.txt: neither \.csv nor \.json; add --format"):
        format_of(Path("a.txt"), None)


# The command.


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--export", "a.csv", "--import", "b.csv"], "--export, --import: one at a time"),
        (["--count", "3"], "--count 3: says how many images to export"),
        (["--format", "csv"], "--format csv: is that of a file"),
        (["train.lr=0.1"], "train.lr=0.1: has no effect; sprout label takes overrides of label"),
        ([], "dvc.lock: not found"),
    ],
)
def test_what_the_command_refuses(project: Path, sprout: Callable[..., Ended], words: list[str], says: str) -> None:
    done = sprout("label", *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_the_command_in_a_workspace(prepared_project: Path, tmp_path: Path) -> None:
    """Answers from the page and from a file reach the next build, also in a clone."""
    workspace = copy_workspace(prepared_project, tmp_path / "w")
    lock = (workspace / "dvc.lock").read_text()
    assert "12 images to label" in run(workspace, "sprout", "label", "--export", "tasks.csv", "--count", "12")
    process = subprocess.Popen(
        [commands() / "sprout", "label", "--port", "0"],
        cwd=workspace,
        env=surroundings(workspace),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert address is not None, line
    build = requests.get(f"{address[0]}/state", timeout=60).json()["build"]
    body = {"browser": "x", "build": build, "split": "pool", "row": 3, "answer": "class", "label": "8"}
    requests.post(f"{address[0]}/answer", json=body, timeout=60).raise_for_status()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with (workspace / "tasks.csv").open(newline="") as file:
        rows = [row | {"label": "5"} for row in csv.DictReader(file)]
    write_rows(workspace / "tasks.csv", rows[0].keys(), rows)
    assert "answers are new" in run(workspace, "sprout", "label", "--import", "tasks.csv")
    git = run(workspace, "git", "status", "--porcelain", "data")
    assert git == "?? data/source/sklearn-digits.labels.csv\n"
    run(workspace, "git", "add", "data/source/sklearn-digits.labels.csv")
    run(workspace, "dvc", "repro", "--quiet", "prepare")
    summary = read_json(workspace / "data/prepared/summary.json")
    assert summary["answers"]["labelled"] == summary["splits"]["train"]["labelled"] - 100 >= 12
    assert summary["splits"]["val"]["examples"] == 200
    (workspace / "data/source/sklearn-digits.labels.csv").unlink()
    run(workspace, "dvc", "repro", "--quiet", "prepare")
    assert hash_of(workspace / "dvc.lock") == hash_of_text(lock), "without answers the data is what it was"


def hash_of(lock: Path) -> str:
    return hash_of_text(lock.read_text())


def hash_of_text(lock: str) -> str:
    """DVC's hash of `data/prepared`."""
    found = re.search(r"path: data/prepared\n\s+hash: md5\n\s+md5: (\w+\.dir)", lock)
    assert found is not None
    return found[1]


def test_a_model_is_used_for_the_export(standing: Standing) -> None:
    save_model()
    said = write_tasks(FILES["csv"], "csv", standing, STRATEGY, 2)
    assert said.startswith("tasks.csv: 2 images to label (images are chosen by the model in models/student)")
