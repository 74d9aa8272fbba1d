"""Checks before the first step of a training."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from sprout.config.results import Tracking
from sprout.config.workspace import Build
from sprout.data.dataset import Examples, TrainingData
from sprout.data.description import Description, write_description
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.checks import check_examples, check_machine, check_settings
from sprout.engine.tracked import TrainingSections, train_tracked
from sprout.models.architecture import architecture_from_dict
from sprout.runtime import launch
from sprout.runtime.errors import UserError
from sprout.runtime.files import write_json
from sprout.tasks import Classify, Reconstruct, Regress
from trainings import CONSISTENCY, MLP, STILL, config_of

CLASSES = Description("class", ["ant", "bee", "cat"], [0.0, 0.0], [1.0, 1.0], ["a", "b"], [-1.0, 0.0], [2.0, 0.0])
NUMBERS = replace(CLASSES, target="number", classes=[])
NO_TARGET = replace(CLASSES, target=None, classes=[])
FOURTEEN = replace(CLASSES, classes=[f"c{i}" for i in range(14)])
PREPARED = Path("data/prepared")
SUMMARY = {"target": "class", "mean": [0, 0], "std": [1, 1], "features": ["a", "b"], "min": [0, 0], "max": [1, 1]}
REGRESS = {"kind": "regress", "loss": "mse"}
RECONSTRUCT = {"kind": "reconstruct", "loss": "mse", "noise": 0.1}
CLUSTER = {
    "task": {"kind": "cluster", "clusters": 9, "restarts": 1},
    "method": {"kind": "contrastive", "policy": "transforms", "temperature": 0.5, "projection_dim": 4},
}


def write(folder: Path, labels: list[int | None], shape: tuple[int, ...] = (2,), values: Any = None) -> None:
    n = len(labels)
    dtype = np.float32 if len(shape) == 1 else np.uint8
    value = None if values is None else pa.array(values, pa.float64())
    rows = np.arange(n)
    table = label_table(rows, labels, source="given", group=rows, origin=[""] * n, value=value)
    write_store(folder, np.zeros((n, *shape), dtype), table)


def data_of(root: Path, train: list[int | None], val: list[int | None], task: Any, values: Any = None) -> TrainingData:
    """Examples with these classes, or with these values, as far as they have what the task learns."""
    for name, labels in (("train", train), ("val", val)):
        write(root / name, labels, values=(values or {}).get(name))
    stores = [Examples.of(open_store(root / name), target=task.column) for name in ("train", "val")]
    return TrainingData(*stores)


@pytest.mark.parametrize(
    ("task", "described", "train", "val", "values"),
    [
        (Classify, CLASSES, [0, 1, 2], [0], {}),
        (Regress, NUMBERS, [None, None], [None, None], {"train": [0.5, None], "val": [None, 2.0]}),
        (Reconstruct, NO_TARGET, [None, None], [None, None], {}),
        (Reconstruct, CLASSES, [0, None], [None, None], {}),
    ],
)
def test_examples_with_what_the_task_learns_pass(
    tmp_path: Path, task: Any, described: Description, train: Any, val: Any, values: Any
) -> None:
    data = data_of(tmp_path, train, val, task, values)
    check_examples(PREPARED, described, data, section="train", task=task)


TRAIN, VAL = "data/prepared/train", "data/prepared/val"


@pytest.mark.parametrize(
    ("task", "described", "train", "val", "values", "place", "remedy"),
    [
        (Classify, NUMBERS, [None, None], [None], {}, PREPARED, "train/task=regress"),
        (Regress, CLASSES, [0, 1], [0], {}, PREPARED, "train/task"),
        (Regress, NO_TARGET, [None, None], [None, None], {}, PREPARED, "train/task"),
        (Classify, NO_TARGET, [None, None], [None], {}, TRAIN, "label"),
        (Regress, NUMBERS, [None, None], [None, None], {"val": [1.0, 2.0]}, TRAIN, "label"),
        (Classify, CLASSES, [], [0], {}, TRAIN, "label"),
        (Classify, CLASSES, [0, 2, 0], [1], {}, TRAIN, "class 'bee'; "),
        (Classify, CLASSES, [1, None], [1], {}, TRAIN, "class 'ant', 'cat'; "),
        (Classify, FOURTEEN, [0, 1, 2, 3], [0], {}, TRAIN, "prepare.labels"),
        (Classify, CLASSES, [0, 1, 2], [], {}, VAL, "prepare.val"),
        (Classify, CLASSES, [0, 1, 2], [None], {}, VAL, "prepare.val"),
        (Reconstruct, CLASSES, [0, 1, 2], [], {}, VAL, "prepare.val"),
        (Regress, NUMBERS, [0, 1], [0, 1], {"train": [1.0, 2.0]}, VAL, "prepare.val"),
    ],
)
def test_examples_without_it_are_refused_with_place_and_remedy(
    tmp_path: Path, task: Any, described: Description, train: Any, val: Any, values: Any, place: Any, remedy: str
) -> None:
    data = data_of(tmp_path, train, val, task, values)
    with pytest.raises(UserError) as refused:
        check_examples(PREPARED, described, data, section="retrain", task=task)
    said = str(refused.value)
    assert said.startswith(f"{place}: ")
    assert remedy in said
    assert "\n" not in said


def test_an_error_names_the_section(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="retrain"):
        check_examples(PREPARED, NUMBERS, data_of(tmp_path, [0], [0], Classify), section="retrain", task=Classify)


def test_of_many_absent_classes_ten_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"class 'c1', .*, 'c10' and 3 more; .* 14 classes"):
        check_examples(PREPARED, FOURTEEN, data_of(tmp_path, [0], [0], Classify), section="train", task=Classify)


def test_pseudo_labels_may_bring_a_class(tmp_path: Path) -> None:
    write(tmp_path / "train", [0, 1])
    write(tmp_path / "pool", [None, None])
    pseudo = label_table(np.array([1]), [2], source="pseudo", group=np.array([1]), origin=pa.array([""]), round_=1)
    given = Examples.of(open_store(tmp_path / "train"))
    more = given.with_rows(str(tmp_path / "pool"), pseudo).with_target("label")
    check_examples(PREPARED, CLASSES, TrainingData(more, more), section="retrain", task=Classify)


def test_a_method_that_learns_from_the_pool_needs_one_with_examples(tmp_path: Path) -> None:
    """The method's need of a pool is why there is one here."""
    data = data_of(tmp_path, [0, 1, 2], [0], Classify)
    check_examples(PREPARED, CLASSES, replace(data, pool=data.val), section="train", task=Classify)
    write(tmp_path / "pool", [])
    empty = replace(data, pool=Examples.open(str(tmp_path / "pool")))
    with pytest.raises(UserError, match=r"^data/prepared/unlabelled: .*retrain\.method.*train/method=supervised"):
        check_examples(PREPARED, CLASSES, empty, section="retrain", task=Classify)


