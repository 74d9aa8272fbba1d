"""Checks within a section: values that must fit one another, and names of registered or own classes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sprout.config.compose import compose_config
from sprout.config.download import DOWNLOADS
from sprout.config.model import MODELS, Cnn
from sprout.config.train import OPTIMIZERS, Optimizer, Schedule
from sprout.config.validate import choice, section
from sprout.runtime.errors import UserError
from sprout.runtime.user_class import subclass

CNN = {
    "name": "cnn",
    "channels": [4, 8],
    "convolutions": 1,
    "kernel": 3,
    "padding": "same",
    "pool": 0,
    "pooling": "max",
    "batch_norm": False,
    "conv_dropout": 0,
    "hidden": [],
    "activation": "relu",
    "dropout": 0,
}


def optimizer_of(name: str) -> Optimizer:
    return section("train.optimizer", {"name": name, "weight_decay": 0, "decay": "weights", "args": {}}, Optimizer)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "torch.optim.Adagrad", "own.Class"])
def test_an_optimizer_that_is_registered_or_can_be_a_class(name: str) -> None:
    assert optimizer_of(name).name == name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_registered_optimizer_is_one_of_torch(name: str) -> None:
    assert issubclass(subclass("optimizer.name", OPTIMIZERS[name], torch.optim.Optimizer), torch.optim.Optimizer)


@pytest.mark.parametrize(("name", "near"), [("foo", ""), ("adma", " (did you mean adam?)"), (".Own", ""), ("own.", "")])
def test_an_optimizer_that_cannot_be_is_refused(name: str, near: str) -> None:
    with pytest.raises(UserError) as refused:
        optimizer_of(name)
    assert str(refused.value) == (
        f'train.optimizer.name="{name}": unknown{near}; accepted: adam, adamw, sgd, rmsprop, muon, or package.Class'
    )


@pytest.mark.parametrize("target", ["Net", ".Net", "nets."])
def test_a_model_that_cannot_be_a_class_is_refused(target: str) -> None:
    with pytest.raises(UserError, match=rf'^model\.target="{target}": .*package\.Class'):
        choice("model", {"name": "target", "target": target, "args": {}}, "name", MODELS)


@pytest.mark.parametrize("names", [[], ["cat"], ["cat", "dog", "cat"]])
def test_classes_are_two_or_more_each_once(names: list[str]) -> None:
    form = {"kind": "paths", "file": "t.csv", "path": "path", "label": "label", "split": None, "group": None}
    form |= {"missing": None, "folder_splits": False, "unlisted": "ignored"}
    values = {"source": "local", "name": "own", "format": form | {"classes": names}}
    with pytest.raises(UserError, match=r"^download\.format\.classes=\[.*\]: .*two classes"):
        choice("download", values, "source", DOWNLOADS)


@pytest.mark.parametrize("kernel", [4, [3, 4]])
def test_an_even_kernel_keeps_no_side(kernel: object) -> None:
    with pytest.raises(UserError) as refused:
        choice("model", CNN | {"kernel": kernel}, "name", MODELS)
    assert str(refused.value) == (
        "model.kernel=4 is even, padding=same needs an odd one; set another kernel or padding=valid"
    )


@pytest.mark.parametrize("fits", [{"kernel": 5}, {"kernel": [5, 3]}, {"kernel": 4, "padding": "valid"}])
def test_a_kernel_that_fits_its_padding(fits: dict[str, object]) -> None:
    assert isinstance(choice("model", CNN | fits, "name", MODELS), Cnn)


@pytest.mark.parametrize("key", ["convolutions", "kernel", "pool", "conv_dropout"])
def test_a_list_has_a_value_for_each_block(key: str) -> None:
    values = [0.5] if key == "conv_dropout" else [3]
    with pytest.raises(UserError) as refused:
        choice("model", CNN | {key: values}, "name", MODELS)
    assert str(refused.value) == (
        f"model.{key}={values} has 1 values, and channels=[4, 8] has 2; give one value for all blocks, or one for each"
    )


@pytest.mark.parametrize("key", ["lr", "weight_decay"])
def test_what_has_a_key_of_its_own_is_no_further_argument(key: str) -> None:
    values = {"name": "sgd", "weight_decay": 0, "decay": "weights", "args": {key: 0.1}}
    with pytest.raises(UserError, match=rf"^train\.optimizer\.args\.{key} has its own key"):
        section("train.optimizer", values, Optimizer)


@pytest.mark.parametrize(("name", "milestones"), [("step", []), ("cosine", [0.5])])
def test_milestones_belong_to_the_schedule_of_steps(name: str, milestones: list[float]) -> None:
    values = {
        "name": name,
        "warmup": 0.0,
        "milestones": milestones,
        "gamma": 0.1 if name == "step" else None,
        "cycles": 1,
    }
    with pytest.raises(
        UserError, match=r"^train\.schedule\.milestones=\[.*\] with name=(step|cosine): step needs a list"
    ):
        section("train.schedule", values, Schedule)


@pytest.mark.parametrize(("name", "milestones", "gamma"), [("step", [0.5], None), ("cosine", [], 0.1)])
def test_gamma_belongs_to_the_schedule_of_steps(name: str, milestones: list[float], gamma: float | None) -> None:
    values = {"name": name, "warmup": 0.0, "milestones": milestones, "gamma": gamma, "cycles": 1}
    with pytest.raises(UserError, match=r"^train\.schedule\.gamma=(null|0\.1) with name=(step|cosine): step needs a"):
        section("train.schedule", values, Schedule)


def test_cycles_belong_to_the_cosine() -> None:
    values = {"name": "one_cycle", "warmup": 0.0, "milestones": [], "gamma": None, "cycles": 2}
    with pytest.raises(UserError, match=r"^train\.schedule\.cycles=2 with name=one_cycle: only cosine"):
        section("train.schedule", values, Schedule)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["train.strategy=ddp_spawn"], r"^train\.strategy=.*ddp_spawn.*'auto', 'ddp' or"),
        (
            ["train.monitor=val_accuracy", "train.stopping_threshold=79.35"],
            r"^train\.stopping_threshold=79\.35 with monitor=val_accuracy: .*up to 1",
        ),
    ],
)
def test_what_could_have_no_effect_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compose_config(Path("conf"), "digits", overrides)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"kind": "sort"}, r"^train\.task"),
        ({"kind": "regress", "loss": "cross_entropy"}, r"^train\.task.*loss.*mse.*mae.*huber"),
        ({"kind": "regress", "loss": "mse", "noise": 1.0}, r"^train\.task.*noise"),
        ({"kind": "reconstruct", "loss": "mse", "noise": -0.1}, r"^train\.task.*noise"),
    ],
)
def test_a_task_has_its_own_keys(task: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compose_config(Path("conf"), "digits", ["~train.task", f"+train.task={task}".replace("'", "")])


def sections_in(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The keys of all sections and of those inside them."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield f"{prefix}{key}"
            yield from sections_in(value, f"{prefix}{key}.")


def test_a_value_in_place_of_a_section_is_refused() -> None:
    composed = compose_config(Path("conf"), "digits", []).config
    keys = [key for key in sections_in(composed) if key != "sweep.space" and not key.startswith("sweep.space.")]
    assert {"train.method", "retrain.method", "train.weak", "model"} <= set(keys)
    for key in keys:
        with pytest.raises(UserError, match=re.escape(key.partition(".")[0])):
            compose_config(Path("conf"), "digits", [f"{key}=5"])
