"""`sprout train`: which overrides it refuses, and the `dvc exp run` that it names instead."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import dump_yaml

from commands import params_after
from sprout.commands.train import TAKES, train_once
from sprout.config.compose import compose_config
from sprout.config.exp_run import STAGES, rebuild_data
from sprout.config.made_with import made_with, refuse_other_data, refuse_without_effect
from sprout.config.sections import SECTIONS
from sprout.config.workspace import Build, Params
from sprout.runtime.errors import UserError
from workspaces import run

CONF = Path("conf")
DVC = yaml.safe_load((Path(__file__).parents[1] / "dvc.yaml").read_text())["stages"]


def workspace(experiment: str = "digits", overrides: list[str] | None = None) -> tuple[Params, Build]:
    """A workspace whose data was made with what its `params.yaml` says."""
    params = Params(experiment, overrides or [])
    Path("params.yaml").write_text(yaml.safe_dump({"experiment": experiment, "overrides": params.overrides}))
    build = build_of(experiment, *params.overrides)
    dump_yaml("dvc.lock", lock_of(build))
    return params, build


def params_of(stage: str) -> list[str]:
    """The sections that the project's `dvc.yaml` names for a stage."""
    return next(entry["build/config.yaml"] for entry in DVC[stage]["params"])


def lock_of(build: Build) -> dict[str, Any]:
    """What DVC's lock holds of the settings after all of the data's stages have ended well."""
    stages = {name: {key: deepcopy(build.config[key]) for key in params_of(name)} for name in STAGES}
    params = {name: {"cmd": "x", "params": {"build/config.yaml": found}} for name, found in stages.items()}
    return {"schema": "2.0", "stages": params}


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
    (["augment.transforms.shift=0.5"], "augment.transforms.shift=0.5: the data on disk was made with "),
    (["augment.transforms.fill=border"], 'augment.transforms.fill="border": the data on disk was made with "zeros";'),
    (["download=fashion_mnist"], 'download.source="torchvision": the data on disk was made with "sklearn";'),
    (["experiment=fashion_mnist"], 'download.source="torchvision": the data on disk was made with "sklearn";'),
    (["+experiment=fashion_mnist"], 'download.source="torchvision": the data on disk was made with "sklearn";'),
    (["train.lr=0.1", "augment.seed=1"], "augment.seed=1: the data on disk was made with 0;"),
    (["augment.seed=${prepare.labels}"], "augment.seed=100: the data on disk was made with 0;"),
]


@pytest.mark.parametrize(("overrides", "said"), REFUSED, ids=[str(o) for o, _ in REFUSED])
def test_other_data_is_refused_before_anything_is_read(project: Path, overrides: list[str], said: str) -> None:
    params, _ = workspace()
    with pytest.raises(UserError) as raised:
        train_once(CONF, params, overrides)
    assert str(raised.value).startswith(said)
    assert "; to rebuild it: dvc exp run -S " in str(raised.value)
    assert "\n" not in str(raised.value)


OTHER = r"^prepare\.labels=50: the data on disk was made with 100; to rebuild it: dvc exp run augment pretrained$"


def test_data_made_before_an_edit_of_params_is_refused(project: Path) -> None:
    workspace()
    with pytest.raises(UserError, match=OTHER):
        train_once(CONF, Params("digits", ["prepare.labels=50"]), [])


def test_data_older_than_what_was_composed_last_is_refused(project: Path) -> None:
    """After `dvc repro compose`, say: `build/config.yaml` has gone ahead of the data."""
    workspace()
    overrides = ["prepare.labels=50"]
    with pytest.raises(UserError, match=OTHER):
        train_once(CONF, Params("digits", overrides), [])


