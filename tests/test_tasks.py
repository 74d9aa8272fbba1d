"""The registries of tasks and methods, and what every task has."""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml

from handmade import card
from sprout.config.train import TRAININGS, Fitting, GradientDescent
from sprout.data.dataset import TARGETS, Examples
from sprout.data.description import Description
from sprout.methods import ScikitLearn, StepMethod
from sprout.runtime.errors import UserError
from sprout.tasks import TASKS, AnyTask, task_named
from sprout.tasks.base import Task, wrong_target
from sprout.tasks.confusion import write_confusion

CONF = Path(__file__).parents[1] / "conf" / "train"
EVERY = list(TASKS.values())


def kinds(folder: str) -> set[str]:
    """What the files of a Hydra group set as `kind`."""
    return {yaml.safe_load(path.read_text())["kind"] for path in (CONF / folder).glob("*.yaml")}


def test_every_task_is_registered_and_can_be_chosen() -> None:
    assert set(get_args(AnyTask)) == set(EVERY)
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}
    assert kinds("task") == set(TASKS)
    assert {get_args(task.__annotations__["kind"])[0] for task in EVERY} == set(TASKS)


def test_every_method_is_registered_and_can_be_chosen() -> None:
    methods = get_args(StepMethod)
    assert kinds("method") == {method.name for method in methods}
    assert {ScikitLearn.name: Fitting} | {method.name: GradientDescent for method in methods} == TRAININGS


def test_a_task_by_its_name() -> None:
    assert all(task_named(task.name) is task for task in EVERY)
    with pytest.raises(UserError, match=rf"^task=dream: .*{', '.join(TASKS)}"):
        task_named("dream")


@pytest.mark.parametrize("task", EVERY)
def test_every_task_says_how_it_is_shown(task: type[Task]) -> None:
    assert task.column in (None, *TARGETS)
    assert task.target in (None, "class", "number")
    assert {score.format for score in task.scores} <= {"share", "decimal", "compact", "count"}
    assert len({score.key for score in task.scores}) == len(task.scores) > 0
    columns = [column for column, _, _ in task.curves]
    assert columns == ["loss", *([task.epoch_metric] if task.epoch_metric else [])]
    dtype, (number, *_) = task.signature([8, 8, 1], ["a", "b"])
    assert (number, dtype in ("float32", "float64", "int64")) == (-1, True)


class Minimal(Task):
    """A task with nothing but what it must have."""

    name = "minimal"
    scores = ()
    mlflow_type = "minimal"
    criterion = predictions = metrics = summary = write_evaluation = signature = page = lambda *_: None  # type: ignore


def test_what_a_new_task_need_not_say(make_store: Any, tmp_path: Path) -> None:
    task, said, train = Minimal(), card("classify", (8, 8, 1)), Examples.of(make_store(3))
    task.check("train", train)
    task.check_data(tmp_path, Description(None, [], [0.5], [0.5], None, None, None), "train")
    task.check_labels(tmp_path, [], train)
    task.write_details(tmp_path, torch.nn.Identity(), said, train.targets, train)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert task.calibrated(said, train.targets, train) is said
    assert (task.outputs(7), task.describe_outputs(7)) == (7, "7 classes")
    assert (task.target_scale(train.targets, "standard"), task.input_noise) == (None, None)
    assert task.printed_columns(3) == []
    with pytest.raises(NotImplementedError, match="minimal"):
        task.printed_prediction(None, [], 3)


def test_a_wrong_target_names_data_and_remedy() -> None:
    error = wrong_target(Path("data"), "a class", "train", "a number", "choose other data")
    assert isinstance(error, UserError)
    assert all(part in str(error) for part in ("data:", "a class", "train", "a number", "choose other data"))


def test_confusions_are_a_row_for_each_example(tmp_path: Path) -> None:
    write_confusion(tmp_path, ["a", "b"], ["a", "a"])
    assert (tmp_path / "confusion.csv").read_text() == "actual,predicted\na,a\nb,a\n"
