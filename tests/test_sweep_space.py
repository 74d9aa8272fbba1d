"""The search space: which spaces and objectives are refused, and that drawn values reach the config unchanged."""

from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sprout.config.compose import compose_config
from sprout.config.model import MODELS, Model
from sprout.config.recompose import with_values
from sprout.config.search_space import Choices, FloatRange, IntRange, LogRange
from sprout.config.sweep import Sweep, check_sweep, space_of
from sprout.config.train import check_training
from sprout.config.validate import choice
from sprout.runtime.errors import UserError
from sprout.sweep.conditions import check_space
from sprout.sweep.objective import check_objective, epoch_metrics
from sprout.sweep.space import distributions, override, stored, to_settings

CONF = Path("conf")


def sweep_of(*overrides: str, experiment: str = "digits") -> Sweep:
    return check_sweep("sweep", compose_config(CONF, experiment, overrides).outside["sweep"])


def test_the_default_searches_rate_batch_and_dropout(project: Path) -> None:
    assert distributions(space_of(sweep_of())) == {
        "train.lr": FloatDistribution(1e-4, 3e-2, log=True),
        "train.batch_size": CategoricalDistribution([16, 32, 64, 128]),
        "model.dropout": FloatDistribution(0.0, 0.6, step=0.1),
    }


def test_a_whole_number_and_a_list(project: Path) -> None:
    space = space_of(sweep_of("sweep=architecture"))
    found = distributions(space)
    assert found["model.kernel"] == IntDistribution(1, 5, step=2)
    assert "[8, 16]" in found["model.channels"].choices  # type: ignore[attr-defined]
    assert to_settings(space, {"model.channels": "[8, 16]", "model.batch_norm": True}) == {
        "model.channels": (8, 16),
        "model.batch_norm": True,
    }


def test_a_parameter_is_added_and_left_out_from_the_command_line(project: Path) -> None:
    space = space_of(
        sweep_of("~sweep.space.model", "+sweep.space.train.ema={kind: float, low: 0.9, high: 0.99, step: null}")
    )
    assert list(space) == ["train.lr", "train.batch_size", "train.ema"]


VALUES = [
    0.1,
    1e-05,
    3,
    True,
    False,
    None,
    "relu",
    "null",
    "1e3",
    "true",
    "a b",
    "it's, [so]",
    'say "so"',
    (8, 16),
    (),
    ("max", None, 0.5),
]


@pytest.mark.parametrize("value", VALUES)
def test_hydras_grammar_reads_the_same_value(project: Path, value: Any) -> None:
    path = "train.optimizer.args.momentum"
    composed = compose_config(CONF, "digits", ["train/optimizer=sgd"])
    found = with_values(CONF, composed, [override(CONF, path, value)]).config["train"]["optimizer"]["args"]["momentum"]
    wanted = list(value) if isinstance(value, tuple) else value
    assert found == wanted
    assert type(found) is type(wanted)
    assert compose_config(CONF, "digits", ["train/optimizer=sgd", override(CONF, path, value)]).config["train"][
        "optimizer"
    ]["args"] == {"momentum": wanted, "nesterov": True}


@pytest.mark.parametrize(
    "overrides",
    [
        ["train.lr=0.007", "model.channels=[4,8]"],
        ["model=mlp", "train.batch_size=7"],
        ["train/schedule=one_cycle"],
        ["train.optimizer.args.momentum=0.5", "train/optimizer=sgd", "train.optimizer.weight_decay=0.1"],
        ["train.threads=2", "train.lr=0.1"],
        ["++train.lr=0.2"],
    ],
)
def test_further_overrides_give_what_composing_all_gives(project: Path, overrides: list[str]) -> None:
    given = ["train.epochs=3", "model.dropout=0.1"] if "model=mlp" not in overrides else ["train.epochs=3"]
    some, whole = compose_config(CONF, "digits", given), compose_config(CONF, "digits", [*given, *overrides])
    found = with_values(CONF, some, overrides)
    assert (found.config, found.text, found.outside) == (whole.config, whole.text, whole.outside)


