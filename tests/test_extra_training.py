"""`sprout train`: which overrides it refuses, and the `dvc exp run` that it names instead."""

import shlex
from functools import cache
from pathlib import Path

import pytest
import yaml
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides

from sprout.core.build import Build
from sprout.core.errors import UserError
from sprout.core.workspace import Params, read_params
from sprout.extra_training import DATA, refuse_other_data, train_once
from sprout.settings.compose import compose_config
from sprout.settings.exp_run import exp_run
from sprout.settings.sections import SECTIONS

CONF = Path("conf")


def workspace(experiment: str = "digits", overrides: list[str] | None = None) -> tuple[Params, Build]:
    """A workspace whose data was made with what its `params.yaml` says."""
    params = Params(experiment, overrides or [])
    Path("params.yaml").write_text(yaml.safe_dump({"experiment": experiment, "overrides": params.overrides}))
    return params, build_of(experiment, *params.overrides)


@cache
def build_of(experiment: str, *overrides: str) -> Build:
    """What these settings build; composed once."""
    composed = compose_config(CONF, experiment, overrides)
    return Build(composed.text, composed.config)


REFUSED = [
    (["prepare.labels=50"], "prepare.labels=50: the data on disk was made with 100;"),
    (["prepare.labels=null"], "prepare.labels=null: the data on disk was made with 100;"),
    (["prepare={val: 7}"], "prepare.val=7: the data on disk was made with 200;"),
    (["augment.copies=9"], "augment.copies=9: the data on disk was made with 4;"),
    (["augment=none"], "augment."),
    (["train/transforms@augment.transforms=none"], "augment.transforms."),
    (["augment.transforms.fill=border"], 'augment.transforms.fill="border": the data on disk was made with "zeros";'),
    (["download=fashion_mnist"], 'download.source="torchvision": the data on disk was made with "digits";'),
    (["experiment=fashion_mnist"], 'download.source="torchvision": the data on disk was made with "digits";'),
    (["+experiment=fashion_mnist"], 'download.source="torchvision": the data on disk was made with "digits";'),
    (["train.lr=0.1", "augment.seed=1"], "augment.seed=1: the data on disk was made with 0;"),
    (["augment.seed=${prepare.labels}"], "augment.seed=100: the data on disk was made with 0;"),
]


@pytest.mark.parametrize(("overrides", "said"), REFUSED, ids=[str(o) for o, _ in REFUSED])
def test_other_data_is_refused_before_anything_is_read(project: Path, overrides: list[str], said: str) -> None:
    params, built = workspace()
    with pytest.raises(UserError) as raised:
        train_once(CONF, params, built, overrides)
    assert str(raised.value).startswith(said)
    assert "; to build it anew: dvc exp run -S " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_data_made_before_an_edit_of_params_is_refused(project: Path) -> None:
    _, built = workspace()
    params, _ = workspace(overrides=["prepare.labels=50"])
    with pytest.raises(UserError, match=r"^prepare\.labels=50: .* made with 100; to build it anew: dvc exp run$"):
        train_once(CONF, params, built, [])


def test_a_wrong_override_is_refused_as_everywhere(project: Path) -> None:
    params, built = workspace()
    with pytest.raises(UserError, match=r"^train\.lr=-1: should be greater than 0$"):
        train_once(CONF, params, built, ["train.lr=-1"])


def test_a_build_without_the_data_sections_is_refused(project: Path) -> None:
    params, _ = workspace()
    with pytest.raises(UserError, match=r'^download\.source="digits": the data on disk was made with null;'):
        train_once(CONF, params, Build("experiment: digits\n", {"experiment": "digits"}), [])


ACCEPTED = [
    "model=mlp",
    "train.lr=0.5",
    "train/optimizer=sgd",
    "retrain.epochs=1",
    "augment=shifted",
    "report.examples=1",
]


@pytest.mark.parametrize("override", [*ACCEPTED, "experiment=digits", "prepare.labels=100"])
def test_what_leaves_the_data_alone_is_accepted(project: Path, override: str) -> None:
    params, built = workspace()
    refuse_other_data(compose_config(CONF, "digits", [override]), built, params)


def test_every_section_is_either_of_the_data_or_free(project: Path) -> None:
    assert set(DATA) == {"download", "prepare", "augment"}
    assert set(DATA) < set(SECTIONS)


QUOTING = [
    ("digits", [], ["augment=none"]),
    ("digits", ["train.lr=0.1"], ["augment=none", "train.epochs=3"]),
    ("digits", ["train.lr=0.1"], ["experiment=fashion_mnist"]),
    ("digits", ["experiment=fashion_mnist", "train.lr=0.1"], ["experiment=digits", "train.lr=0.2"]),
    ("fashion_mnist", ["experiment=digits"], ["experiment=fashion_mnist"]),
    ("digits", [], ["download=fashion_mnist", "download.mirror='https://a.b:80/c d\"e\\x'"]),
    ("digits", [], ["augment=none", "+train.optimizer.args={a: 'x,y', b: [1,2]}"]),
    ("digits", [], ["augment=none", "train.strategy='it\\'s'"]),
    ("digits", [], ["augment=none", "train.strategy='größe $HOME `a`'"]),
    ("digits", [], ["augment=none", "train.strategy='ends with \\\\'"]),
    ("digits", [], ["augment.seed=${prepare.labels}"]),
    ("digits", [], ["augment.seed='${oc.decode:\"7\"}'"]),
    ("digits", [], ["train/optimizer=sgd", "~train.optimizer.args.nesterov", "augment=none"]),
]


@pytest.mark.parametrize(("experiment", "given", "overrides"), QUOTING)
def test_the_named_command_builds_what_was_asked(
    project: Path, experiment: str, given: list[str], overrides: list[str]
) -> None:
    """The shell's and DVC's own reading of the command lead to the same config."""
    params, _ = workspace(experiment, given)
    wanted = compose_config(CONF, experiment, [*given, *overrides])
    command = shlex.split(exp_run(wanted, params))
    assert command[:3] == ["dvc", "exp", "run"]
    assert command[3::2] == ["-S"] * (len(command[3:]) // 2)
    for path, changes in to_path_overrides(command[4::2]).items():
        apply_overrides(path, changes)
    then = read_params()
    assert compose_config(CONF, then.experiment, then.overrides).config == wanted.config


def test_the_command_reads_as_the_documentation_writes_it(project: Path) -> None:
    params, _ = workspace()
    composed = compose_config(CONF, "digits", ["experiment=fashion_mnist", "train.lr=0.01"])
    assert exp_run(composed, params) == "dvc exp run -S experiment=fashion_mnist -S 'overrides=[\"train.lr=0.01\"]'"
