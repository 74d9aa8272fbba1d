"""The origin of each value, verified by changing it there and composing with Hydra."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from sprout.config.compose import Composed, compose_config, experiments
from sprout.config.origin import Origin, origins
from sprout.config.tree import MISSING, leaves, lookup

CONF = Path("conf")


def of(composed: Composed, given: Sequence[str] = (), params: Sequence[str] = ()) -> dict[str, Origin]:
    given_in = dict.fromkeys(params, "params.yaml") | dict.fromkeys(given, "override")
    return {origin.key: origin for origin in origins(CONF, composed, given_in)}


def marked(tree: Any, mark: str) -> Any:
    """The tree with every value but its defaults list replaced by a text."""
    if isinstance(tree, dict) and tree:
        return {key: inner if key == "defaults" else marked(inner, mark) for key, inner in tree.items()}
    return mark


def mark_files() -> None:
    """Replace every value in `conf/` by the name of the file that it stands in."""
    for path in CONF.rglob("*.yaml"):
        text = path.read_text()
        head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("# @package"))
        values = {
            key: marked(inner, str(path)) for key, inner in (yaml.safe_load(text) or {}).items() if key != "defaults"
        }
        defaults = {key: inner for key, inner in (yaml.safe_load(text) or {}).items() if key == "defaults"}
        path.write_text(head + yaml.safe_dump(defaults | values, sort_keys=False))


def marks(experiment: str, overrides: Sequence[str]) -> dict[str, str]:
    """What Hydra alone composes from the marked files."""
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        tree = compose("config", [f"experiment={experiment}", *overrides])
    return dict(leaves(OmegaConf.to_container(tree, resolve=False)))


def check_against_marks(experiment: str, choices: Sequence[str]) -> None:
    found = of(compose_config(CONF, experiment, choices), choices)
    mark_files()
    truth = marks(experiment, choices)
    for key, origin in found.items():
        if key == "experiment":
            continue
        file, _, teacher = origin.source.partition(", as ")
        key = teacher or key
        assert not teacher or key == origin.key.removeprefix("re")
        # What an interpolated section holds is marked at the interpolation itself.
        marked_key = next(k for k in truth if key == k or key.startswith(f"{k}."))
        assert (key, file) == (key, truth[marked_key])


@pytest.mark.parametrize("experiment", experiments(Path(__file__).parents[1] / "conf"))
def test_every_file_is_the_one_that_decides(project: Path, experiment: str) -> None:
    for name in ("download/fer2013", "pretrained/weights"):  # their user has to say where the files are
        path = CONF / f"{name}.yaml"
        path.write_text(path.read_text().replace("???", "folder"))
    check_against_marks(experiment, [])


@pytest.mark.parametrize(
    "choices",
    [
        ["model=mlp", "train/optimizer=sgd", "train/schedule=cosine"],
        ["augment=none", "train/transforms=shifts", "download=fashion_mnist"],
        ["augment=none", "train/transforms@augment.transforms=shifts", "model=cnn_3x12"],
    ],
)
def test_every_chosen_file_is_the_one_that_decides(project: Path, choices: list[str]) -> None:
    check_against_marks("digits", choices)


def test_own_files_are_followed_as_hydra_follows_them(project: Path) -> None:
    """A file that stands before its defaults, an experiment on top of another, a value in `config.yaml`."""
    (CONF / "train/default.yaml").write_text(
        (CONF / "train/default.yaml").read_text().replace("defaults:\n", "defaults:\n  - _self_\n")
        + "optimizer:\n  weight_decay: 0.5\nschedule:\n  warmup: 0.5\n"
    )
    (CONF / "experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - fashion_mnist\n  - override /model: mlp\ntrain:\n  lr: 0.5\n"
    )
    (CONF / "config.yaml").write_text((CONF / "config.yaml").read_text() + "report:\n  examples: 3\n")
    found = of(compose_config(CONF, "mine", []))
    assert found["train.optimizer.weight_decay"].source == "conf/train/optimizer/adam.yaml"
    assert found["train.optimizer.weight_decay"].value == 0.0
    assert found["train.epochs"].source == "conf/experiment/fashion_mnist.yaml"
    assert found["train.lr"].source == "conf/experiment/mine.yaml"
    assert found["model.name"].source == "conf/model/mlp.yaml"
    assert found["report.examples"].source == "conf/config.yaml"
    check_against_marks("mine", [])


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.lr=0.5", "train.lr", 0.5),
        ("++train.lr=0.5", "train.lr", 0.5),
        ("train={lr: 0.5}", "train.lr", 0.5),
        ("train.optimizer={weight_decay: 0.5}", "train.optimizer.weight_decay", 0.5),
        ("+train.optimizer.args={a: {b: 1}}", "train.optimizer.args.a.b", 1),
        ("train.optimizer.args.a=1", "train.optimizer.args.a", 1),
        ("model.channels=[4,5]", "model.channels", [4, 5]),
        ("model.channels.1=5", "model.channels", [32, 5]),
        ("pretrained.source='a b=c'", "pretrained.source", "a b=c"),
        ("experiment=fashion_mnist", "experiment", "fashion_mnist"),
    ],
)
def test_an_override_is_named_for_what_it_sets_alone(project: Path, override: str, key: str, value: Any) -> None:
    plain, found = (of(compose_config(CONF, "cifar10", given), given) for given in ([], [override]))
    assert found[key].value == value
    said = {key for key, origin in found.items() if origin.source.startswith("override")}
    student = {f"re{key}"} if key.startswith("train.") else set()
    assert said == {key, *student}
    assert found[key].source == f"override: {override}"
    assert all(found[each].source == f"override: {override}, as {key}" for each in student)
    if key != "experiment":
        same = set(found) & set(plain) - said - {"train.optimizer.args", "retrain.optimizer.args"}
        assert {key: found[key].source for key in same} == {key: plain[key].source for key in same}


def test_the_last_override_counts(project: Path) -> None:
    params, given = ["train.lr=0.1", "train.epochs=3"], ["train.lr=0.2"]
    found = of(compose_config(CONF, "digits", [*params, *given]), given, params)
    assert (found["train.lr"].value, found["train.lr"].source) == (0.2, "override: train.lr=0.2")
    assert (found["train.epochs"].value, found["train.epochs"].source) == (3, "params.yaml: train.epochs=3")


def test_a_choice_after_a_value_leaves_the_value(project: Path) -> None:
    given = ["train.optimizer.weight_decay=0.5", "train/optimizer=sgd"]
    found = of(compose_config(CONF, "digits", given), given)
    assert found["train.optimizer.weight_decay"].value == 0.5
    assert found["train.optimizer.weight_decay"].source == "override: train.optimizer.weight_decay=0.5"
    assert found["train.optimizer.name"].source == "conf/train/optimizer/sgd.yaml"


def test_a_student_says_where_its_teachers_values_come_from(project: Path) -> None:
    given = ["train/optimizer=sgd", "train.epochs=3", "retrain.lr=0.5"]
    found = of(compose_config(CONF, "fashion_mnist", given), given)
    assert found["retrain.lr"].source == "override: retrain.lr=0.5"
    assert found["retrain.epochs"].source == "override: train.epochs=3, as train.epochs"
    momentum = found["retrain.optimizer.args.momentum"]
    assert momentum.value == 0.9
    assert momentum.source == "conf/train/optimizer/sgd.yaml, as train.optimizer.args.momentum"


def test_an_interpolation_is_shown_with_the_place_that_wrote_it(project: Path) -> None:
    given = ["train.epochs=${augment.copies}"]
    found = of(compose_config(CONF, "digits", given), given)
    assert (found["train.epochs"].value, found["train.epochs"].source.split(": ")[0]) == (4, "override")
    assert found["train.epochs"].source.endswith(" ${augment.copies}")


def test_every_value_of_the_config_is_there_once_and_in_its_order(project: Path) -> None:
    composed = compose_config(CONF, "digits", [])
    found = of(composed)
    assert [(key, origin.value) for key, origin in found.items()] == list(leaves(composed.whole))
    assert found["experiment"].source == "params.yaml"


def test_lookup_and_leaves_on_nested_dictionaries() -> None:
    tree = {"a": {"b": 1, "c": {}}, "d": "${a}", "e": [1]}
    assert dict(leaves(tree)) == {"a.b": 1, "a.c": {}, "d": "${a}", "e": [1]}
    assert lookup(tree, "") is tree
    assert lookup(tree, "a.b") == 1
    assert lookup(tree, "a.b.x") is MISSING
    assert lookup(tree, "a.x") is MISSING
    assert lookup(tree, "d.b") == "${a}"
