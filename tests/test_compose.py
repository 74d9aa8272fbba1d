"""The config composed from `params.yaml` and `conf/`, and the one-line errors for mistakes in them."""

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sprout.config.compose import compose_config, compose_open, experiments, merged_files
from sprout.config.model import MODELS
from sprout.config.overrides import choices
from sprout.config.workspace import read_build
from sprout.runtime.errors import UserError
from sprout.runtime.signals import exit_codes

CONF = Path("conf")
STAGE = Path(__file__).parents[1] / "pipelines/compose.py"
OLD = "experiment: older\n"
EXPERIMENTS = ", ".join(experiments(CONF))
MODEL_NAMES = ", ".join(MODELS)
MODEL_FILES = ", ".join(choices(CONF, "model"))


@pytest.fixture
def compose_stage(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the stage `compose` where an older config lies; its exit code must be 2, and the older config stays."""
    (project / "build").mkdir()
    (project / "build/config.yaml").write_text(OLD)
    main = runpy.run_path(str(STAGE))["main"]

    def run() -> str:
        with pytest.raises(SystemExit) as ended, exit_codes():
            main()
        out, err = capsys.readouterr()
        assert ended.value.code == 2
        assert out == ""
        assert {path.name: path.read_text() for path in (project / "build").iterdir()} == {"config.yaml": OLD}
        assert err.startswith("error: ")
        assert err.splitlines() == [err.removesuffix("\n")]
        return err.removeprefix("error: ")

    return run


WRONG_OVERRIDES = [
    # not an override at all
    ([""], ['override ""', "section.key=value"]),
    (["="], ['override "="', "section.key=value"]),
    (["=1"], ['override "=1"', "section.key=value"]),
    (["a=b=c"], ['override "a=b=c"', "section.key=value"]),
    (["train.lr"], ['override "train.lr"', "section.key=value"]),
    (["a b c"], ['override "a b c"', "section.key=value"]),
    ([" train.lr=0.1"], ['override " train.lr=0.1"', "section.key=value"]),
    (["train.lr=0.1\nmodel=mlp"], ['override "train.lr=0.1\\nmodel=mlp"']),
    (["tränn.lr=1"], ["tränn.lr=1", "quotes"]),
    (["pretrained.source=größe"], ["pretrained.source=größe", "quotes"]),
    (["train.lr=float(nope)"], ["train.lr=float(nope)"]),
    (["model.channels[0]=3"], ["model.channels[0]=3"]),
    (["train.epochs=" + "9" * 5000], ["train.epochs=99999"]),
    # several values
    (["train.lr=0.1,0.2"], ["train.lr=0.1,0.2", "several values"]),
    (["train=default,default"], ["train=default,default", "several values"]),
    (["train.lr=range(1,3)"], ["train.lr=range(1,3)", "several values"]),
    (["model=glob(*)"], ["model=glob(*)", "several values"]),
    (["experiment=digits,fashion_mnist"], ["experiment=digits,fashion_mnist", "several values"]),
    # numbers
    (["train.lr=nan"], ["train.lr=NaN", "finite number"]),
    (["train.lr=inf"], ["train.lr=Infinity", "finite number"]),
    (["train.lr=1e400"], ["train.lr=Infinity", "finite number"]),
    (["train.lr=0"], ["train.lr=0:", "greater than 0"]),
    (["train.lr=-0.1"], ["train.lr=-0.1:", "greater than 0"]),
    (["train.lr="], ['train.lr="":', "number"]),
    (["train.lr=fast"], ['train.lr="fast"', "number"]),
    (["train.lr='0.1'"], ['train.lr="0.1"', "number"]),
    (["train.lr=true"], ["train.lr=true", "number"]),
    (["train.lr=null"], ["train.lr=null", "number"]),
    (["train.lr=[0.1]"], ["train.lr=[0.1]", "number"]),
    (["train.lr={a: {b: {c: 1}}}"], ['train.lr={"a": {"b": {"c": 1}}}', "number"]),
    (["train.lr.x=1"], ['train.lr={"x": 1}', "number"]),
    (["train.epochs=1e3"], ["train.epochs=1000.0", "integer"]),
    (["train.epochs=0"], ["train.epochs=0:", "greater than or equal to 1"]),
    (["train.epochs='3'"], ['train.epochs="3"', "integer"]),
    (["train.epochs=99999999999999999999"], ["train.epochs=99999999999999999999", "less than 2147483648"]),
    (["train.seed=-1"], ["train.seed=-1", "greater than or equal to 0"]),
    (["train.seed=2147483648"], ["train.seed=2147483648", "less than 2147483648"]),
    (["train.seed=true"], ["train.seed=true", "integer"]),
    (["tracking.log_model=1"], ["tracking.log_model=1", "true or false"]),
    (["tracking.log_model=yes"], ['tracking.log_model="yes"', "true or false"]),
    (["prepare.labels=0"], ["prepare.labels=0", "a count from 1, a fraction between 0 and 1"]),
    (["augment.transforms.rotate=181"], ["augment.transforms.rotate=181", "less than or equal to 180"]),
    (["pseudo_label=default", "pseudo_label.threshold=nan"], ["pseudo_label.threshold=NaN", "less than or equal to 1"]),
    (["model.dropout=1.0"], ["model.dropout=1.0", "less than 1"]),
    (["retrain.lr=-1"], ["retrain.lr=-1", "greater than 0"]),
    # strings, lists and sections
    (["pretrained.source=1"], ["pretrained.source=1", "a string"]),
    (["pretrained.source=''"], ['pretrained.source=""', "at least 1 character"]),
    (["train.monitor=loss"], ['train.monitor="loss"', "'val_loss' or 'val_accuracy'"]),
    (["train.monitor='a\nb'"], ['train.monitor="a\\nb"', "'val_loss' or 'val_accuracy'"]),
    (["train.precision=16"], ["train.precision=16", "'16-mixed'"]),
    (["model.channels=32"], ["model.channels=32", "a list"]),
    (["model.channels=[32,a]"], ['model.channels.1="a"', "integer"]),
    (["model.channels.1=0"], ["model.channels.1=0", "greater than or equal to 1"]),
    (
        ["train.transforms=shifts"],
        ["train.transforms=shifts: ", "write train/transforms=shifts; there are medium, none"],
    ),
    (["train.optimizer.args=1"], ["train.optimizer.args=1", "a section with keys"]),
    (["model.name=vgg"], ['model.name="vgg"', MODEL_NAMES]),
    (["model.name=null"], ["model.name=null", MODEL_NAMES]),
    (["download.source=torchvision"], ["download.mirror", "missing", "conf/download/"]),
    (["download.name=MNIST"], ['download.name="MNIST"', "digits", "iris"]),
    (["download=archive"], ["download.urls", "is not set"]),
    (["download.format.kind=folders"], ["download.format", "no such key"]),
    (
        ["download=archive", "download.urls=[a]", "download.format.kind=folder"],
        ["download.format.kind", "folders, paths"],
    ),
    (["download=archive", "download.urls=[a]", "download.format.x=1"], ["download.format.x=1", "no such key", "kind"]),
    # unknown keys and sections
    (["train.x=1"], ["train.x=1", "no such key", "batch_size"]),
    (["+train.x=1"], ["train.x=1", "no such key", "batch_size"]),
    (["++train.ephocs=1"], ["train.ephocs=1", "did you mean epochs?"]),
    (
        ["train.transforms.flp=1"],
        ["train.transforms.flp=1", "did you mean flip?", "accepted: flip, flip_vertical"],
    ),
    (["trian.lr=0.1"], ['trian={"lr": 0.1}', "did you mean train?"]),
    (["lr=0.1"], ["lr=0.1", "no such section", "download, prepare"]),
    (["+foo=1"], ["foo=1", "no such section"]),
    (["experiment.x=1"], ['experiment={"x": 1}', "no such section"]),
    (["defaults=[]"], ["defaults=[]", "no such section"]),
    (["hydra.run.dir=/x"], ["hydra.run.dir=/x", "no effect"]),
    (["+hydra.x=1"], ["+hydra.x=1", "no effect"]),
    (["hydra/launcher=basic"], ["hydra/launcher=basic", "no effect"]),
    (["~hydra"], ["~hydra", "no effect"]),
    # deletions
    (["~train"], ["train.method", "missing", "conf/train/"]),
    (["~train.lr"], ["~train.lr: a config has every setting; write train.lr=null"]),
    (["train.lr=0.1", "~train.lr"], ["~train.lr: a config has every setting; write train.lr=null"]),
    (["~train.patience"], ["~train.patience: is null already", "leave this out"]),
    (["~train/optimizer"], ["train.optimizer", "missing"]),
    (["~train.nope"], ["~train.nope", "does not exist"]),
    (["~train.lr=5"], ["~train.lr=5", "and not 5"]),
    (["~model"], ["model", "section is missing", "download, prepare"]),
    (["~experiment"], ["experiment=null", "digits, fashion_mnist"]),
    # choices of files
    (["model=nope"], ['model="nope"', "no such choice", MODEL_FILES]),
    (["model="], ['model=""', "no such choice", MODEL_FILES]),
    (["model=null"], ["model=null", "no such choice", MODEL_FILES]),
    (["model=[cnn,mlp]"], ['model=["cnn", "mlp"]', "no such choice"]),
    (["model=../train/default"], ['model="../train/default"', "no such choice"]),
    (["model=cnn.yaml"], ['model="cnn.yaml"', "no such choice"]),
    (["model=CNN"], ['model="CNN"', "no such choice"]),
    (["train=${retrain}"], ['train="${retrain}"', "no such choice"]),
    (["train/optimizer=nope"], ['train/optimizer="nope"', "adam, adamw, muon, rmsprop, sgd"]),
    (
        ["train/transforms@augment.transforms=nope"],
        ['train/transforms@augment.transforms="nope"', "none, rows, shifts"],
    ),
    (["model@foo=cnn"], ["model@foo=cnn", "Could not override"]),
    # a value for a section that a file fills, and a folder for a value
    (["train.optimizer=sgd"], ["train.optimizer=sgd: ", "write train/optimizer=sgd; there are adam, adamw, muon,"]),
    (["train.schedule=cos"], ["train.schedule=cos: ", "write train/schedule=NAME; there are constant, cosine, "]),
    (["augment.transforms=weak"], ["write train/transforms@augment.transforms=weak; there are medium, none"]),
    (["retrain.method=supervised"], ["write train/method@retrain.method=supervised; there are consistency, "]),
    (["retrain=default", "retrain.method=supervised"], ["write +train/method@retrain.method=supervised; there are "]),
    (["train/lr=0.1"], ["train/lr=0.1: there is no folder conf/train/lr; to set a value write train.lr=0.1"]),
    (["+model@foo=cnn"], ["foo=", "no such section"]),
    (["+model=mlp"], ["+model=mlp", "Multiple values"]),
    (["train.epochs=3", "+train.lr=0.1", "train.seed=1"], ["+train.lr=0.1:", "already at 'train.lr'"]),
    (["experiment=nope"], ['experiment="nope"', EXPERIMENTS]),
    (["experiment=digits", "experiment=nope"], ['experiment="nope"', EXPERIMENTS]),
    (["experiment=fashion-mnist"], ['experiment="fashion-mnist"', "did you mean fashion_mnist?"]),
    (["experiment=../x"], ['experiment="../x"', EXPERIMENTS]),
    (["experiment="], ['experiment=""', EXPERIMENTS]),
    (["experiment={a: 1}"], ['experiment={"a": 1}', EXPERIMENTS]),
    # interpolations
    (["train.lr=${train.lr}"], ['train.lr="${train.lr}"', "Recursive"]),
    (["train.lr=${retrain.seed}"], ['train.lr="${retrain.seed}"', "not found"]),
    (["train.lr=${train.nope}"], ['train.lr="${train.nope}"', "not found"]),
    (["train.lr=${oc.env:SPROUT_NOT_SET}"], ['train.lr="${oc.env:SPROUT_NOT_SET}"', "SPROUT_NOT_SET is not set"]),
    (["train.lr=${nope:1}"], ['train.lr="${nope:1}"', "Unsupported interpolation"]),
    (["model.channels=[1,${train.nope}]"], ["model.channels[1]", "train.nope"]),
    (["train.lr='${oc.decode:\\'7\\'}'"], ["train.lr=", "${oc.decode:\\'7\\'}", "mismatched input"]),
    (["train.lr=???"], ["train.lr: is not set"]),
    (["retrain.epochs=${train.lr}"], ["retrain.epochs=0.002", "integer"]),
]


@pytest.mark.parametrize(("overrides", "said"), WRONG_OVERRIDES, ids=[str(o)[:40] for o, _ in WRONG_OVERRIDES])
def test_a_wrong_override_is_named(project: Path, compose_stage: Callable[[], str], overrides, said) -> None:
    params = {"experiment": "digits", "overrides": overrides}
    (project / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    line = compose_stage()
    assert [text for text in said if text not in line] == [], line


WRONG_PARAMS = [
    (None, ["params.yaml", "not found"]),
    (b"", ["params.yaml", "null", "experiment and overrides"]),
    (b"- digits\n", ["params.yaml", '["digits"]', "experiment and overrides"]),
    (b"digits\n", ["params.yaml", '"digits"', "experiment and overrides"]),
    (b"experiment: digits\n", ["params.yaml", '{"experiment": "digits"}', "experiment and overrides"]),
    (
        b"experiment: digits\noverrides: [train.seed=1]\ntrain: {lr: 0.01, schedule: {kind: step}}\n",
        [
            "params.yaml: train.lr=0.01, train.schedule.kind=step: no such key; accepted: experiment, overrides",
            "git checkout params.yaml",
            'dvc exp run -S \'overrides=["train.seed=1", "train.lr=0.01", "train.schedule.kind=step"]\'',
        ],
    ),
    (b"experiment: digits\noverides: []\n", ["params.yaml", '"overides": []', "experiment and overrides"]),
    (b"1: 2\n", ["params.yaml", "2", "experiment and overrides"]),
    (b"experiment: 3\noverrides: []\n", ["params.yaml", "experiment=3", "conf/experiment/"]),
    (b"experiment:\noverrides: []\n", ["params.yaml", "experiment=null", "conf/experiment/"]),
    (b"experiment: [digits]\noverrides: []\n", ["params.yaml", 'experiment=["digits"]', "conf/experiment/"]),
    (b"experiment: ''\noverrides: []\n", ['experiment=""', "digits, fashion_mnist"]),
    (b"experiment: ../x\noverrides: []\n", ['experiment="../x"', "digits, fashion_mnist"]),
    (b"experiment: digits\noverrides:\n", ["params.yaml", "overrides=null", "train.lr=0.01"]),
    (b"experiment: digits\noverrides: train.lr=1\n", ["params.yaml", 'overrides="train.lr=1"', "train.lr=0.01"]),
    (b"experiment: digits\noverrides: [5]\n", ["params.yaml", "overrides=[5]", "train.lr=0.01"]),
    (b"experiment: digits\noverrides: [train.lr: 1]\n", ["params.yaml", '[{"train.lr": 1}]', "train.lr=0.01"]),
    (b"experiment: digits\noverrides: [[]]\n", ["params.yaml", "overrides=[[]]", "train.lr=0.01"]),
    (b"experiment: [digits\noverrides: []\n", ["params.yaml", "not readable as YAML", "line 2"]),
    (b"experiment: digits\n\toverrides: []\n", ["params.yaml", "not readable as YAML", "line 2"]),
    (b"experiment: 2020-99-99\noverrides: []\n", ["params.yaml", "not readable as YAML", "month"]),
    (b"experiment: !!python/object:os.system x\n", ["params.yaml", "not readable as YAML", "constructor"]),
    (b"experiment: &a [*a]\noverrides: []\n", ["params.yaml", "experiment", "conf/experiment/"]),
    (b"\x89PNG\x00\xff\xfe", ["params.yaml", "not readable as YAML"]),
    (b"a\x00b", ["params.yaml", "not readable as YAML"]),
]


@pytest.mark.parametrize(("content", "said"), WRONG_PARAMS, ids=[str(content)[:40] for content, _ in WRONG_PARAMS])
def test_a_wrong_params_file_is_named(project: Path, compose_stage: Callable[[], str], content, said) -> None:
    (project / "params.yaml").unlink()
    if content is not None:
        (project / "params.yaml").write_bytes(content)
    line = compose_stage()
    assert [text for text in said if text not in line] == [], line


def test_a_folder_in_the_place_of_the_params_file(project: Path, compose_stage: Callable[[], str]) -> None:
    (project / "params.yaml").unlink()
    (project / "params.yaml").mkdir()
    assert "params.yaml: not readable" in compose_stage()


WRONG_CONF = [
    ("experiment/digits.yaml", "train: [1\n", ["experiment=digits", "digits.yaml", "line 2"]),
    ("experiment/digits.yaml", "\ttrain: 1\n", ["experiment=digits", "digits.yaml", "line 1"]),
    ("experiment/digits.yaml", "# @package _global_\n- 1\n", ["experiment=digits"]),
    ("experiment/digits.yaml", "train:\n  lr: 1\n", ['experiment={"train": {"lr": 1}}', "no such section"]),
    ("experiment/digits.yaml", "# @package _global_\ntrain:\n  lrr: 1\n", ["train.lrr=1", "did you mean lr?"]),
    (
        "experiment/digits.yaml",
        "# @package _global_\ntrain: 5\n",
        ["train=5", "not a section", "method"],
    ),
    ("experiment/digits.yaml", "# @package _global_\nmodel: 5\n", ["model=5", "not a section", MODEL_NAMES]),
    (
        "experiment/digits.yaml",
        "# @package _global_\ntrain: null\n",
        ["train=null", "not a section", "method"],
    ),
    ("experiment/digits.yaml", "# @package _global_\nsweeep: {}\n", ["sweeep={}", "no such section"]),
    (
        "experiment/digits.yaml",
        "# @package _global_\ndefaults:\n  - override /model: nope\n",
        ["experiment=digits", "model/nope"],
    ),
    (
        "experiment/digits.yaml",
        "# @package _global_\ndefaults:\n  - override /nope: x\n",
        ["experiment=digits", "nope"],
    ),
    (
        "experiment/digits.yaml",
        "# @package _global_\ntrain: {lr: 1, lr: 2}\n",
        ["experiment=digits", "duplicate key lr"],
    ),
    ("train/default.yaml", "epochs: 1\nepochs: 2\n", ["experiment=digits", "duplicate key epochs"]),
    ("model/cnn.yaml", "", ["model.name=null", MODEL_NAMES]),
    ("model/cnn.yaml", "name: cnn\n", ["model.channels", "missing", "conf/model/"]),
    ("report/default.yaml", "examples: many\n", ['report.examples="many"', "integer"]),
    ("report/default.yaml", "examples: !!binary aGk=\n", ["report={'examples': b'hi'}", "only strings, numbers"]),
    ("config.yaml", "defaults: [nope: x]\n", ["experiment=digits", "nope"]),
    ("retrain/consistency.yaml", "lr: ${train.lrr}\n", ['retrain.lr="${train.lrr}"', "not found"]),
]


@pytest.mark.parametrize(("name", "content", "said"), WRONG_CONF)
def test_a_wrong_file_of_conf_is_named(
    project: Path, compose_stage: Callable[[], str], name: str, content: str, said: list[str]
) -> None:
    (project / "conf" / name).write_text(content)
    line = compose_stage()
    assert [text for text in said if text not in line] == [], line


def test_a_broken_file_of_conf_is_not_blamed_on_an_override(project: Path, compose_stage: Callable[[], str]) -> None:
    (project / "params.yaml").write_text("experiment: digits\noverrides: [train.lr=0.1]\n")
    (project / "conf/experiment/digits.yaml").write_text("train: [1\n")
    assert compose_stage().startswith("experiment=digits: ")


def test_without_experiments_the_folder_is_named(project: Path, compose_stage: Callable[[], str]) -> None:
    os.rename("conf", "elsewhere")
    assert "conf/experiment: no experiments found" in compose_stage()


def test_the_stage_writes_what_read_build_reads(project: Path) -> None:
    (project / "params.yaml").write_text("experiment: digits\noverrides: [train.lr=0.25, model=mlp]\n")
    runpy.run_path(str(STAGE))["main"]()
    build, composed = read_build(), compose_config(CONF, "digits", ["train.lr=0.25", "model=mlp"])
    assert build.config == composed.config
    assert build.config_text == composed.text
    assert build.config["train"]["lr"] == 0.25
    assert build.config["model"]["name"] == "mlp"
    assert {path.name for path in (project / "build").iterdir()} == {"cluster.yaml", "config.yaml"}


ALIKE = [
    (["train.lr=0.1"], ["++train.lr=0.1"]),
    (["train.optimizer.args.momentum=0.9"], ["+train.optimizer.args.momentum=0.9"]),
    (["train.optimizer.args={momentum: 0.9}"], ["+train.optimizer.args={momentum: 0.9}"]),
    (["train={epochs: 3, lr: 0.1}"], ["train.epochs=3", "train.lr=0.1"]),
    (["model=mlp", "model=cnn"], []),
    (["model=cnn"], []),
    (["train.lr=0.2", "train.lr=0.1"], ["train.lr=0.1"]),
    (["experiment=fashion_mnist", "experiment=digits"], []),
    (["model.channels.1=9"], ["model.channels=[32,9]"]),
    (["train/transforms@augment.transforms=none", "augment.copies=0"], ["augment=none"]),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_overrides_that_say_the_same(project: Path, one, other) -> None:
    assert compose_config(CONF, "digits", one).config == compose_config(CONF, "digits", other).config


def test_overrides_change_what_they_name_and_nothing_else(project: Path) -> None:
    plain = compose_config(CONF, "cifar10", []).config
    changed = compose_config(CONF, "cifar10", ["pseudo_label.per_class=7"]).config
    assert changed.pop("pseudo_label") == plain.pop("pseudo_label") | {"per_class": 7}
    assert changed == plain


def test_a_key_can_be_taken_out_of_the_optimizers_arguments(project: Path) -> None:
    composed = compose_config(CONF, "digits", ["train/optimizer=sgd", "~train.optimizer.args.nesterov"])
    assert composed.config["train"]["optimizer"]["args"] == {"momentum": 0.9}


def student(*overrides: str) -> dict[str, Any]:
    """The section `retrain` of an experiment that sets nothing there."""
    found: dict[str, Any] = compose_config(CONF, "fashion_mnist", overrides).config["retrain"]
    return found


def test_a_student_trains_as_its_teacher_but_for_what_is_said(project: Path) -> None:
    teacher = compose_config(CONF, "fashion_mnist", ["train.lr=0.25"]).config["train"]
    assert student("train.lr=0.25") == teacher
    changed = student("train.lr=0.25", "retrain.optimizer.weight_decay=0.5", "retrain.ema=0.9")
    assert changed == teacher | {"ema": 0.9, "optimizer": teacher["optimizer"] | {"weight_decay": 0.5}}


def test_a_student_may_have_a_method_of_its_own(project: Path) -> None:
    """Another kind brings its own keys; none of the teacher's is left."""
    given = ["train/method=consistency", "train.ema=0.9", "+train/method@retrain.method=supervised"]
    assert student(*given, "retrain.method.policy=weak")["method"] == {"kind": "supervised", "policy": "weak"}
    found = student("train/task=classify", "+train/task@retrain.task=regress")
    assert found["task"] == {"kind": "regress", "loss": "mse"} | found["task"]
    assert "label_smoothing" not in found["task"]


BY_SCIKIT_LEARN = ["experiment=baseline_forest"]
HAVE_TO_BE_GIVEN = {
    "train/method=consistency": ["train.ema=0.99"],
    "download=archive": ["download.urls=[a.zip]"],
    "download=s3": ["download.url=s3://bucket/archives"],
    "download=target": ["download.target=package.Class"],
    "download=fer2013": ["download.mirror=folder"],
    "experiment=fer2013": ["download.mirror=folder"],
    "experiment=transfer": ["pretrained.source=folder"],
    "pretrained=weights": ["pretrained.source=folder"],
    # With these comes what else has to fit.
    "model=autoencoder": ["train/task=denoise"],
    "model=forest": BY_SCIKIT_LEARN,
    "model=kmeans": BY_SCIKIT_LEARN,
    "model=logistic": BY_SCIKIT_LEARN,
    "train=scikit_learn": BY_SCIKIT_LEARN,
    "train/method=contrastive": ["train/task=cluster", "train/transforms=shifts"],
    "train/task=cluster": ["train/method=contrastive", "train/transforms=shifts"],
    "train/task=denoise": ["model=autoencoder"],
}


def test_every_file_of_conf_composes(project: Path) -> None:
    seen = {"config"}
    for folder in sorted(path for path in CONF.rglob("*") if path.is_dir()):
        group = folder.relative_to(CONF).as_posix()
        for name in choices(CONF, group):
            choice = f"{group}={name}"
            composed = compose_config(CONF, "digits", [choice, *HAVE_TO_BE_GIVEN.get(choice, [])])
            assert f"{group}/{name}" in [file for file, _ in merged_files(CONF, composed.lines)]
            seen.add(f"{group}/{name}")
    assert seen == {path.relative_to(CONF).with_suffix("").as_posix() for path in CONF.rglob("*.*")}


def test_each_experiment_composes_alone(project: Path) -> None:
    names = experiments(CONF)
    assert "digits" in names
    for name in names:
        assert compose_config(CONF, name, HAVE_TO_BE_GIVEN.get(f"experiment={name}", [])).config["experiment"] == name


def test_an_experiment_as_it_stands_leaves_open_what_its_user_has_to_say(project: Path) -> None:
    composed = compose_config(CONF, "digits", [])
    assert compose_open(CONF, "digits") | {"experiment": "digits"} == composed.whole
    assert compose_open(CONF, "fer2013")["download"]["mirror"] == "???"
    for name, key in (("fer2013", "download.mirror"), ("transfer", "pretrained.source")):
        with pytest.raises(UserError, match=rf"^{key}: is not set"):
            compose_config(CONF, name, [])


def test_composing_twice_gives_the_same_text(project: Path) -> None:
    once = compose_config(CONF, "digits", []).text
    with (project / "conf/config.yaml").open("a") as file:
        file.write("# A remark, for which Hydra composes anew.\n")
    assert compose_config(CONF, "digits", []).text == once


def test_a_user_error_is_raised_for_who_calls_it(project: Path) -> None:
    with pytest.raises(UserError, match=r"^train\.lr=-1: should be greater than 0$"):
        compose_config(CONF, "digits", ["train.lr=-1"])


def test_copies_that_would_equal_their_originals_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"^augment\.copies=2 without a transform: .*augment=shifted, or set copies to 0"
    ):
        compose_config(CONF, "digits", ["augment=none", "augment.copies=2"])
