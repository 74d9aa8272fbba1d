"""The stage `pseudo_label`: rounds in which models label the pool, and the files that it writes."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from handmade import model
from sprout.config.cluster import Local
from sprout.config.model import Mlp
from sprout.config.pseudo_label import Curriculum, NoPseudoLabels, Selection, Threshold
from sprout.config.results import Tracking
from sprout.config.workspace import Build
from sprout.data.dataset import Examples
from sprout.data.description import write_description
from sprout.data.foreign import Foreign
from sprout.data.store import class_indices, label_table, open_store, read_labels
from sprout.data.store_writer import write_store
from sprout.engine import tracked
from sprout.engine.tracked import TrainingSections, train_tracked
from sprout.evaluate.labellers import labellings
from sprout.evaluate.ranges import open_model
from sprout.models.card import save_model
from sprout.models.predictor import load_predictor
from sprout.runtime.candidates import release_taken
from sprout.runtime.errors import UserError
from sprout.runtime.files import write_json
from sprout.selftraining.round_files import HISTORY, PREDICTIONS, write_none
from sprout.selftraining.rounds import make_pseudo_labels
from sprout.tasks import TASKS
from sprout.tracking.connection import connect
from trainings import config_of

BUILD = Build("", {"experiment": "x"})
OUT, TEACHER = Path("data/pseudo_labels"), Path("models/teacher")
SIZES = {"train": 9, "val": 12, "unlabelled": 60}


def write_split(name: str, n: int, *, known: bool) -> None:
    """Images with a bright column that tells their class, and noise."""
    rows, labels = np.arange(n), np.arange(n) % 3
    images = np.random.default_rng(n).integers(0, 120, (n, 6, 6, 1), np.uint8)
    images[rows, :, labels * 2] += 60
    table = {"source": "given", "group": rows, "origin": [f"{name}:{row}" for row in rows]}
    write_store(Path("data/prepared") / name, images, label_table(rows, labels if known else [None] * n, **table))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Path:
    """Prepared data, of which a teacher has learned; its runs are in an MLflow store."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    monkeypatch.chdir(tmp_path)
    for name, size in SIZES.items():
        write_split(name, size, known=name != "unlabelled")
    write_split("truth", SIZES["unlabelled"], known=True)
    pq.write_table(read_labels(Path("data/prepared/truth")), "data/prepared/truth.parquet")
    augmented = open_store(Path("data/prepared/unlabelled")).part(np.zeros(0, np.int64))
    write_store(Path("data/augmented"), augmented.take(np.zeros(0, np.int64)), augmented.labels)
    figures = {"mean": [0.3], "std": [0.2], "min": None, "max": None, "features": None, "target": "class"}
    write_description(
        Path("data/prepared"), ["a", "b", "c"], {**figures, "folds": None, "levels": None, "page": 0, "columns": None}
    )
    Path("data/pretrained").mkdir()
    write_json(Path("data/pretrained/pretrained.json"), None)
    examples = Examples.open("data/prepared/train")
    train_tracked(TEACHER, examples, sections(epochs=4), BUILD, role="teacher")
    return tmp_path


def sections(**changes: Any) -> TrainingSections:
    training = config_of(**{"epochs": 8, "batch_size": 4, "lr": 0.02, "start": "scratch"} | changes)
    return TrainingSections(training, Mlp("mlp", (8,), False, "relu", 0.0), Tracking(log_model=False))


def curriculum(rounds: int) -> Curriculum:
    return Curriculum("keep", rounds, None, "none", "curriculum", 1.0)


def threshold(value: float, rounds: int = 1, **changes: Any) -> Threshold:
    return Threshold(
        **{"foreign": "keep", "rounds": rounds, "per_class": None, "alignment": "none"} | changes,
        method="threshold",
        threshold=value,
    )


def label(config: Selection, **changes: Any) -> list[dict[str, str]]:
    """Run the stage; return the rows of `rounds.csv`."""
    make_pseudo_labels(OUT, TEACHER, config, sections(**changes), BUILD, Local("local", None))
    head, *lines = (OUT / "rounds.csv").read_text().splitlines()
    assert head.split(",") == HISTORY
    return [dict(zip(HISTORY, line.split(","), strict=True)) for line in lines]


def probabilities(split: str, folder: Path = TEACHER) -> np.ndarray:
    store = open_store(Path("data/prepared") / split)
    return load_predictor(folder).predict(store.take(np.arange(len(store))))