def test_a_config_is_not_changed_by_further_overrides(project: Path) -> None:
    composed = compose_config(CONF, "digits", [])
    text = composed.text
    given = ["train/optimizer=sgd", "train.optimizer.args.momentum=0.5"]
    changed = with_values(CONF, composed, given).text
    with_values(CONF, composed, ["train.lr=0.5"])
    with_values(CONF, composed, ["train/optimizer=sgd", "train.optimizer.args.momentum=0.25"])
    assert composed.text == text
    assert with_values(CONF, composed, []).text == text
    assert with_values(CONF, composed, given).text == changed


def test_a_build_knows_nothing_of_the_sweep(project: Path) -> None:
    plain, other = compose_config(CONF, "digits", []), compose_config(CONF, "digits", ["sweep.trials=7"])
    assert plain.text == other.text
    assert "sweep" not in plain.config
    assert other.outside["sweep"]["trials"] == 7


REFUSED = [
    (["sweep.trials=0"], "sweep.trials=0: "),
    (["sweep.sampler=grid"], "sweep.sampler=\"grid\": should be 'tpe', 'random' or 'nsga2'"),
    (["sweep.space.train.lr.low=1"], "sweep.space.train.lr.low=1.0 with high=0.03: "),
    (["sweep.space.train.lr.low=0"], "sweep.space.train.lr.low=0: "),
    (["sweep.space.train.lr.kind=lin"], 'sweep.space.train.lr.kind="lin": unknown (did you mean int?); accepted: '),
    (["sweep.space.train.lr.step=1"], "sweep.space.train.lr.step=1: no such key; accepted: when, kind, low, high"),
    (
        ["~sweep.space.train.lr.kind"],
        "sweep.space.train.lr.kind=null: unknown; accepted: float, log, int, log_int, choice",
    ),
    (["sweep.space.train.lr=0.1"], "sweep.space.train.lr=0.1: is not a section; its key kind is one of float, log"),
    (["sweep.space.train.batch_size.choices=[8]"], "sweep.space.train.batch_size.choices=[8]: "),
    (["sweep.space.train.batch_size.choices=[8,9,8]"], "choices=[8, 9, 8]: "),
    (["~sweep.space.train", "~sweep.space.model"], "sweep.space: is empty"),
    (["+sweep.space.prepare.val={kind: int, low: 1, high: 9, step: 1}"], "accepted: keys of model and train"),
    (["+sweep.space.train.seed={kind: int, low: 0, high: 9, step: 1}"], "sweep.space.train.seed: "),
    (["sweep=architecture", "sweep.pruner=median"], "sweep.pruner=median with 2 objectives: "),
    (["sweep.space.model.dropout.step=0.25"], "sweep.space.model.dropout.step=0.25 with low=0.0 and high=0.6: "),
    (["sweep.space.model.dropout.step=7"], "sweep.space.model.dropout.step=7.0 with low=0.0 and high=0.6: "),
    (
        ["+sweep.space.train.epochs={kind: log_int, low: 3, high: 8, powers_of_two: true}"],
        "epochs.low=3: powers_of_two",
    ),
    (["sweep=optimizer", "sweep.space.train.optimizer.args.momentum.kind=x"], "train.optimizer.args.momentum.kind="),
    ([f"sweep.name={'a' * 65}"], "accepted: up to 64 letters, digits"),
    (["sweep.name=a/b"], "sweep.name=a/b: accepted: "),
    (["sweep.objective=[]"], "sweep.objective=[]: "),
    (["sweep.objective=[{metric: val_loss, direction: down}]"], 'sweep.objective.0.direction="down": should be \'max'),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED)
def test_a_section_that_cannot_be_searched_is_refused(project: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError) as raised:
        compose_config(CONF, "digits", overrides)
    assert message in str(raised.value)


OUT_OF_RANGE = [
    ("~sweep.space.model", None),
    ("sweep.space.model.dropout.high=1.0", "sweep.space.model.dropout: model.dropout=1.0: "),
    ("sweep.space.train.batch_size.choices=[0,8]", "sweep.space.train.batch_size: train.batch_size=0: "),
    (
        "+sweep.space.model.dropot={kind: float, low: 0.0, high: 0.5, step: null}",
        "sweep.space.model.dropot: model.dropot=0.0: no such key (did you mean dropout?)",
    ),
    ("+sweep.space.train.loss={kind: choice, choices: [a, b]}", 'sweep.space.train.loss: train.loss="a": no such key'),
    (
        "+sweep.space.model.kernel={kind: int, low: 2, high: 3, step: 1}",
        "sweep.space.model.kernel: model.kernel=2",
    ),
]


