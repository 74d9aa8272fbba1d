"""What a training refuses before its first step."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from sprout.core.build import Build
from sprout.core.errors import UserError
from sprout.core.prepared import Description
from sprout.core.records import write_json
from sprout.core.store import label_table, open_store, write_store
from sprout.settings.augment import moving
from sprout.training.batches import Examples
from sprout.training.tasks import TASKS
from sprout.training.tracked import train_tracked
from sprout.training.trainable import check_settings, check_trainable

STILL = {"flip": 0.0, "rotate": 0.0, "noise": 0.0, "fill": "border"}
CLASSES = Description("class", ["ant", "bee", "cat"], [0.0, 0.0], [1.0, 1.0], ["a", "b"], [0.0, 0.0], [1.0, 1.0])
LEARN = {"kind": "classify", "loss": "cross_entropy", "label_smoothing": 0.0, "class_weights": "none"}
FIGURES = {"mean": [0, 0], "std": [1, 1], "min": [0, 0], "max": [0, 0], "features": ["a", "b"]}
PREPARED = Path("data/prepared")


def write(folder: Path, labels: list[int | None], shape: tuple[int, ...] = (2,)) -> None:
    n = len(labels)
    dtype = np.float32 if len(shape) == 1 else np.uint8
    table = label_table(np.arange(n), labels, source="given", group=np.arange(n), origin=[""] * n)
    write_store(folder, np.zeros((n, *shape), dtype), table)


def check(root: Path, train: list[int | None], val: list[int | None], **changes: Any) -> None:
    """Check made stores; `changes` are `shape`, `described`, or settings."""
    for name, labels in (("train", train), ("val", val)):
        write(root / name, labels, changes.get("shape", (2,)))
    settings = {"section": "train", "task": LEARN, "transforms": STILL, "batch_size": 1, "monitor": "val_loss"}
    settings |= {key: value for key, value in changes.items() if key in settings}
    kind = settings["task"]["kind"]
    column = TASKS[kind].column
    stores = [Examples.of(open_store(root / name), target=column) for name in ("train", "val")]
    described = changes.get("described", CLASSES)
    check_trainable(PREPARED, described, *stores, section=settings["section"], kind=kind)
    check_settings(stores[0], **settings)


def test_what_can_be_trained_passes(tmp_path: Path) -> None:
    check(tmp_path / "table", [0, 1, 2], [0])
    check(tmp_path / "images", [0, 1, 2], [0], shape=(4, 4, 1), transforms=STILL | {"rotate": 10.0})


NUMBER = {"described": replace(CLASSES, target="number", classes=[])}
NOTHING = {"described": replace(CLASSES, target=None, classes=[])}
MANY = {"described": replace(CLASSES, classes=[f"c{i}" for i in range(14)])}
TURNED = {"transforms": STILL | {"rotate": 10.0}}
TWICE = {"transforms": STILL | {"flip": 0.5, "noise": 0.1}, "section": "retrain"}
REFUSED = [
    ([None, None], [None], NUMBER, "data/prepared: the target is a number, and train learns classes; take"),
    ([None, None], [None], NOTHING, "data/prepared/train: no example has a label"),
    ([], [0], {}, "data/prepared/train: no example has a label"),
    ([0, 2, 0], [1], {}, "data/prepared/train: no labelled example of class 'bee'; each of the 3 classes needs some"),
    ([1, None], [1], {}, "data/prepared/train: no labelled example of class 'ant', 'cat'; "),
    ([0, 1, 2, 3], [0], MANY, "data/prepared/train: no labelled example of class 'c4', 'c5', "),
    ([0, 1, 2], [], {}, "data/prepared/val: no labelled example"),
    ([0, 1, 2], [None], {}, "data/prepared/val: no labelled example"),
    ([0, 1, 2], [0], TURNED, "train.transforms.rotate=10.0: the examples are rows of a table"),
    ([0, 1, 2], [0], {"task": {"kind": "regress"}}, "data/prepared: the target is a class, and train learns a number"),
    (
        [None],
        [0],
        NOTHING | {"task": {"kind": "regress"}},
        "data/prepared: the target is not there, and train learns a",
    ),
    (
        [0, 1, 2],
        [0],
        {"task": {"kind": "reconstruct"}},
        "train.task.kind=reconstruct: the examples are rows of a table",
    ),
    ([0, 1, 2], [0], {"batch_size": 4}, "train.batch_size=4: there are 3 training examples; accepted: up to 3"),
    (
        [0, 1, 2],
        [0],
        {"task": {"kind": "reconstruct"}, "shape": (4, 4, 1), "monitor": "val_accuracy"},
        "train.monitor=val_accuracy: reconstruct has no accuracy; accepted: val_loss",
    ),
    ([0, 1, 2], [0], TWICE, "retrain.transforms.flip=0.5, retrain.transforms.noise=0.1: the examples are rows"),
]


@pytest.mark.parametrize(("train", "val", "changes", "said"), REFUSED)
def test_what_cannot_be_trained_is_said(
    tmp_path: Path, train: list[int | None], val: list[int | None], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as refused:
        check(tmp_path, train, val, **changes)
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


def test_nothing_is_left_behind_by_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train", "val"):
        write(PREPARED / name, [None, None])
    write_json(PREPARED / "classes.json", [])
    write_json(PREPARED / "summary.json", {"target": "number", **FIGURES})
    examples = Examples.of(open_store(PREPARED / "train"))
    build = cast(Build, SimpleNamespace())
    settings = {"method": "gradient_descent", "normalise": "standard", "architecture": {}, "task": LEARN}
    with pytest.raises(UserError, match="the target is a number"):
        train_tracked(Path("model"), examples, PREPARED, build, role="teacher", log_model=True, **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_network_that_does_not_fit_begins_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train", "val"):
        write(PREPARED / name, [0, 1, 2])
    write_json(PREPARED / "classes.json", CLASSES.classes)
    write_json(PREPARED / "summary.json", {"target": "class", **FIGURES})
    examples = Examples.of(open_store(PREPARED / "train"))
    Path("data/pretrained").mkdir(parents=True)
    write_json(Path("data/pretrained/pretrained.json"), None)
    layers = {"channels": [4], "convolutions": 1, "kernel": 3, "padding": "same", "pool": 0, "pooling": "max"}
    layers |= {"batch_norm": False, "conv_dropout": 0.0, "hidden": [], "activation": "relu", "dropout": 0.0}
    settings = {
        "method": "gradient_descent",
        "normalise": "standard",
        "architecture": {"name": "cnn", **layers},
        "task": LEARN,
        "transforms": STILL,
        "batch_size": 2,
        "accumulate": 1,
        "devices": 1,
        "nodes": 1,
        "monitor": "val_loss",
        "unfreeze": None,
    }
    with pytest.raises(UserError, match=r"model.name=cnn: the examples are rows of a table"):
        train_tracked(
            Path("model"),
            examples,
            PREPARED,
            cast(Build, SimpleNamespace()),
            role="teacher",
            log_model=True,
            **settings,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_moves_something() -> None:
    assert moving(STILL) == {}
    assert moving(STILL | {"crop": [0.5, 1.0], "flip": 1}) == {"crop": [0.5, 1.0], "flip": 1}