def test_one_round_takes_the_teachers_confident_predictions(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = probabilities("unlabelled")
    value = float(np.median(found.max(axis=1)))
    (row,) = label(threshold(value))
    table, accepted = read_labels(OUT), np.flatnonzero(found.max(axis=1) >= value)
    assert table["row"].to_pylist() == accepted.tolist()
    assert table["label"].to_pylist() == found.argmax(axis=1)[accepted].tolist()
    assert table["confidence"].to_numpy() == pytest.approx(found.max(axis=1)[accepted])
    assert table["origin"].to_pylist() == [f"unlabelled:{row}" for row in accepted]
    assert set(table["source"].to_pylist()) == {"pseudo"}
    assert set(table["round"].to_pylist()) == {1}
    assert (row["round"], row["labeller"], row["pool"], row["accepted"]) == ("1", "teacher", "60", "30")
    assert float(row["lowest_confidence"]) == pytest.approx(found.max(axis=1)[accepted].min())
    assert float(row["mean_confidence"]) == pytest.approx(found.max(axis=1)[accepted].mean())
    assert "pseudo_label: round 1: accepted 30 of 60 predictions" in capsys.readouterr().err
    assert {path.name for path in OUT.iterdir()} == {
        "SHA256SUMS",
        "labels.parquet",
        "rounds.csv",
        "predictions.parquet",
        "foreign.parquet",
        "foreign.json",
    }


def add_noise(count: int) -> None:
    """So many images without a bright column join the pool, before the others."""
    pool = open_store(Path("data/prepared/unlabelled"))
    noise = np.full((count, 6, 6, 1), 60, np.uint8)
    rows = np.arange(count + len(pool))
    table = label_table(rows, [None] * len(rows), source="given", group=rows, origin=[str(row) for row in rows])
    write_store(Path("data/prepared/unlabelled"), np.concatenate([noise, pool.take(np.arange(len(pool)))]), table)


def test_what_looks_like_no_class_is_left_out_of_every_round(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_split("val", 60, known=True)
    add_noise(60)
    found = probabilities("unlabelled").max(axis=1)
    label(threshold(0.0, rounds=2, foreign="auto"))
    foreign = Foreign.read(OUT)
    assert set(range(60)) <= set(foreign.rows().tolist()), "all of the noise"
    assert len(foreign.rows()) < 90
    assert found[foreign.rows()].max() < np.delete(found, foreign.rows()).min()
    table = pq.read_table(OUT / "predictions.parquet", filters=[("split", "==", "unlabelled")])
    assert table.num_rows == 2 * 120, "of each round"
    for accepted in table["accepted"].to_numpy().reshape(2, 120):
        assert np.flatnonzero(accepted).tolist() == foreign.others(120).tolist()
    assert read_labels(OUT)["row"].to_pylist() == foreign.others(120).tolist()
    said = capsys.readouterr().err
    assert f"these {len(foreign.rows())} of 120 unlabelled examples may belong to no class" in said
    assert "of the 60 val examples" in said


def test_without_pseudo_labels_it_is_left_out_too(workspace: Path) -> None:
    write_split("val", 60, known=True)
    add_noise(60)
    make_pseudo_labels(OUT, TEACHER, NoPseudoLabels("auto", "none"), sections(), BUILD, Local("local", None))
    assert set(range(60)) <= set(Foreign.read(OUT).rows().tolist())
    assert read_labels(OUT).num_rows == 0


def test_all_is_kept_if_wanted(workspace: Path) -> None:
    write_split("val", 60, known=True)
    add_noise(60)
    label(threshold(0.0))
    assert (len(Foreign.read(OUT).rows()), Foreign.read(OUT).compared) == (0, None)
    assert read_labels(OUT).num_rows == 120


def test_what_is_recorded_is_what_evaluate_finds(workspace: Path) -> None:
    value = float(np.median(probabilities("unlabelled").max(axis=1)))
    label(threshold(value, rounds=2, per_class=4))
    table = pq.read_table(OUT / "predictions.parquet")
    assert table.schema.names == list(PREDICTIONS)
    assert table.num_rows == 2 * (60 + 12)
    training = sections().training
    found = labellings(open_model(TEACHER), Path("data/prepared"), OUT, training, Local("local", None))
    assert list(found) == ["teacher", "round 2"]
    pool, val = found["teacher"].pool, found["teacher"].val
    assert pool.predicted.tolist() == probabilities("unlabelled").argmax(axis=1).tolist()
    assert (pool.accepted <= (pool.confidence >= pool.threshold)).all()
    assert np.bincount(pool.predicted[pool.accepted]).max() == 4
    assert pool.true.tolist() == [row % 3 for row in range(60)]
    of_val = probabilities("val")
    assert val.accepted.tolist() == (of_val.max(axis=1) >= found["teacher"].val.threshold).tolist()
    # The estimate is of what the cap has left: from the confidence of the fourth example of a class on.
    for index in np.unique(pool.predicted):
        of_class = pool.predicted == index
        kept, reach = pool.confidence[of_class & pool.accepted], (of_class & (pool.confidence >= value)).sum()
        assert set(pool.threshold[of_class]) == {kept.min() if len(kept) < reach else np.float32(value)}
    assert val.true.tolist() == [row % 3 for row in range(12)]
    last = found["round 2"].pool
    assert np.flatnonzero(last.accepted).tolist() == read_labels(OUT)["row"].to_pylist()


def test_rounds_accept_more_and_more_and_the_last_ones_labels_are_better(workspace: Path) -> None:
    rows = label(curriculum(3))
    assert [(row["round"], row["labeller"]) for row in rows] == [("1", "teacher"), ("2", "round 2"), ("3", "round 3")]
    assert 20 <= int(rows[0]["accepted"]) < int(rows[1]["accepted"]) < int(rows[2]["accepted"]) == 60
    table, truth = read_labels(OUT), np.arange(60) % 3
    assert set(table["round"].to_pylist()) == {3}
    last = class_indices(table)
    assert (last == truth).mean() > (probabilities("unlabelled").argmax(axis=1) == truth).mean()
    client = connect(f"sqlite:///{workspace}/mlflow.db")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert {each.info.run_name for each in runs if each.data.tags["sprout.role"] == "round"} == {"round 2", "round 3"}
    release_taken("pseudo_label")
    assert len([*Path("build/candidates/round").iterdir()]) == 4, (
        "the models of the rounds, until DVC has taken the stage"
    )
    release_taken("control")
    assert [*Path("build/candidates/round").iterdir()] == []


def test_a_round_that_is_done_is_not_trained_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the third round: the second one's model is there. The result is that of an undisturbed stage."""
    label(curriculum(3))
    release_taken("control")
    undisturbed = {path.name: path.read_bytes() for path in OUT.iterdir()}
    names, real, kill = list[str | None](), tracked.train_planned, [True]

    def train(*given: Any, name: str | None = None, **further: Any) -> None:
        names.append(name)
        if name == "round 3" and kill:
            kill.clear()
            raise KeyboardInterrupt
        real(*given, name=name, **further)

    monkeypatch.setattr(tracked, "train_planned", train)
    with pytest.raises(KeyboardInterrupt):
        label(curriculum(3))
    label(curriculum(3))
    assert names == ["round 2", "round 3", "round 3"]
    assert {path.name: path.read_bytes() for path in OUT.iterdir()} == undisturbed


def test_a_teacher_that_dvc_has_not_taken_is_not_trained_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed between the end of the stage and DVC's record of it: DVC removes the output and runs the stage again."""
    names, real = list[str | None](), tracked.train_planned

    def train(*given: Any, name: str | None = None, **further: Any) -> None:
        names.append(name)
        real(*given, name=name, **further)

    def stage() -> dict[str, bytes]:
        shutil.rmtree(TEACHER, ignore_errors=True)
        tracked.train_teacher(TEACHER, Examples.open("data/prepared/train"), sections(epochs=3), BUILD)
        return {path.name: path.read_bytes() for path in TEACHER.iterdir()}

    monkeypatch.setattr(tracked, "train_planned", train)
    first = stage()
    assert {"model.json", "model.safetensors", "SHA256SUMS"} <= first.keys()
    assert stage() == first
    assert names == ["teacher"]
    assert "teacher: was trained before" in capsys.readouterr().err
    (kept,) = (path for path in Path("build/candidates/teacher").iterdir() if path.is_dir())
    steps = tracked.fingerprint_of(
        tracked.plan_final(
            Examples.open("data/prepared/train"), sections(epochs=3), BUILD, role="teacher", name="teacher"
        )
    )
    (Path("build/checkpoints/teacher") / steps).mkdir()  # killed before its run was logged
    assert stage() == first
    assert names == ["teacher"] * 2
    weights = (kept / "model.safetensors").read_bytes()
    (kept / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(UserError, match=rf"{kept}/model.safetensors: damaged or changed: .*; remove the folder"):
        stage()
    shutil.rmtree(kept)
    assert stage() == first
    assert names == ["teacher"] * 3
    release_taken("pseudo_label")
    assert not kept.exists()


def test_a_training_that_an_equal_one_has_ended_while_it_waited_is_not_repeated(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of two queued experiments with the same teacher: the second one has looked before the first one has ended."""
    trained, real, lock, waits = list[Path](), tracked.train_timed, tracked.only_one, [True]

    def train(folder: Path, *given: Any) -> float:
        trained.append(folder)
        return real(folder, *given)

    def wait(checkpoints: Path) -> AbstractContextManager[bool]:
        if waits:
            waits.clear()
            stage(Path("models/of_the_first"))
        return lock(checkpoints)

    def stage(folder: Path) -> None:
        tracked.train_teacher(folder, Examples.open("data/prepared/train"), sections(epochs=3), BUILD)

    monkeypatch.setattr(tracked, "train_timed", train)
    monkeypatch.setattr(tracked, "only_one", wait)
    stage(TEACHER)
    (model,) = trained
    assert capsys.readouterr().err.count(f"was trained before, and is taken from {model}") == 1
    weights = {(folder / "model.safetensors").read_bytes() for folder in (TEACHER, Path("models/of_the_first"), model)}
    assert len(weights) == 1
    assert not any(path.is_dir() for path in Path("build/checkpoints/teacher").iterdir())


def test_rounds_of_the_same_labels_share_a_model(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.zeros((3, 6, 6, 1), np.uint8)
    images[np.arange(3), :, np.arange(3) * 2] = 250
    rows = np.arange(3)
    table = label_table(rows, [None] * 3, source="given", group=rows, origin=[""] * 3)
    write_store(Path("data/prepared/unlabelled"), images, table)
    rows_of_rounds = label(threshold(0.0, rounds=4))
    assert [row["accepted"] for row in rows_of_rounds] == ["3"] * 4
    said = capsys.readouterr().err
    assert "round 3: the labels are those of the round before, and so is the model" in said
    assert "was trained before" not in said
    release_taken("control")
    assert [*Path("build/candidates/round").iterdir()] == []


def test_the_round_that_accepts_nothing_is_the_last(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = label(threshold(1.0, rounds=5))
    assert (row["accepted"], row["lowest_confidence"], row["mean_confidence"]) == ("0", "", "")
    assert "round 2 and later ones are not run" in capsys.readouterr().err
    assert read_labels(OUT).num_rows == 0


@pytest.mark.parametrize(("alignment", "shares"), [("uniform", [1 / 3] * 3), ("labels", [2 / 3, 1 / 6, 1 / 6])])
def test_alignment(workspace: Path, alignment: Any, shares: list[float]) -> None:
    rows, images = np.arange(12), np.zeros((12, 6, 6, 1), np.uint8)
    table = label_table(rows, [0] * 8 + [1, 1, 2, 2], source="given", group=rows, origin=[""] * 12)
    write_store(Path("data/prepared/train"), images, table)
    label(threshold(0.0, alignment=alignment))
    plain, table = probabilities("unlabelled"), pq.read_table(OUT / "predictions.parquet")
    scaled = plain * (np.array(shares) / plain.mean(axis=0))
    scaled /= scaled.sum(axis=1, keepdims=True)
    assert table["confidence"].to_numpy()[:60] == pytest.approx(scaled.max(axis=1), rel=1e-5)
    assert table["predicted"].to_numpy()[:60].tolist() == scaled.argmax(axis=1).tolist()


def test_none_says_so(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_none(OUT, "pseudo_label.method is none")
    assert "pseudo_label: no pseudo-labels are made, as pseudo_label.method is none" in capsys.readouterr().err
    assert read_labels(OUT).num_rows == pq.read_table(OUT / "predictions.parquet").num_rows == 0


def test_an_empty_pool_says_so(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_store(Path("data/prepared/unlabelled"), np.zeros((0, 6, 6, 1), np.uint8), read_labels(Path("data/augmented")))
    assert label(curriculum(2)) == []
    assert "as there are no unlabelled examples" in capsys.readouterr().err


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if not task.has_pseudo_labels])
def test_other_tasks_say_so(workspace: Path, task: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = model(task, (6, 6, 1))
    Path("other").mkdir()
    save_model(Path("other"), made.network.state_dict(), made.card)
    make_pseudo_labels(OUT, Path("other"), threshold(0.5), sections(), BUILD, Local("local", None))
    assert f"as the teacher's task, {task}, has none" in capsys.readouterr().err
    assert read_labels(OUT).num_rows == 0
