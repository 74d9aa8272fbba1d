"""Overrides that choose another file for a section than the experiment's, which sets keys of its own."""

import shutil
from pathlib import Path

import pytest

from sprout.config.compose import compose_config
from sprout.runtime.errors import UserError

CONF = Path("conf")
NETWORK = """# @package _global_
defaults:
  - override /model: resnet
model:
  widths: [8, 16, 32]
  blocks: [0, 0, 0]
  dropout: 0.5
"""


@pytest.fixture
def experiment(project: Path) -> str:
    """An experiment whose file sets keys of a residual network, and one that an MLP has, too."""
    (CONF / "experiment/own.yaml").write_text(NETWORK)
    return "own"


@pytest.mark.parametrize("given", [[], ["train.lr=0.1"]])
def test_another_model_than_that_of_the_experiment_is_explained(experiment: str, given: list[str]) -> None:
    with pytest.raises(UserError) as raised:
        compose_config(CONF, experiment, ["model=mlp", *given])
    assert str(raised.value) == (
        "model=mlp: conf/experiment/own.yaml sets model.widths, model.blocks, which mlp does not have; to leave them "
        "out, add the overrides ~model.widths, ~model.blocks, or write an experiment of your own; accepted: "
        "model.name, model.hidden, model.batch_norm, model.activation, model.dropout"
    )


def test_the_overrides_that_it_names_are_enough(experiment: str) -> None:
    config = compose_config(CONF, experiment, ["model=mlp", "~model.widths", "~model.blocks"]).config
    assert (config["model"]["name"], config["model"]["hidden"], config["model"]["dropout"]) == ("mlp", [128, 64], 0.5)


def test_a_single_key_of_a_subsection(experiment: str) -> None:
    path = CONF / "experiment/own.yaml"
    path.write_text(NETWORK + "train:\n  task:\n    label_smoothing: 0.1\n")
    with pytest.raises(
        UserError, match=r"sets train\.task\.label_smoothing, which regress does not have; .* leave it "
    ):
        compose_config(CONF, experiment, ["train/task=regress"])


@pytest.mark.parametrize(
    ("file", "override", "said"),
    [
        ("experiment/mine.yaml", "experiment=mine", 'experiment="mine": unknown here, as'),
        ("model/mine.yaml", "model=mine", 'model="mine": no such choice here, as'),
    ],
)
def test_in_a_copy_a_file_that_git_does_not_know_is_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, override: str, said: str
) -> None:
    copy = tmp_path / ".dvc/tmp/exps/copy"
    shutil.copytree(CONF, copy / "conf")
    (CONF / file).write_text("")
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.chdir(copy)
    with pytest.raises(UserError) as raised:
        compose_config(CONF, "digits", [override])
    assert str(raised.value).startswith(f"{said} this is a copy of the workspace without conf/{file}: ")
    assert f"run `git add conf/{file}`" in str(raised.value)
    with pytest.raises(UserError, match=r"(unknown|no such choice).*; accepted: .*"):
        compose_config(CONF, "digits", [override.replace("mine", "nobodys")])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=mlp", "~model.widths", "~model.blocks", "model.kernel=3"], "model.kernel=3: no such key"),
        (["model.kernel=3"], "model.kernel=3: no such key"),
        (["model=mlp", "train.ephocs=3", "~model.widths", "~model.blocks"], "train.ephocs=3: no such key"),
    ],
)
def test_a_key_of_an_override_is_said_as_before(experiment: str, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as raised:
        compose_config(CONF, experiment, overrides)
    assert str(raised.value).startswith(said)
