"""Sections whose values must fit one another, or name something that there is."""

import pytest
import torch

from sprout.core.errors import UserError
from sprout.core.validate import choice, section
from sprout.settings.download import DOWNLOADS
from sprout.settings.model import MODELS, Cnn
from sprout.settings.train import OPTIMIZERS, Optimizer

CNN = {
    "name": "cnn",
    "channels": [4],
    "kernel": 3,
    "padding": "same",
    "pool": 0,
    "batch_norm": False,
    "hidden": [],
    "activation": "relu",
    "dropout": 0,
}


def optimizer_of(name: str) -> Optimizer:
    return section("train.optimizer", {"name": name, "weight_decay": 0, "args": {}}, Optimizer)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "torch.optim.Adagrad", "own.Class"])
def test_an_optimizer_that_is_registered_or_can_be_a_class(name: str) -> None:
    assert optimizer_of(name).name == name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_registered_optimizer_is_one_of_torch(name: str) -> None:
    assert issubclass(getattr(torch.optim, OPTIMIZERS[name]), torch.optim.Optimizer)


@pytest.mark.parametrize(("name", "near"), [("foo", ""), ("adma", " (did you mean adam?)"), (".Own", ""), ("own.", "")])
def test_an_optimizer_that_cannot_be_is_refused(name: str, near: str) -> None:
    with pytest.raises(UserError) as refused:
        optimizer_of(name)
    assert str(refused.value) == (
        f'train.optimizer.name="{name}": unknown{near}; accepted: adam, adamw, sgd, rmsprop, or package.Class'
    )


@pytest.mark.parametrize("target", ["Net", ".Net", "nets."])
def test_a_model_that_cannot_be_a_class_is_refused(target: str) -> None:
    with pytest.raises(UserError, match=rf'^model\.target="{target}": is not of the form package\.Class$'):
        choice("model", {"name": "target", "target": target, "args": {}}, "name", MODELS)


@pytest.mark.parametrize("names", [[], ["cat"], ["cat", "dog", "cat"]])
def test_classes_are_two_or_more_each_once(names: list[str]) -> None:
    form = {"kind": "paths", "file": "t.csv", "path": "path", "label": "label", "split": None, "group": None}
    values = {"source": "local", "name": "own", "form": form | {"classes": names}}
    with pytest.raises(
        UserError, match=r"^download\.form\.classes=\[.*\]: a class twice, or less than two; name each once$"
    ):
        choice("download", values, "source", DOWNLOADS)


def test_an_even_kernel_keeps_no_side() -> None:
    with pytest.raises(UserError) as refused:
        choice("model", CNN | {"kernel": 4}, "name", MODELS)
    assert str(refused.value) == (
        "model.kernel=4 is even, padding=same needs an odd one; set another kernel or padding=valid"
    )


@pytest.mark.parametrize("fits", [{"kernel": 5}, {"kernel": 4, "padding": "valid"}])
def test_a_kernel_that_fits_its_padding(fits: dict[str, object]) -> None:
    assert isinstance(choice("model", CNN | fits, "name", MODELS), Cnn)
