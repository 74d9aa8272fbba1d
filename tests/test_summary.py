"""`sprout summary`: the network of the current experiment on the prepared data."""

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from sprout.commands.summary import describe_network
from sprout.config.compose import compose_config
from sprout.config.workspace import read_params
from sprout.data.description import read_summary, write_description
from sprout.runtime.errors import UserError

CONF = Path("conf")


@pytest.fixture
def prepared(project: Path) -> Path:
    """A workspace whose data was prepared as its experiment says: grey images of 28×28 in ten classes."""
    config = compose_config(CONF, "digits", []).config
    names = {"prepare": ["download", "prepare"]} | {name: [name] for name in ("download", "augment", "pretrained")}
    stages = {
        stage: {"cmd": "x", "params": {"build/config.yaml": {name: config[name] for name in sections}}}
        for stage, sections in names.items()
    }
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    folder = project / "data/prepared"
    folder.mkdir(parents=True)
    figures = {"mean": [0.5], "std": [0.2], "features": None, "min": None, "max": None}
    summary = {
        "shape": [28, 28, 1],
        "target": "class",
        "folds": None,
        "levels": None,
        "page": 0,
        "columns": None,
        **figures,
    }
    write_description(folder, [str(digit) for digit in range(10)], summary)
    return folder


def printed(*overrides: str) -> tuple[str, list[list[str]]]:
    head, table = describe_network(CONF, read_params(), overrides)
    return head, [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_each_layer_is_listed(prepared: Path) -> None:
    head, rows = printed("model=cnn_3x12")
    assert head == "cnn on 1×28×28, 10 classes"
    assert [row[2] for row in rows if "Conv2d" in row[1]] == ["12×26×26", "12×24×24", "12×22×22"]
    assert rows[0][3] == "120"
    assert rows[-1][1:] == ["all", "", "584,646"]


class Scaled(nn.Sequential):
    """Has a weight of its own beside its layers."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(784, 10))
        self.scale = nn.Parameter(torch.ones(10))


def test_parameters_outside_of_layers_are_counted(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprout.models.build.build_network", lambda *_, **__: Scaled())
    _, rows = printed()
    assert [row[1:] for row in rows[-2:]] == [["outside of these layers", "", "10"], ["all", "", "7,860"]]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("prepare.labels=50", "prepare.labels=50: the data on disk was made with 100; to rebuild it: dvc exp run"),
        ("model.channels=[8,8,8,8,8,8]", "nothing of 28×28 pixels is left"),
    ],
)
def test_what_does_not_fit_is_refused(prepared: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("[", r"\[")):
        printed(override)


def test_other_copies_do_not_matter(prepared: Path) -> None:
    assert printed("augment.copies=9")[0] == "cnn on 1×28×28, 10 classes"


def test_without_classes_there_is_no_classifier(prepared: Path) -> None:
    write_description(prepared, [], read_summary(prepared))
    with pytest.raises(UserError, match="the examples have no classes"):
        printed()


def test_without_data_the_error_says_how_to_build_it(project: Path) -> None:
    with pytest.raises(UserError, match=r"dvc\.lock: not found, .*run `dvc repro`"):
        printed()
