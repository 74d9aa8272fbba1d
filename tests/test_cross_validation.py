"""Cross-validation in place of a validation split: folds, what each model has not seen, and what is measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Ended
from handmade import card
from sprout.config.compose import compose_config
from sprout.config.model import Mlp
from sprout.config.results import Tracking
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.description import write_description
from sprout.data.prepare.folds import assign_folds
from sprout.data.store import label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine import plan, tracked
from sprout.engine.plan import out_of_fold
from sprout.engine.tracked import TrainingSections, plan_final, train_tracked
from sprout.models.predictor import load_predictor
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, write_json
from trainings import config_of

FOLDS, EACH, CLASSES = 3, 6, 3
N = EACH * CLASSES


# The folds.


def test_folds_are_stratified_and_of_equal_size() -> None:
    rows, strata = np.arange(10, 70), np.arange(100) % 4
    found = assign_folds(rows, strata, np.arange(100), 5, seed=0)
    assert np.bincount(found).tolist() == [12] * 5
    assert all(np.bincount(strata[rows[found == fold]]).tolist() == [3] * 4 for fold in range(5))


def test_a_group_is_in_one_fold() -> None:
    groups = np.arange(60) // 3
    found = assign_folds(np.arange(60), np.zeros(60, np.int64), groups, 4, seed=1)
    assert all(len(set(found[groups == group])) == 1 for group in range(20))
    assert sorted(np.bincount(found)) == [15] * 4


def test_a_class_of_one_example_is_in_one_fold() -> None:
    strata = np.array([0] * 9 + [1])
    found = assign_folds(np.arange(10), strata, np.arange(10), 5, seed=0)
    assert np.bincount(found).tolist() == [2] * 5


def test_the_seed_decides_the_folds() -> None:
    one, again, other = (assign_folds(np.arange(40), np.arange(40) % 2, np.arange(40), 4, s) for s in (3, 3, 4))
    assert one.tolist() == again.tolist() != other.tolist()


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(UserError, match=r"^prepare\.folds=3: the 10 labelled examples are in 2 groups.* take fewer"):
        assign_folds(np.arange(10), np.zeros(10, np.int64), np.arange(10) // 5, 3, seed=0)


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(UserError, match=r"^prepare\.folds=2: 2 labelled examples are too few; label 4 or more"):
        assign_folds(np.arange(2), np.arange(2), np.arange(2), 2, seed=0)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["prepare.folds=5"], r"prepare\.folds=5 with val=200: .* set prepare\.val=null|folds=5 with val=200"),
        (["prepare.folds=1", "prepare.val=null"], r"^prepare\.folds=1"),
        (["prepare.folds=5", "prepare.val=null", "train.patience=3"], r"^train\.patience=3 with prepare\.folds=5"),
        (["prepare.folds=5", "prepare.val=null", "retrain.devices=2"], r"^retrain\.devices=2 with prepare\.folds=5"),
        (["prepare.folds=5", "prepare.val=null", "train.devices=auto"], r"^train\.devices=auto with prepare\.folds=5"),
        (
            [
                "prepare.folds=5",
                "prepare.val=null",
                "retrain=default",
                "~retrain.steps_per_epoch",
                "pseudo_label=default",
            ],
            r"^prepare\.folds=5 with pseudo_label\.method=threshold: .* retrain=consistency",
        ),
    ],
)
def test_settings_that_need_a_validation_split_are_refused(project: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        compose_config(Path("conf"), "digits", overrides)
    assert "\n" not in str(refused.value)


def test_a_sweep_needs_a_validation_split(project: Path, sprout: Callable[..., Ended]) -> None:
    Path("params.yaml").write_text("experiment: digits\noverrides: [prepare.folds=5, prepare.val=null]\n")
    done = sprout("sweep", "sweep.trials=3")
    assert done.code == 2
    command = """dvc exp run -S 'overrides=["prepare.folds=null", "prepare.val=0.2"]' augment pretrained"""
    assert f"to draw one: {command} (" in done.err, "without the settings of the sweep"
    assert done.err.startswith("error: prepare.folds=5: a sweep compares trials on a validation split; to draw one")


# A part of a store, and examples without a fold.


def make_labels(folder: Path) -> None:
    """Images with a bright column that tells their class, in `FOLDS` folds."""
    rows, labels = np.arange(N), np.arange(N) % CLASSES
    images = np.random.default_rng(0).integers(0, 60, (N, 6, 6, 1), np.uint8)
    images[rows, :, labels * 2] += 150
    table = label_table(
        rows, labels, source="given", group=rows, origin=[f"x:{row}" for row in rows], fold=(rows // CLASSES) % FOLDS
    )
    write_store(folder, images, table)


def test_a_part_of_a_store_is_a_store(tmp_path: Path) -> None:
    make_labels(tmp_path)
    whole, rows = open_store(tmp_path), np.array([4, 2, 11])
    part = whole.part(rows)
    np.testing.assert_array_equal(part.take(np.arange(3)), whole.take(rows))
    assert part.labels["row"].to_pylist() == [0, 1, 2]
    assert part.labels["origin"].to_pylist() == ["x:4", "x:2", "x:11"]
    assert part.columns("label")["label"].to_pylist() == [1, 2, 2]
    assert len({whole.checksum, part.checksum, whole.part(rows[::-1]).checksum}) == 3


def test_examples_without_a_fold(tmp_path: Path) -> None:
    """What is in no fold, such as another store's examples, stays."""
    make_labels(tmp_path / "train")
    none = label_table(np.arange(2), [0, 1], source="given", group=np.arange(2), origin=["", ""])
    write_store(tmp_path / "other", np.zeros((2, 6, 6, 1), np.uint8), none)
    found = Examples.open(str(tmp_path / "train"), str(tmp_path / "other")).without_fold(1).with_target("label")
    of_train = found.rows[found.store_of == 0]
    assert of_train.tolist() == [row for row in range(N) if (row // CLASSES) % FOLDS != 1]
    assert int((found.store_of == 1).sum()) == 2


# Trainings.


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepared data with folds, and nothing of MLflow."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    make_labels(Path("data/prepared/train"))
    figures = {"mean": [0.3], "std": [0.2], "min": None, "max": None, "features": None, "target": "class"}
    write_description(
        Path("data/prepared"), ["a", "b", "c"], {**figures, "folds": FOLDS, "levels": None, "page": 0, "columns": None}
    )
    Path("data/pretrained").mkdir()
    write_json(Path("data/pretrained/pretrained.json"), None)
    return tmp_path


BUILD = Build("", {"experiment": "x"})


def sections(**changes: Any) -> TrainingSections:
    training = config_of(**{"epochs": 12, "batch_size": 4, "lr": 0.02, "ema": 0.5} | changes)
    return TrainingSections(training, Mlp("mlp", (8,), False, "relu", 0.0), Tracking(log_model=False))


def labelled() -> Examples:
    return Examples.open("data/prepared/train")


def test_each_label_is_predicted_by_the_model_without_its_fold(workspace: Path) -> None:
    train_tracked(Path("models/teacher"), labelled(), sections(), BUILD, role="teacher")
    found, store = np.load("models/teacher/out_of_fold.npy"), open_store(Path("data/prepared/train"))
    folds = store.columns("fold")["fold"].to_numpy()
    for fold in range(FOLDS):
        model, rows = load_predictor(Path(f"models/teacher/folds/{fold}")), np.flatnonzero(folds == fold)
        np.testing.assert_array_equal(found[rows], model.outputs(store.take(rows)))
    final = load_predictor(Path("models/teacher"))
    assert not np.allclose(final.outputs(store.take(np.arange(N))), found)
    wrong = int((found.argmax(1) != np.arange(N) % CLASSES).sum())
    metrics = read_json(Path("models/teacher/metrics.json"))
    assert metrics["val"]["error_rate"] == pytest.approx(wrong / N)
    assert (metrics["epochs"], metrics["best_epoch"]) == (12, 12), "without a validation split the last epoch is kept"
    assert list(Path("build/candidates/fold").iterdir()) == []


def test_the_history_has_no_validation(workspace: Path) -> None:
    train_tracked(Path("model"), labelled(), sections(epochs=2), BUILD, role="teacher")
    assert Path("model/history.csv").read_text().splitlines()[0] == "epoch,lr,train_loss,train_accuracy"


def test_a_fold_that_is_done_is_not_trained_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the final training: the folds are there, and only the final one runs."""
    names: list[str | None] = []
    real = tracked.train_planned

    def train(*given: Any, role: str, name: str | None = None, **further: Any) -> None:
        names.append(name)
        if name is None:
            raise KeyboardInterrupt
        real(*given, role=role, name=name, **further)

    monkeypatch.setattr(tracked, "train_planned", train)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train_tracked(Path("model"), labelled(), sections(epochs=1), BUILD, role="teacher")
    assert names == [*(f"teacher fold {fold} of {FOLDS}" for fold in (1, 2, 3)), None, None]


def test_a_student_starts_from_the_teacher_of_its_fold(workspace: Path) -> None:
    train_tracked(Path("models/teacher"), labelled(), sections(), BUILD, role="teacher")
    planned = plan_final(labelled(), sections(epochs=1, start="teacher"), BUILD, role="student", name="student")
    assert planned.start is not None
    assert planned.start.folder == Path("models/teacher")
    one = tracked.plan(labelled(), Path("data/prepared"), *parts(sections(start="teacher")), "student", fold=1)
    assert one.start is not None
    assert one.start.folder == Path("models/teacher/folds/1")
    assert len(one.data.train) == N - EACH
    assert set(one.data.train.rows) & set(range(3, 6)) == set()


def parts(given: TrainingSections) -> tuple[Any, Any]:
    return given.training, given.model


def test_out_of_fold_results_are_in_the_order_of_the_labels(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Marked:
        """Gives its fold for each example."""

        def __init__(self, folder: Path) -> None:
            self.task = self
            self.fold = int(folder.name)

        def examine(self, predictor: Any, store: Any, what: str) -> np.ndarray:
            return np.full((len(store), 2), self.fold, np.float32)

    monkeypatch.setattr(plan, "load_predictor", Marked)
    found = out_of_fold([Path(str(fold)) for fold in range(FOLDS)], open_store(Path("data/prepared/train")))
    assert found[:, 0].tolist() == [(row // CLASSES) % FOLDS for row in range(N)]


def test_a_task_without_classes_is_refused(workspace: Path) -> None:
    assert card("classify", (2,)).classes
    with pytest.raises(UserError, match=r"^prepare\.folds=3: .*train\.task\.kind=reconstruct"):
        tracked.plan(
            labelled(),
            Path("data/prepared"),
            config_of(task={"kind": "reconstruct", "noise": 0.1, "loss": "mse"}),
            Mlp("mlp", (8,), False, "relu", 0.0),
            "teacher",
        )
