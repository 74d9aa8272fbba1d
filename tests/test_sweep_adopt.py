"""The experiment that is written from a trial, and the command that builds it."""

from pathlib import Path

import pytest

from commands import params_after
from sprout.config.catalogue import read_head
from sprout.config.compose import compose_config
from sprout.config.exp_run import exp_run_file
from sprout.runtime.errors import UserError
from sprout.sweep.adopt import adopt

CONF = Path("conf")


@pytest.mark.parametrize(
    ("experiment", "held"),
    [
        ("digits", []),
        ("digits", ["train.lr=0.5", "model.dropout=0.5", "train/optimizer=sgd"]),
        ("digits", ["model=resnet", "model.dropout=0.1"]),
        ("cifar10", ["experiment=digits"]),
    ],
)
def test_the_command_builds_the_trial_whatever_params_yaml_holds(
    project: Path, experiment: str, held: list[str]
) -> None:
    (project / "params.yaml").write_text(f"experiment: {experiment}\noverrides: [{', '.join(held)}]\n")
    trial = compose_config(CONF, experiment, [*held, "train.lr=0.003", "model.dropout=0.2", "train.threads=1"])
    path = adopt(CONF, "tuned", trial, "Trial 3.", "val_accuracy 0.9 on val, 1 seed")
    command = read_head(path)["command"]
    assert command == exp_run_file("tuned")
    then = params_after(command)
    built = compose_config(CONF, then.experiment, then.overrides).config
    assert built | {"experiment": trial.experiment} == trial.config


def test_an_override_that_no_experiment_can_hold_is_refused_and_nothing_is_written(project: Path) -> None:
    trial = compose_config(CONF, "digits", ["train/optimizer=sgd", "~train.optimizer.args.nesterov"])
    with pytest.raises(UserError, match=r"~train\.optimizer\.args\.nesterov: an experiment cannot hold"):
        adopt(CONF, "tuned", trial, "Trial 3.", "val_accuracy 0.9 on val, 1 seed")
    assert not (CONF / "experiment/tuned.yaml").exists()
