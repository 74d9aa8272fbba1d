"""The list of experiments."""

from pathlib import Path

import pytest

from sprout.config.catalogue import catalogue, describe_model, read_head
from sprout.config.compose import experiments
from sprout.runtime.errors import UserError

CONF = Path("conf")
HEAD = """\
# @package _global_
# Ten clothes, few labels: what pseudo-labels add.
#
# command: dvc exp run -S experiment=mine
# result:  test accuracy 0.9
#          (3 seeds)
# time: 4 minutes on 2 cores
#
# note: free text
# goes on here, and: this is no key
train:
  # result: not of the head
  lr: 0.5
"""


def test_every_experiment_is_listed_with_what_it_builds(project: Path) -> None:
    (CONF / "experiment/mine.yaml").write_text(HEAD + "  epochs: 3\nprepare:\n  labels: 70\n")
    entries = {entry.name: entry for entry in catalogue(CONF)}
    assert list(entries) == experiments(CONF)
    mine = entries["mine"]
    assert (mine.data, mine.labels, mine.model) == ("digits", "70", "cnn 32-64-128")
    assert (mine.result, mine.time) == ("test accuracy 0.9 (3 seeds)", "4 minutes on 2 cores")
    few, full = entries["fashion_mnist_few"], entries["fashion_mnist"]
    assert (few.data, few.labels, few.model) == ("FashionMNIST", "1000", "resnet 24-48-96")
    photos = entries["cifar10_few"]
    assert (photos.data, photos.labels, photos.model) == ("CIFAR10", "4000", "resnet 32-64-128")
    assert (full.data, full.labels, full.model) == ("FashionMNIST", "all", "cnn 12-12-12-100")


def test_the_head_ends_with_the_comments(project: Path) -> None:
    (CONF / "experiment/mine.yaml").write_text(HEAD)
    assert read_head(CONF / "experiment/mine.yaml") == {
        "command": "dvc exp run -S experiment=mine",
        "result": "test accuracy 0.9 (3 seeds)",
        "time": "4 minutes on 2 cores",
        "note": "free text",
    }


def test_a_file_without_a_head_was_not_measured(project: Path) -> None:
    (CONF / "experiment/mine.yaml").write_text("# @package _global_\ntrain:\n  lr: 0.5\n")
    mine = next(entry for entry in catalogue(CONF) if entry.name == "mine")
    assert (mine.result, mine.time) == ("not measured", "not measured")


def test_a_wrong_experiment_is_named(project: Path) -> None:
    (CONF / "experiment/mine.yaml").write_text("# @package _global_\ntrain:\n  lr: -1\n")
    with pytest.raises(UserError, match=r"^train\.lr=-1: "):
        list(catalogue(CONF))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"name": "cnn", "channels": [3, 4], "hidden": [5]}, "cnn 3-4-5"),
        ({"name": "mlp", "hidden": [7, 8]}, "mlp 7-8"),
        ({"name": "mlp", "hidden": []}, "mlp"),
        ({"name": "target", "target": "mine.Net", "args": {}}, "mine.Net"),
    ],
)
def test_a_model_in_a_few_words(model: dict[str, object], words: str) -> None:
    assert describe_model(model) == words