@pytest.mark.parametrize(("given", "message"), OUT_OF_RANGE)
def test_what_a_setting_does_not_take_is_refused_before_the_first_trial(
    project: Path, given: str, message: str | None
) -> None:
    composed = compose_config(CONF, "digits", [given])
    space = space_of(check_sweep("sweep", composed.outside["sweep"]))
    if message is None:
        check_space(CONF, composed, space)
        return
    with pytest.raises(UserError) as raised:
        check_space(CONF, composed, space)
    assert message in str(raised.value)


def test_files_of_a_group_are_choices(project: Path) -> None:
    composed = compose_config(CONF, "digits", [])
    found = with_values(CONF, composed, [override(CONF, "train.optimizer", "sgd")])
    assert "momentum" in found.config["train"]["optimizer"]["args"]
    space = {"model": Choices("choice", ("cnn", "mlp", "nothing"))}
    with pytest.raises(UserError, match=r'sweep\.space\.model: model="nothing": no such choice; accepted: '):
        check_space(CONF, composed, space)
    found = with_values(CONF, composed, [override(CONF, "model", "mlp")])
    assert found.config["model"]["name"] == "mlp"


def check(experiment: str, metric: str, pruner: str = "none") -> None:
    """Check a single objective of an experiment."""
    objective = f"sweep.objective=[{{metric: {metric}, direction: maximize}}]"
    composed = compose_config(CONF, experiment, [objective, f"sweep.pruner={pruner}"])
    training = check_training("train", composed.config["train"])
    model: Model = choice("model", composed.config["model"], "name", MODELS)
    check_objective(check_sweep("sweep", composed.outside["sweep"]), training, model)


@pytest.mark.parametrize(
    ("experiment", "each_epoch", "at_the_end"),
    [
        ("digits", ["val_loss", "val_accuracy"], "val_macro_f1"),
        ("linear", ["val_loss", "val_mae"], "val_r2"),
        ("denoise", ["val_loss"], "val_mse"),
        ("cluster", ["val_loss"], "val_purity"),
        ("baseline_forest", [], "val_accuracy"),
    ],
)
def test_the_metrics_of_each_task(project: Path, experiment: str, each_epoch: list[str], at_the_end: str) -> None:
    train = compose_config(CONF, experiment, []).config["train"]
    assert epoch_metrics(check_training("train", train)) == each_epoch
    for metric in [*each_epoch, at_the_end, "parameters"]:
        check(experiment, metric)
    for metric in each_epoch:
        check(experiment, metric, "median")


@pytest.mark.parametrize(
    ("metric", "pruner", "message"),
    [
        ("val_acc", "none", r"metric=val_acc: .*val_accuracy"),
        ("val_macro_f1", "median", r"sweep\.pruner=median: val_macro_f1 .*accepted: none"),
        ("parameters", "median", r"sweep\.pruner=median: parameters .*accepted: none"),
        ("test_accuracy", "none", r"metric=test_accuracy: "),
    ],
)
def test_an_unknown_objective_is_refused(project: Path, metric: str, pruner: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check("digits", metric, pruner)


def test_choices_survive_optunas_storage() -> None:
    space = {
        "a": FloatRange("float", 0.0, 1.0, None),
        "b": LogRange("log", 0.1, 1.0),
        "c": IntRange("int", 1, 4, 1),
        "d": Choices("choice", ((1, 2), "x", None)),
    }
    assert distributions(space)["d"] == CategoricalDistribution(["[1, 2]", "x", None])
    for item in ((1, 2), "x", None):
        assert to_settings(space, {"d": stored(item)}) == {"d": item}
    with pytest.raises(ValueError, match="0 is none of the choices"):
        to_settings({"e": Choices("choice", (0.0, 0.01))}, {"e": 0})