def repro(folder: Path, overrides: list[str], code: int) -> Build:
    """`dvc repro` of the data's stages, with a command of the test's own in the place of each script."""
    build = build_of("digits", *overrides)
    (folder / "build").mkdir(exist_ok=True)
    (folder / "build/config.yaml").write_text(build.config_text)
    works = {name: f"mkdir -p {name}-out" for name in STAGES}
    works["prepare"] += " && ! grep -q 'labels: 50' build/config.yaml"
    stages = {
        name: {"cmd": work, "params": [{"build/config.yaml": params_of(name)}], "outs": [f"{name}-out"]}
        for name, work in works.items()
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    run(folder, "dvc", "repro", code=code)
    return build


@pytest.mark.slow
def test_a_repro_that_composed_and_failed_in_prepare(project: Path) -> None:
    """DVC's own lock; it writes 0.00001 so that PyYAML would read a text."""
    run(project, "dvc", "init", "--quiet", "--no-scm")
    before, after = ["augment.transforms.noise=0.00001"], ["augment.transforms.noise=0.00001", "prepare.labels=50"]
    repro(project, before, 0)
    refuse_other_data(compose_config(CONF, "digits", before), made_with(), Params("digits", before))
    composed_last = repro(project, after, 255)
    assert composed_last.config["prepare"]["labels"] == 50
    with pytest.raises(UserError, match=OTHER):
        train_once(CONF, Params("digits", after), [])


def test_a_wrong_override_is_refused_as_everywhere(project: Path) -> None:
    params, _ = workspace()
    with pytest.raises(UserError, match=r"^train\.lr=-1: should be greater than 0$"):
        train_once(CONF, params, ["train.lr=-1"])


def test_without_a_lock_nothing_was_built_here(project: Path) -> None:
    params, _ = workspace()
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"^dvc\.lock: not found, .*run `dvc repro`$"):
        train_once(CONF, params, [])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_never_ended_well_is_named(project: Path, stage: str) -> None:
    params, built = workspace()
    lock = lock_of(built)
    del lock["stages"][stage]
    dump_yaml("dvc.lock", lock)
    with pytest.raises(UserError, match=rf"^dvc\.lock: .* stage {stage}, .* never built here; run `dvc repro`\. "):
        train_once(CONF, params, [])


@pytest.mark.parametrize("content", ["", "schema: '2.0'\n", "schema: '2.0'\nstages:\n", "stages: {download: {}}\n"])
def test_a_lock_without_settings_is_refused(project: Path, content: str) -> None:
    params, _ = workspace()
    Path("dvc.lock").write_text(content)
    with pytest.raises(UserError, match=r"^dvc\.lock: has no settings .* stage download, .*`git checkout dvc\.lock`$"):
        train_once(CONF, params, [])


@pytest.mark.parametrize(
    "content",
    [
        "stages:\n<<<<<<< HEAD\n  download: {}\n=======\n",
        "stages:\n  download:\n",
        "stages:\n  download:\n    deps:\n",
        "stages:\n  download:\n    outs:\n    -\n",
        "stages:\n  download:\n    params: build\n",
        "stages",
    ],
)
def test_a_lock_with_a_conflict_or_cut_off_is_refused_with_what_restores_it(project: Path, content: str) -> None:
    params, _ = workspace()
    Path("dvc.lock").write_text(content)
    with pytest.raises(UserError, match=r"^dvc\.lock: not readable \(.*`git checkout dvc\.lock`, then `dvc repro`$"):
        train_once(CONF, params, [])


def test_a_setting_that_the_data_was_made_without_is_refused(project: Path) -> None:
    params, built = workspace()
    lock = lock_of(built)
    del lock["stages"]["augment"]["params"]["build/config.yaml"]["augment"]["copies"]
    dump_yaml("dvc.lock", lock)
    with pytest.raises(UserError, match=r"^augment\.copies=4: the data on disk was made with null;"):
        train_once(CONF, params, [])


WITHOUT_EFFECT = [
    "pseudo_label=none",
    "retrain.epochs=1",
    "retrain=default",
    "train/optimizer@retrain.optimizer=sgd",
    "evaluate.bins=3",
    "++report.examples=1",
]


@pytest.mark.parametrize("override", WITHOUT_EFFECT)
def test_what_would_have_no_effect_is_refused(project: Path, override: str) -> None:
    params, _ = workspace()
    with pytest.raises(UserError) as raised:
        train_once(CONF, params, ["train.lr=0.1", override])
    assert str(raised.value) == (
        f"{override}: has no effect; sprout train takes overrides of model, train, tracking, cluster, and experiment"
    )


