"""The figures of teacher and student on test, and of the accepted pseudo-labels against the truth."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handmade import model
from sprout.data.store import label_table, open_store, write_labels, write_store
from sprout.evaluate.calibration import calibration_error
from sprout.evaluate.curves import write_curves
from sprout.evaluate.evaluate import evaluate, write_evaluation
from sprout.evaluate.pseudo_labels import pseudo_label_quality
from sprout.measure import measure, restore
from sprout.metrics import classification_metrics
from sprout.runtime.files import read_json

CLASSES = ["ant", "bee", "cat"]
LABELS = np.array([0, 1, 2, 0, 1, 2])
# The teacher takes both cats for bees, the student one of them.
TEACHER = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.7, 0.2], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 0.6, 0.4]], np.float32
)
STUDENT = np.array(
    [[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.0, 0.6, 0.4]], np.float32
)
BOTH = {"teacher": TEACHER, "student": STUDENT}
QUALITY = {"pool": 9, "accepted": 4, "known": 4, "accuracy": 0.75}


SHAPE = (4, 3, 2)


def make_test(tmp_path, labels, value=None):
    """A test split of random images with these labels; None where one is not known."""
    n = len(labels)
    rows, images = np.arange(n), np.random.default_rng(0).integers(0, 256, (n, *SHAPE), dtype=np.uint8)
    table = label_table(rows, labels, value=value, source="given", group=rows, origin=[""] * n)
    write_store(tmp_path / "test", images, table)
    return open_store(tmp_path / "test")


def logits(probabilities):
    """What a classifier of temperature 2 gives for these probabilities."""
    return 2 * np.log(np.maximum(probabilities, 1e-30))


def make_folder(tmp_path):
    folder = tmp_path / "evaluation"
    folder.mkdir()
    return folder


@pytest.fixture
def written(tmp_path):
    folder, test = make_folder(tmp_path), make_test(tmp_path, LABELS)
    models = dict.fromkeys(BOTH, model("classify", SHAPE, classes=CLASSES, temperature=2.0))
    examined = {role: logits(probabilities) for role, probabilities in BOTH.items()}
    return folder, write_evaluation(folder, models, test, examined, bins=5, examples=0, accepted=QUALITY)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files(written):
    files = {"metrics.json", "predictions.parquet", "per_class.csv", "calibration.csv", "confusion.csv"}
    assert {path.name for path in written[0].iterdir()} == files


def test_metrics(written):
    folder, returned = written
    assert read_json(folder / "metrics.json") == returned
    assert returned["pseudo_labels"] == QUALITY
    assert returned["test"]["teacher"]["accuracy"] == pytest.approx(4 / 6)
    assert returned["test"]["student"]["accuracy"] == pytest.approx(5 / 6)
    for name, probabilities in BOTH.items():
        expected = classification_metrics(probabilities, LABELS, 5)
        assert expected["calibration_error"] == calibration_error(probabilities, LABELS, 5)
        assert returned["test"][name] == pytest.approx(expected)


def test_predictions(written):
    table = pq.read_table(written[0] / "predictions.parquet").to_pydict()
    assert table["row"] == list(range(6))
    assert table["label"] == LABELS.tolist()
    assert table["teacher"] == [0, 1, 1, 0, 1, 1]
    assert table["student"] == [0, 1, 2, 0, 1, 1]
    assert table["student_confidence"] == pytest.approx([0.9, 1.0, 0.8, 0.8, 0.8, 0.6])
    assert table["teacher_confidence"] == pytest.approx([0.8, 0.6, 0.7, 0.9, 0.9, 0.6])


def test_per_class(written):
    rows = rows_of(written[0] / "per_class.csv")
    assert [(row["model"], row["class"]) for row in rows] == [(m, c) for m in BOTH for c in CLASSES]
    assert [float(row["recall"]) for row in rows] == [1, 1, 0, 1, 1, 0.5]
    assert [float(row["precision"]) for row in rows] == pytest.approx([1, 0.5, 0, 1, 2 / 3, 1])
    assert {row["support"] for row in rows} == {"2"}


def test_calibration(written):
    rows = rows_of(written[0] / "calibration.csv")
    assert list(rows[0]) == ["model", "bin", "confidence", "accuracy", "count"]
    for name in BOTH:
        counts = [int(row["count"]) for row in rows if row["model"] == name]
        assert sum(counts) == 6


def test_confusion_is_the_students(written):
    rows = rows_of(written[0] / "confusion.csv")
    assert [row["actual"] for row in rows] == ["ant", "bee", "cat"] * 2
    assert [row["predicted"] for row in rows] == ["ant", "bee", "cat", "ant", "bee", "bee"]


def evaluated(tmp_path, task, test, examples=0, **student):
    """The figures, the predictions and the folder of two models with random weights."""
    folder = make_folder(tmp_path)
    models = {"teacher": model(task, SHAPE), "student": model(task, SHAPE, seed=1, role="student", **student)}
    returned = evaluate(folder, models, test, bins=5, examples=examples, accepted=QUALITY)
    assert read_json(folder / "metrics.json") == returned
    for role, one in models.items():
        assert returned["test"][role] == measure(one, test, "", 5)
    assert returned["pseudo_labels"] == QUALITY
    return folder, models, pq.read_table(folder / "predictions.parquet").to_pydict()


def files(folder):
    return {path.name for path in folder.iterdir()}


def test_a_class_that_is_not_known_does_not_count(tmp_path):
    test = make_test(tmp_path, [0, None, 2, None, 1, 2])
    folder, models, table = evaluated(tmp_path, "classify", test)
    assert (table["row"], table["label"]) == ([0, 2, 4, 5], [0, 2, 1, 2])
    probabilities = models["student"].probabilities(test.take(np.array([0, 2, 4, 5])))
    assert table["student"] == probabilities.argmax(axis=1).tolist()
    assert table["student_confidence"] == pytest.approx(probabilities.max(axis=1))
    assert len(rows_of(folder / "confusion.csv")) == 4


def test_a_regression(tmp_path):
    test = make_test(tmp_path, [None] * 5, value=pa.array([90.0, None, 110.0, 95.5, None]))
    folder, models, table = evaluated(tmp_path, "regress", test)
    assert files(folder) == {"metrics.json", "predictions.parquet", "confusion.csv"}
    assert (folder / "confusion.csv").read_text() == "actual,predicted\n"
    assert (table["row"], table["value"]) == ([0, 2, 3], [90.0, 110.0, 95.5])
    for role, one in models.items():
        assert table[role] == pytest.approx(one.values(test.take(np.array([0, 2, 3]))))


def test_a_reconstruction(tmp_path):
    test = make_test(tmp_path, [None] * 9)
    folder, models, table = evaluated(tmp_path, "reconstruct", test, examples=4)
    assert files(folder) == {"metrics.json", "predictions.parquet", "confusion.csv", "restored.npz"}
    assert list(table) == ["row", "noisy_mse", "teacher", "student"]
    clean, noisy, restored = restore(models["student"], test, np.arange(9))
    assert table["noisy_mse"] == pytest.approx(((noisy - clean) ** 2).mean(axis=(1, 2, 3)))
    assert table["student"] == pytest.approx(((restored - clean) ** 2).mean(axis=(1, 2, 3)))
    assert table["teacher"] != table["student"]
    kept = np.load(folder / "restored.npz", allow_pickle=False)
    ranked = np.argsort(table["student"])
    assert kept["row"].tolist() == ranked[[0, 3, 5, 8]].tolist()
    np.testing.assert_array_equal(kept["clean"], test.take(kept["row"]))
    for name, images in (("noisy", noisy), ("restored", restored)):
        expected = (images[kept["row"]] * 255).transpose(0, 2, 3, 1)
        np.testing.assert_allclose(kept[name], expected, atol=0.51)


@pytest.mark.parametrize(("n", "examples", "shown"), [(3, 40, 3), (0, 40, 0), (3, 0, 0)])
def test_no_more_images_are_kept_than_asked_for_or_there_are(tmp_path, n, examples, shown):
    folder, _, table = evaluated(tmp_path, "reconstruct", make_test(tmp_path, [None] * n), examples=examples)
    kept = np.load(folder / "restored.npz", allow_pickle=False)
    assert len(table["row"]) == n
    assert kept["row"].shape == (shown,)
    assert {kept[name].shape for name in ("clean", "noisy", "restored")} == {(shown, *SHAPE)}


def test_a_clustering(tmp_path):
    test = make_test(tmp_path, [0, None, 2, 1])
    folder, models, table = evaluated(tmp_path, "cluster", test)
    assert files(folder) == {"metrics.json", "predictions.parquet", "confusion.csv"}
    assert (table["row"], table["label"]) == ([0, 1, 2, 3], [0, None, 2, 1])
    outputs = models["student"].outputs(test.take(np.arange(4)))
    assert table["cluster"] == outputs.argmax(axis=1).tolist()
    pairs = [("a", table["cluster"][0]), ("c", table["cluster"][2]), ("b", table["cluster"][3])]
    assert rows_of(folder / "confusion.csv") == [{"actual": a, "predicted": f"cluster {c}"} for a, c in pairs]
    assert table["distance"] == pytest.approx(-outputs.max(axis=1))


def test_a_kept_teacher_is_asked_once(tmp_path):
    test, folder = make_test(tmp_path, [0, 1, 2]), make_folder(tmp_path)
    models = {"teacher": model("cluster", SHAPE), "student": model("cluster", SHAPE, role="student", kept="teacher")}
    models["student"].network.register_forward_hook(lambda *_: pytest.fail("asked again"))
    found = evaluate(folder, models, test, bins=5, examples=0, accepted=QUALITY)["test"]
    assert found["student"] == found["teacher"]


def test_the_same_models_give_the_same_bytes(tmp_path, monkeypatch):
    test, folders = make_test(tmp_path, [None] * 4), [tmp_path / "a", tmp_path / "b"]
    models = dict.fromkeys(("teacher", "student"), model("reconstruct", SHAPE))
    for number, folder in enumerate(folders):
        folder.mkdir()
        monkeypatch.setattr("time.time", lambda number=number: 1e9 + 1e5 * number)
        evaluate(folder, models, test, bins=5, examples=3, accepted=QUALITY)
    for name in files(folders[0]):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def quality(tmp_path, rows, labels, truth):
    origin = [""] * len(rows)
    table = label_table(np.array(rows), np.array(labels), source="pseudo", group=np.array(rows), origin=origin)
    write_labels(tmp_path / "pseudo_labels", table)
    columns = {"row": pa.array(range(len(truth)), pa.int64()), "label": pa.array(truth, pa.int64())}
    pq.write_table(pa.table(columns), tmp_path / "truth.parquet")
    return pseudo_label_quality(tmp_path / "pseudo_labels", tmp_path / "truth.parquet")


def test_pseudo_labels_against_the_truth(tmp_path):
    found = quality(tmp_path, [4, 1, 2], [0, 1, 0], truth=[0, 1, 0, 1, 2])
    assert found == {"pool": 5, "accepted": 3, "known": 3, "accuracy": pytest.approx(2 / 3)}


def test_only_what_is_known_of_the_truth_counts(tmp_path):
    found = quality(tmp_path, [4, 1, 2, 0], [0, 1, 0, 2], truth=[None, 1, 0, 1, 2])
    assert found == {"pool": 5, "accepted": 4, "known": 3, "accuracy": pytest.approx(2 / 3)}
    nothing = quality(tmp_path, [0, 1], [0, 1], truth=[None, None])
    assert nothing == {"pool": 2, "accepted": 2, "known": 0, "accuracy": None}


@pytest.mark.parametrize("truth", [[], [0, 1]])
def test_no_pseudo_labels_have_no_accuracy(tmp_path, truth):
    assert quality(tmp_path, [], [], truth) == {"pool": len(truth), "accepted": 0, "known": 0, "accuracy": None}


def test_curves_stand_side_by_side(tmp_path):
    columns = "epoch,lr,train_loss,val_loss,train_mae,val_mae\n"
    (tmp_path / "teacher.csv").write_text(columns + "0,0.1,9,3,9,4.5\n1,0.1,9,2,9,\n")
    (tmp_path / "student.csv").write_text(columns + "0,0.1,9,inf,9,5\n1,0.1,9,1,9,4\n2,0.1,9,0.5,9,3\n")
    write_curves(tmp_path / "curves", {role: tmp_path / f"{role}.csv" for role in ("teacher", "student")})
    assert files(tmp_path / "curves") == {"val_loss.json", "val_mae.json"}
    loss, mae = (read_json(tmp_path / "curves" / name) for name in ("val_loss.json", "val_mae.json"))
    assert [tuple(row.values()) for row in loss] == [(0, 3.0, None), (1, 2.0, 1.0), (2, None, 0.5)]
    assert mae[1] == {"epoch": 1, "teacher": None, "student": 4.0}


def test_a_model_without_epochs_has_an_empty_curve(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,lr,train_loss,val_loss\n")
    write_curves(tmp_path / "curves", dict.fromkeys(("teacher", "student"), tmp_path / "history.csv"))
    assert files(tmp_path / "curves") == {"val_loss.json"}
    assert read_json(tmp_path / "curves" / "val_loss.json") == []
