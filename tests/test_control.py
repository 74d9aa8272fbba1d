"""The stages `control` and `retrain` in one process: candidates, the best policy, and what is handed on."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade import card
from sprout.config.control import Control
from sprout.config.model import Mlp
from sprout.config.results import Tracking
from sprout.config.train import GradientDescent
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.foreign import Comparison, Foreign
from sprout.data.store import label_table
from sprout.data.store_writer import write_store
from sprout.engine.tracked import TrainingSections
from sprout.methods import Supervised
from sprout.runtime.candidates import Candidate, release_taken
from sprout.runtime.files import read_json, write_json, write_rows
from sprout.runtime.model_folder import own_models
from sprout.selftraining import control as control_module
from sprout.selftraining import student as student_module
from sprout.selftraining.control import (
    best_value,
    control_settings,
    is_trained,
    make_control,
    nothing_to_learn,
    policies_for,
    why_untrained,
)
from sprout.selftraining.pool_figures import PoolFigures
from sprout.selftraining.student import make_student
from sprout.tasks.class_outcomes import OUTCOME
from trainings import CONSISTENCY, STILL, config_of, examples

BUILD = Build("", {})
MODEL = Mlp("mlp", (3,), False, "relu", 0.0)


def sections(**changes: Any) -> TrainingSections:
    training = config_of(**{"method": CONSISTENCY, "ema": 0.9, "steps_per_epoch": 7, "start": "teacher"} | changes)
    return TrainingSections(training, MODEL, Tracking(log_model=True))


def test_the_control_takes_the_students_steps_by_supervised_training() -> None:
    training = sections().training
    assert isinstance(training, GradientDescent)
    found = control_settings(training, "strong", 7)
    assert found.method == Supervised.by("strong")
    assert replace(found, method=training.method) == training


@pytest.mark.parametrize(
    ("train", "method", "pseudo", "pool", "why"),
    [
        (True, CONSISTENCY, 0, 5, None),
        (True, {"kind": "supervised", "policy": "weak"}, 3, 5, None),
        (True, {"kind": "supervised", "policy": "weak"}, 0, 5, "there are no pseudo-labels"),
        (True, CONSISTENCY, 0, 0, "there are no unlabelled examples"),
        (False, CONSISTENCY, 0, 5, "control.train is false"),
    ],
)
def test_why_there_is_no_control(train: bool, method: dict[str, Any], pseudo: int, pool: int, why: str | None) -> None:
    given = sections(method=method)
    assert why_untrained(given, Control(train, ("weak",)), pseudo, pool, Foreign()) == why
    if train:
        assert nothing_to_learn(given, pseudo, pool, Foreign()) == why


def test_a_pool_that_is_left_out_as_a_whole_teaches_nothing() -> None:
    given, compared = sections(method=CONSISTENCY), Comparison(3, 9, "val examples", 0.0, 0.5, 1.0, 0.1, 3)
    why = nothing_to_learn(given, 0, 3, Foreign.of({None: np.arange(3)}, compared))
    assert why is not None
    assert why.startswith("all unlabelled examples look unlike the labels (pseudo_label.foreign=keep")
    assert nothing_to_learn(given, 0, 4, Foreign.of({None: np.arange(3)}, compared)) is None


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def candidates(monkeypatch: pytest.MonkeyPatch, module: Any, values: dict[str, float]) -> list[TrainingSections]:
    """In place of trainings: model folders with these values of the monitored metric, by the name of the run."""
    asked: list[TrainingSections] = []

    def train(
        examples: Examples, given: TrainingSections, build: Build, *, role: str, name: str, **_: Foreign
    ) -> Candidate:
        asked.append(given)
        folder = Path("build/candidates") / role / name
        folder.mkdir(parents=True)
        metric = "val_loss"
        rows = [{"epoch": 1, metric: values[name] + 1}, {"epoch": 2, metric: values[name]}]
        write_rows(folder / "history.csv", ["epoch", metric], rows)
        write_json(folder / "metrics.json", {"best_epoch": 2})
        (folder / "model.safetensors").write_text(name)
        return Candidate(folder, ())

    monkeypatch.setattr(module, "train_candidate", train)
    return asked


def test_the_control_with_the_best_policy_on_val_is_kept(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = candidates(monkeypatch, control_module, {"control weak": 0.5, "control strong": 0.3})
    (workspace / "build/candidates/control/of another build").mkdir(parents=True)
    labelled = examples(workspace / "train", 0, 20)
    of_student = sections(strong=STILL | {"erase": 0.3})
    make_control(workspace / "control", labelled, 0, of_student, Control(True, ("weak", "strong", "weak")), BUILD)
    assert [each.training.method for each in asked] == [Supervised.by("weak"), Supervised.by("strong")]  # type: ignore[union-attr]
    assert (workspace / "control/model.safetensors").read_text() == "control strong"
    record = {"policy": "strong", "val_loss": {"weak": 0.5, "strong": 0.3}}
    assert read_json(workspace / "control/control.json") == record
    assert not is_trained(workspace / "control")
    (workspace / "control/model.json").touch()
    assert is_trained(workspace / "control")
    left = [path.name for path in (workspace / "build/candidates/control").iterdir()]
    assert sorted(left) == sorted(
        ["of another build", *(f"control {policy}{end}" for policy in ("weak", "strong") for end in ("", ".users"))]
    )
    release_taken("control")
    assert len(list((workspace / "build/candidates/control").iterdir())) == 5, "kept until DVC has taken the stage"
    release_taken("retrain")
    left = [path.name for path in (workspace / "build/candidates/control").iterdir()]
    assert left == ["of another build"], "only what it has made itself is removed"
    assert not any(each.tracking.log_model for each in asked)
    assert best_value(workspace / "control", "val_loss") == 0.3


@pytest.mark.parametrize(("student", "kept"), [([1, 1, 0], "student"), ([1, 0, 0], "control")])
def test_the_better_one_on_val_is_handed_on(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    student: list[int],
    kept: str,
) -> None:
    candidates(monkeypatch, student_module, {"student": 0.4})
    (workspace / "control").mkdir()
    (workspace / "control/model.safetensors").write_text("control")
    write_json(workspace / "control/metrics.json", {"best_epoch": 1})
    right = {"student": student, "control": [1, 1, 0]}
    monkeypatch.setattr(student_module, "right", lambda model: np.array(right[model.name], bool))
    figures = PoolFigures(["a", "b"], 100, 0.1, 40, [0.5, 0.5], [0.5, 0.5], 3, "val examples", 0.9, 0.9, 0.1)
    monkeypatch.setattr(student_module, "pool_figures", lambda *_: figures)
    monkeypatch.setattr(student_module, "judged_outcomes", lambda model: (np.zeros(2, OUTCOME), np.arange(2)))
    cards: list[Any] = []
    monkeypatch.setattr(student_module, "load_card", lambda model: card("classify", (2, 2, 1)))
    monkeypatch.setattr(student_module, "write_card", lambda folder, written: cards.append(written))
    out, rival = workspace / "student", ("control", workspace / "control")
    make_student(out, Examples([]), sections(), BUILD, [], Foreign(), rival)  # type: ignore[arg-type]
    assert (out / "model.safetensors").read_text() == kept
    assert read_json(out / "gate.json")["kept"] == kept
    (out / "model.json").touch()
    own = own_models(workspace)["student"]
    assert (own / "model.safetensors").read_text() == "student", "it is measured, whichever is handed on"
    assert (own == out) == (kept == "student")
    assert read_json(out / "metrics.json") == (
        {"best_epoch": 2} if own == out else {"handed_on": kept, "best_epoch": 1}
    )
    assert read_json(out / "pool.json") == asdict(figures)
    assert "only 10% of the student's predictions" in capsys.readouterr().err
    assert [(each.role, each.kept) for each in cards] == [("student", None if kept == "student" else kept)]
    assert sorted(path.name for path in (workspace / "build/candidates/student").iterdir()) == [
        "student",
        "student.users",
    ]
    release_taken("evaluate")
    assert list((workspace / "build/candidates/student").iterdir()) == []


def test_a_control_has_transforms_for_its_examples(tmp_path: Path) -> None:
    control = Control(True, ("weak", "transforms", "weak", "strong"))
    dropout = config_of(transforms=STILL, weak=STILL | {"shift": 0.1}, strong=STILL | {"drop": 0.3})
    still = config_of(transforms=STILL, weak=STILL, strong=STILL | {"erase": 0.3})
    rows = np.arange(4)
    labels = label_table(rows, rows % 2, source="given", group=rows, origin=[""] * 4)
    write_store(tmp_path / "table", np.zeros((4, 5), np.float32), labels)
    table = Examples.open(str(tmp_path / "table"))
    assert policies_for(table, control, dropout) == ["transforms", "strong"]
    assert policies_for(table, Control(True, ("strong",)), still) == ["transforms"]
    images = examples(tmp_path / "images", 0, 4)
    assert policies_for(images, control, still) == ["weak", "strong"]
    assert policies_for(images, control, dropout) == ["weak", "transforms"]