def settings_fit(folder: Path, shape: tuple[int, ...] = (2,), section: str = "train", **changes: Any) -> None:
    """Check settings on three examples."""
    write(folder / "train", [0, 1, 2], shape)
    train = Examples.of(open_store(folder / "train"))
    check_settings(train, section, config_of(**{"batch_size": 3, "transforms": STILL} | changes))


def test_settings_that_fit_pass(tmp_path: Path) -> None:
    settings_fit(tmp_path / "a")
    settings_fit(tmp_path / "b", shape=(4, 4, 1), transforms=STILL | {"rotate": 10.0}, monitor="val_accuracy")
    settings_fit(tmp_path / "c", shape=(4, 4, 1), task=RECONSTRUCT)
    settings_fit(tmp_path / "d", batch_size=1)
    settings_fit(tmp_path / "e", transforms=STILL | {"fill": "border"})


ROTATED = {"transforms": STILL | {"rotate": 10.0}}
TWO = {"transforms": STILL | {"flip": 0.5, "noise": 0.1}, "section": "retrain"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (ROTATED, r"^train\.transforms\.rotate=10\.0: .*table.*train/transforms=none"),
        (TWO, r"^retrain\.transforms\.flip=0\.5, retrain\.transforms\.noise=0\.1: .*table"),
        ({"batch_size": 4}, r"^train\.batch_size=4: .*3"),
        ({"monitor": "val_accuracy", "task": REGRESS}, r"^train\.monitor=val_accuracy: regress .*: val_loss"),
        ({"task": RECONSTRUCT, "section": "retrain"}, r"^retrain\.task\.kind=reconstruct: .*table.*images"),
        (CLUSTER, r"^train\.task\.clusters=9: .*3"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        settings_fit(tmp_path, **changes)
    assert "\n" not in str(refused.value)


def train_here(labels: list[int | None], summary: dict[str, Any], architecture: Any = MLP, **changes: Any) -> None:
    """Train in the working folder, as far as it goes."""
    for name in ("train", "val"):
        write(PREPARED / name, labels)
    classes = CLASSES.classes if summary["target"] == "class" else []
    write_description(PREPARED, classes, summary | {"folds": None, "levels": None, "page": 0, "columns": None})
    Path("data/pretrained").mkdir()
    write_json(Path("data/pretrained/pretrained.json"), None)
    examples, build = Examples.of(open_store(PREPARED / "train")), cast(Build, SimpleNamespace())
    config = config_of(**{"batch_size": 3, "transforms": STILL} | changes)
    sections = TrainingSections(config, cast(Any, architecture_from_dict(architecture)), cast(Tracking, None))
    train_tracked(Path("model"), examples, sections, build, role="teacher")


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
        ([None, None], SUMMARY | {"target": "number"}, {}, "the target is a number"),
        ([0, 1, 2], SUMMARY, {"batch_size": 4}, r"train\.batch_size=4:"),
        ([0, 1, 2], SUMMARY, CLUSTER, r"train\.task\.clusters=9:"),
        ([0, 1, 2], SUMMARY, {"architecture": CNN}, r"model\.name=cnn: .*table"),
        ([0, 1, 2], SUMMARY, {"normalise": "imagenet"}, r"train\.normalise=imagenet:"),
        ([0, 1, 2], SUMMARY, {"unfreeze": {"epochs": [1], "lr_multipliers": [0.1]}}, r"train\.unfreeze:"),
    ],
)
def test_a_refusal_starts_no_run_and_leaves_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    labels: list[int | None],
    summary: dict[str, Any],
    changes: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        train_here(labels, summary, **changes)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_active_transforms_are_those_that_change_something() -> None:
    assert config_of(transforms=STILL | {"fill": "border"}).transforms.active == {}
    transforms = config_of(transforms=STILL | {"crop": 0.5, "flip": 1.0}).transforms
    assert transforms.active == {"crop": 0.5, "flip": 1.0}


