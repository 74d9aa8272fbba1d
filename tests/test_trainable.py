"""What a training refuses before its first step."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

import trainings
from sprout.config.augment import moving
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.description import Description
from sprout.data.store import label_table, open_store, write_store
from sprout.engine.checks import check_machine, check_settings, check_trainable
from sprout.engine.plan import CHECKED
from sprout.engine.tracked import train_tracked
from sprout.runtime.errors import UserError
from sprout.runtime.files import write_json

STILL = {"flip": 0.0, "rotate": 0.0, "noise": 0.0, "fill": "border"}
CLASSES = Description("class", ["ant", "bee", "cat"], [0.0, 0.0], [1.0, 1.0], ["a", "b"], [-1.0, 0.0], [2.0, 0.0])
PREPARED = Path("data/prepared")
SUMMARY = {"target": "class", "mean": [0, 0], "std": [1, 1], "features": ["a", "b"], "min": [0, 0], "max": [1, 1]}
CLASSIFY = {"kind": "classify", "loss": "cross_entropy", "label_smoothing": 0.0, "class_weights": "none"}
CLUSTER = {"kind": "cluster", "loss": "contrast", "temperature": 0.5, "code": 4, "clusters": 9, "restarts": 1}
SETTINGS: dict[str, Any] = trainings.SETTINGS | {
    "method": "gradient_descent",
    "normalise": "standard",
    "architecture": trainings.MLP,
    "task": CLASSIFY,
    "transforms": STILL,
    "batch_size": 3,
}


def write(folder: Path, labels: list[int | None], shape: tuple[int, ...] = (2,), values: Any = None) -> None:
    n = len(labels)
    dtype = np.float32 if len(shape) == 1 else np.uint8
    value = None if values is None else pa.array(values, pa.float64())
    rows = np.arange(n)
    table = label_table(rows, labels, source="given", group=rows, origin=[""] * n, value=value)
    write_store(folder, np.zeros((n, *shape), dtype), table)


def check(root: Path, train: list[int | None], val: list[int | None], **changes: Any) -> None:
    """Check made stores; `changes` are arguments of the check, what is the `target`, or its values."""
    arguments = {"described": CLASSES, "section": "train", "kind": "classify", "target": "label"} | changes
    target = arguments.pop("target")
    for name, labels in (("train", train), ("val", val)):
        write(root / name, labels, values=arguments.pop(f"{name}_values", None))
    stores = [Examples.of(open_store(root / name), target=target) for name in ("train", "val")]
    check_trainable(PREPARED, arguments.pop("described"), *stores, **arguments)


NUMBER = {"described": replace(CLASSES, target="number", classes=[])}
NOTHING = {"described": replace(CLASSES, target=None, classes=[])}
MANY = {"described": replace(CLASSES, classes=[f"c{i}" for i in range(14)])}
REGRESS = {"kind": "regress", "target": "value"}
RECONSTRUCT = {"kind": "reconstruct", "target": None}
NONE: list[int | None] = [None, None]


@pytest.mark.parametrize(
    ("train", "val", "changes"),
    [
        ([0, 1, 2], [0], {}),
        (NONE, NONE, NUMBER | REGRESS | {"train_values": [0.5, None], "val_values": [None, 2.0]}),
        (NONE, NONE, NOTHING | RECONSTRUCT),
        ([0, None], NONE, RECONSTRUCT),
    ],
)
def test_what_can_be_trained_passes(
    tmp_path: Path, train: list[int | None], val: list[int | None], changes: dict[str, Any]
) -> None:
    check(tmp_path, train, val, **changes)


A_NUMBER = "data/prepared: the target is a number, and train learns classes; take train/task=regress, or choose"
A_CLASS = "data/prepared: the target is a class, and train learns a number (task.kind=regress); choose"
NO_TARGET = "data/prepared: the target is not there, and train learns a number (task.kind=regress); choose"
REFUSED = [
    (NONE, [None], NUMBER, A_NUMBER),
    ([0, 1], [0], REGRESS, A_CLASS),
    (NONE, NONE, NOTHING | REGRESS, NO_TARGET),
    (NONE, [None], NOTHING, "data/prepared/train: no example has a label"),
    (NONE, NONE, NUMBER | REGRESS | {"val_values": [1.0, 2.0]}, "data/prepared/train: no example has a label"),
    ([], [0], {}, "data/prepared/train: no example has a label"),
    ([0, 2, 0], [1], {}, "data/prepared/train: no labelled example of class 'bee'; each of the 3 classes needs some"),
    ([1, None], [1], {}, "data/prepared/train: no labelled example of class 'ant', 'cat'; "),
    ([0, 1, 2, 3], [0], MANY, "data/prepared/train: no labelled example of class 'c4', 'c5', "),
    ([0, 1, 2], [], {}, "data/prepared/val: no labelled example"),
    ([0, 1, 2], [None], {}, "data/prepared/val: no labelled example"),
    ([0, 1, 2], [], RECONSTRUCT, "data/prepared/val: no example, and train is judged there; draw some by prepare.val"),
    ([0, 1], [0, 1], NUMBER | REGRESS | {"train_values": [1.0, 2.0]}, "data/prepared/val: no labelled example"),
]


@pytest.mark.parametrize(("train", "val", "changes", "said"), REFUSED)
def test_what_cannot_be_trained_is_said(
    tmp_path: Path, train: list[int | None], val: list[int | None], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as refused:
        check(tmp_path, train, val, **changes)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def settings_fit(folder: Path, shape: tuple[int, ...] = (2,), **changes: Any) -> None:
    """Check settings on three examples."""
    write(folder / "train", [0, 1, 2], shape)
    given = {key: SETTINGS[key] for key in CHECKED} | {"section": "train"} | changes
    check_settings(Examples.of(open_store(folder / "train")), **given)


def test_settings_that_fit(tmp_path: Path) -> None:
    settings_fit(tmp_path / "a")
    settings_fit(tmp_path / "b", shape=(4, 4, 1), transforms=STILL | {"rotate": 10.0}, monitor="val_accuracy")
    settings_fit(tmp_path / "c", shape=(4, 4, 1), task={"kind": "reconstruct"})
    settings_fit(tmp_path / "d", batch_size=1)


TURNED = {"transforms": STILL | {"rotate": 10.0}}
TWICE = {"transforms": STILL | {"flip": 0.5, "noise": 0.1}, "section": "retrain"}
UNFIT = [
    (TURNED, "train.transforms.rotate=10.0: the examples are rows of a table"),
    (TWICE, "retrain.transforms.flip=0.5, retrain.transforms.noise=0.1: the examples are rows"),
    ({"batch_size": 4}, "train.batch_size=4: there are 3 training examples; accepted: up to 3"),
    (
        {"monitor": "val_accuracy", "task": {"kind": "regress"}},
        "train.monitor=val_accuracy: regress has no accuracy; accepted: val_loss",
    ),
    (
        {"task": {"kind": "reconstruct"}, "section": "retrain"},
        "retrain.task.kind=reconstruct: the examples are rows of a table; it takes images",
    ),
]


@pytest.mark.parametrize(("changes", "said"), UNFIT)
def test_settings_that_do_not_fit_are_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        settings_fit(tmp_path, **changes)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_of_many_absent_classes_some_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"of class 'c1', .*, 'c10' and 3 more; each of the 14 classes"):
        check(tmp_path, [0], [0], **MANY)


def test_pseudo_labels_may_bring_a_class(tmp_path: Path) -> None:
    write(tmp_path / "train", [0, 1])
    write(tmp_path / "pool", [None, None])
    pseudo = label_table(np.array([1]), [2], source="pseudo", group=np.array([1]), origin=pa.array([""]), round_=1)
    given = Examples.of(open_store(tmp_path / "train"))
    more = given.plus(str(tmp_path / "pool"), pseudo).knowing("label")
    check_trainable(PREPARED, CLASSES, more, more, section="retrain", kind="classify")


def planned(labels: list[int | None], summary: dict[str, Any], **changes: Any) -> None:
    """Train in the working folder, as far as it goes."""
    for name in ("train", "val"):
        write(PREPARED / name, labels)
    write_json(PREPARED / "classes.json", CLASSES.classes if summary["target"] == "class" else [])
    write_json(PREPARED / "summary.json", summary)
    Path("data/pretrained").mkdir()
    write_json(Path("data/pretrained/pretrained.json"), None)
    examples, build = Examples.of(open_store(PREPARED / "train")), cast(Build, SimpleNamespace())
    settings = SETTINGS | changes
    train_tracked(Path("model"), examples, PREPARED, build, role="teacher", log_model=True, **settings)


CNN = {
    "name": "cnn",
    "channels": [4],
    "convolutions": 1,
    "kernel": 3,
    "padding": "same",
    "pool": 0,
    "pooling": "max",
    "batch_norm": False,
    "conv_dropout": 0.0,
    "hidden": [],
    "activation": "relu",
    "dropout": 0.0,
}


@pytest.mark.parametrize(
    ("labels", "summary", "changes", "said"),
    [
        (NONE, SUMMARY | {"target": "number"}, {}, "the target is a number"),
        ([0, 1, 2], SUMMARY, {"batch_size": 4}, r"train\.batch_size=4: there are 3 training examples"),
        ([0, 1, 2], SUMMARY, {"task": CLUSTER}, r"train\.task\.clusters=9: there are 3 training examples"),
        ([0, 1, 2], SUMMARY, {"architecture": CNN}, r"model\.name=cnn: the examples are rows of a table"),
        ([0, 1, 2], SUMMARY, {"normalise": "imagenet"}, r"train\.normalise=imagenet"),
        ([0, 1, 2], SUMMARY, {"unfreeze": {"epochs": [1], "rates": [0.1]}}, r"train\.unfreeze: freezes weights"),
    ],
)
def test_a_refusal_begins_no_run_and_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    labels: list[int | None],
    summary: dict[str, Any],
    changes: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        planned(labels, summary, **changes)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_moves_something() -> None:
    assert moving(STILL) == {}
    assert moving(STILL | {"crop": [0.5, 1.0], "flip": 1}) == {"crop": [0.5, 1.0], "flip": 1}


@pytest.mark.parametrize(
    ("accelerator", "precision", "says"),
    [
        ("cuda", "32-true", r"^train\.accelerator=cuda: there is none here"),
        ("mps", "32-true", r"^train\.accelerator=mps: there is none here"),
        ("auto", "16-mixed", r"^train\.precision=16-mixed: needs a GPU; accepted on a CPU: 32-true"),
    ],
)
def test_what_this_machine_lacks_is_refused(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, precision: str, says: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(UserError, match=says):
        check_machine("train", accelerator, precision)
    check_machine("train", "auto", "bf16-mixed")


def test_a_gpu_takes_what_a_cpu_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    check_machine("train", "cuda", "16-mixed")
    with pytest.raises(UserError, match="needs a GPU"):
        check_machine("train", "cpu", "16-mixed")