def test_overrides_in_params_may_be_of_any_section(project: Path) -> None:
    given = ["retrain.epochs=1", "report.examples=1"]
    composed = compose_config(CONF, "digits", [*given, "train.lr=0.1"])
    refuse_without_effect(composed, len(given), "sprout train", TAKES)
    with pytest.raises(UserError, match=r"^report\.examples=1: "):
        refuse_without_effect(composed, 1, "sprout train", TAKES)


ACCEPTED = [
    "model=mlp",
    "train.lr=0.5",
    "train/optimizer=sgd",
    "tracking.log_model=false",
    "augment=shifted",
]


@pytest.mark.parametrize("override", [*ACCEPTED, "experiment=digits", "prepare.labels=100"])
def test_what_leaves_the_data_alone_is_accepted(project: Path, override: str) -> None:
    params, _ = workspace()
    composed = compose_config(CONF, "digits", [override])
    refuse_without_effect(composed, 0, "sprout train", TAKES)
    refuse_other_data(composed, made_with(), params)


def test_what_it_takes_are_the_settings_that_the_stage_train_reads() -> None:
    assert set(TAKES) == set(params_of("train"))
    assert set(STAGES) | set(TAKES) < set(SECTIONS)


QUOTING = [
    ("digits", [], ["augment=none"]),
    ("digits", ["train.lr=0.1"], ["augment=none", "train.epochs=3"]),
    ("digits", ["train.lr=0.1"], ["experiment=fashion_mnist"]),
    ("digits", ["experiment=fashion_mnist", "train.lr=0.1"], ["experiment=digits", "train.lr=0.2"]),
    ("fashion_mnist", ["experiment=digits"], ["experiment=fashion_mnist"]),
    ("digits", [], ["download=fashion_mnist", "download.mirror='https://a.b:80/c d\"e\\x'"]),
    ("digits", [], ["augment=none", "+train.optimizer.args={a: 'x,y', b: [1,2]}"]),
    ("digits", [], ["augment=none", "pretrained.source='it\\'s'"]),
    ("digits", [], ["augment=none", "pretrained.source='größe $HOME `a`'"]),
    ("digits", [], ["augment=none", "pretrained.source='ends with \\\\'"]),
    ("digits", [], ["augment.seed=${prepare.labels}"]),
    ("digits", [], ["augment.seed='${oc.decode:\"7\"}'"]),
    ("digits", [], ["train/optimizer=sgd", "~train.optimizer.args.nesterov", "augment=none"]),
]


@pytest.mark.parametrize(("experiment", "given", "overrides"), QUOTING)
def test_the_named_command_builds_what_was_asked(
    project: Path, experiment: str, given: list[str], overrides: list[str]
) -> None:
    """The shell's and DVC's own reading of the command lead to the same data."""
    params, _ = workspace(experiment, given)
    wanted = compose_config(CONF, experiment, [*given, *overrides])
    then = params_after(rebuild_data(wanted, params))
    found = compose_config(CONF, then.experiment, then.overrides)
    assert {stage: found.config[stage] for stage in STAGES} == {stage: wanted.config[stage] for stage in STAGES}


def test_the_command_reads_as_the_documentation_writes_it(project: Path) -> None:
    params, _ = workspace()
    composed = compose_config(CONF, "digits", ["experiment=fashion_mnist", "prepare.labels=50"])
    options = "-S experiment=fashion_mnist -S 'overrides=[\"prepare.labels=50\"]'"
    assert rebuild_data(composed, params) == f"dvc exp run {options} augment pretrained"


def test_the_command_keeps_what_params_hold_and_takes_only_what_changes_the_data(project: Path) -> None:
    """Settings of the training of a side command would stay in `params.yaml`, and would change each later build."""
    params, _ = workspace("digits", ["retrain.epochs=3"])
    given = ["model=mlp", "train.lr=0.003", "augment=none", "train/transforms@train.strong=rows", "prepare.labels=50"]
    composed = compose_config(CONF, "digits", ["retrain.epochs=3", *given])
    options = '-S \'overrides=["retrain.epochs=3", "augment=none", "prepare.labels=50"]\''
    assert rebuild_data(composed, params) == f"dvc exp run {options} augment pretrained"
    with pytest.raises(UserError) as raised:
        refuse_other_data(composed, made_with(), params)
    assert str(raised.value).endswith(f"to rebuild it: dvc exp run {options} augment pretrained")
