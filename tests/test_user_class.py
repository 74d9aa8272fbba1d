"""Loading the user's own classes."""

import pytest
import torch

from sprout.runtime.errors import UserError
from sprout.runtime.user_class import subclass


def test_a_subclass_comes_through():
    assert subclass("model.target", "torch.nn.Identity", torch.nn.Module) is torch.nn.Identity


def test_a_class_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "nets.py").write_text("import torch\nclass Net(torch.nn.Module):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = subclass("model.target", "own_package.nets.Net", torch.nn.Module)
    assert (found.__name__, found.__module__) == ("Net", "own_package.nets")


@pytest.mark.parametrize(
    "path",
    [
        "nowhere.Net",
        "torch.nn.NoSuchClass",
        "torch.nn.functional.no.such",
        "Net",
        "",
        ".Net",
        ".a.Net",
        "..a.Net",
        "a..b",
    ],
)
def test_what_cannot_be_imported_is_refused(path):
    with pytest.raises(UserError) as refused:
        subclass("model.target", path, torch.nn.Module)
    assert str(refused.value).startswith(f"model.target={path}: cannot be imported (")
    assert "give package.Class" in str(refused.value)


@pytest.mark.parametrize("path", ["torch.optim.Adam", "torch.nn.functional.relu", "math.pi", "torch.nn.functional"])
def test_what_is_of_another_kind_is_refused(path):
    with pytest.raises(UserError, match=f"^model.target={path}: .*torch.nn.modules.module.Module$"):
        subclass("model.target", path, torch.nn.Module)