@pytest.mark.parametrize(
    ("accelerator", "precision", "said"),
    [
        ("cuda", "32-true", r"^train\.accelerator=cuda: "),
        ("mps", "32-true", r"^train\.accelerator=mps: "),
        ("auto", "16-mixed", r"^train\.precision=16-mixed: .*32-true"),
    ],
)
def test_an_accelerator_or_precision_that_this_machine_lacks_is_refused(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, precision: str, said: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(UserError, match=said):
        check_machine("train", accelerator, precision)
    check_machine("train", "auto", "bf16-mixed")


def test_a_gpu_has_a_precision_that_a_cpu_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    check_machine("train", "cuda", "16-mixed")
    with pytest.raises(UserError, match=r"^train\.precision=16-mixed: needs a GPU"):
        check_machine("train", "cpu", "16-mixed")


@pytest.mark.parametrize(("gpus", "fits"), [([], True), (["0", "1"], True), (["0", "1", "2"], False)])
def test_a_method_is_checked_with_the_devices_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: list[str], fits: bool
) -> None:
    monkeypatch.setattr(launch, "visible_gpus", lambda: gpus)
    monkeypatch.delenv("RANK", raising=False)
    method = CONSISTENCY | {"ratio": 4.0 / 3.0}  # four unlabelled examples beside three
    settings = {"method": method, "ema": 0.9, "devices": "auto", "accelerator": "auto"}
    settings["strong"] = STILL | {"erase": 0.5}
    with nullcontext() if fits else pytest.raises(UserError, match=r"^train\.method\.ratio=.* 3 devices"):
        settings_fit(tmp_path, shape=(4, 4, 1), **settings)
