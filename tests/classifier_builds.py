"""Builds of a classifier as the stages before `report` leave them, with chosen mistakes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch.nn import Identity

from handmade import card, opened
from made import MADE
from sprout.data.foreign import Foreign
from sprout.data.store import Store, label_table, open_store, write_labels
from sprout.data.store_writer import write_store
from sprout.evaluate.audit import Labels
from sprout.evaluate.evaluate import Tested, evaluate
from sprout.evaluate.labellers import Labelling, write_audit
from sprout.models.predictor import Predictor
from sprout.report import write_report
from sprout.report.made import Made
from sprout.runtime.checksums import write_sums
from sprout.runtime.files import write_json, write_rows
from sprout.runtime.model_folder import NOT_KEPT
from sprout.tasks import Classify
from sprout.tasks.interfaces import Limits

ANIMALS = ["cat", "dog", "emu"]
TRAINING = {
    "method": {"kind": "supervised", "policy": "transforms"},
    "epochs": 3,
    "batch_size": 10,
    "lr": 0.002,
    "optimizer": {"name": "adam", "args": {}},
    "seed": 0,
}
CONFIG: dict[str, Any] = {
    "experiment": "animals",
    "model": {"name": "cnn", "channels": [8, 16]},
    "augment": {"copies": 0},
    "train": TRAINING,
    "pseudo_label": {"threshold": 0.9, "per_class": None},
    "retrain": TRAINING | {"lr": 0.001},
    "report": {"examples": 6},
}


@dataclass
class Case:
    """A build with 50 test examples, of which each model gets the first ones wrong."""

    classes: list[str] = field(default_factory=lambda: list(ANIMALS))
    shape: tuple[int, ...] = (8, 8, 1)
    teacher_wrong: int = 10
    student_wrong: int = 5
    pool: int = 12
    accepted: int = 9
    kept: str | None = None
    """teacher or control, where one has the student's place."""
    control_wrong: int | None = None
    """None where there is no control."""
    tests: int = 50
    known: int | None = None
    """Examples of the pool whose true label is known; None for all."""
    pool_wrong: int = 1
    """Examples of the pool whose label is wrong, the first ones."""
    labellers: tuple[str, ...] = ("teacher",)
    """Teacher, student, or none."""
    student: bool | None = None
    """Whether one was trained; None: unless the teacher has its place."""
    notes: list[str] = field(default_factory=list)
    quarantined: list[tuple[str, str]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=lambda: dict(CONFIG))

    @property
    def has_student(self) -> bool:
        """Whether a student was trained."""
        return self.kept != "teacher" if self.student is None else self.student


def write_page(root: Path, case: Case, examples: int = 6, made: Made = MADE) -> str:
    """Write and return the page of a workspace that `make` has made."""
    out = root / "reports" / "index.html"
    folders = {name: root / name for name in ("prepared", "augmented", "pseudo_labels", "evaluation")}
    write_report(out, made=made, config=case.config, build="3f9a1c7e", examples=examples, models=root, **folders)
    return out.read_text(encoding="utf-8")


def make(root: Path, case: Case) -> Path:
    """A workspace as the stages before `report` leave it."""
    splits = {"train": 6, "val": 20, "unlabelled": case.pool, "test": case.tests}
    for split, size in splits.items():
        make_store(root / "prepared" / split, case, size, known=split != "unlabelled")
    make_store(root / "augmented", case, 0, known=True)
    write_json(root / "prepared" / "classes.json", case.classes)
    write_json(root / "prepared" / "summary.json", summary(case))
    quarantined = [{"origin": origin, "reason": reason} for origin, reason in case.quarantined]
    write_rows(root / "prepared" / "quarantine.csv", ["origin", "reason"], quarantined)
    make_pseudo_labels(root / "pseudo_labels", case)
    make_model(root / "teacher", case, val_accuracy=0.8, best_epoch=3, kept=None)
    make_model(root / "student", case, val_accuracy=0.9, best_epoch=2, kept=case.kept)
    if case.has_student and case.kept:
        make_model(root / "student" / NOT_KEPT, case, val_accuracy=0.7, best_epoch=2, kept=None)
    if case.control_wrong is not None:
        make_model(root / "control", case, val_accuracy=0.85, best_epoch=1, kept=None)
    make_evaluation(root / "evaluation", case, open_store(root / "prepared" / "test"))
    return root


def summary(case: Case) -> dict[str, Any]:
    """What the page shows of `summary.json`."""
    described = {"shape": list(case.shape), "notes": case.notes, "folds": None}
    if len(case.shape) == 3:
        return described | {"dtype": "uint8", "features": None}
    features = [f"feature {i}" for i in range(case.shape[0])]
    values = {name: [value] * len(features) for name, value in (("mean", 5.84333), ("std", 0.5), ("min", -2.0))}
    return described | values | {"dtype": "float32", "features": features, "max": [1234567.0] * len(features)}


def make_store(folder: Path, case: Case, size: int, *, known: bool) -> None:
    examples = np.random.default_rng(size).integers(0, 256, (size, *case.shape))
    rows = np.arange(size)
    labels = rows % len(case.classes) if known else [None] * size
    table = label_table(rows, labels, source="given", group=rows, origin=[f"{folder.name}.csv:{row}" for row in rows])
    write_store(folder, examples.astype(np.uint8 if len(case.shape) == 3 else np.float32), table)


def make_pseudo_labels(folder: Path, case: Case) -> None:
    rows = np.arange(case.accepted)
    table = label_table(
        rows,
        rows % len(case.classes),
        source="pseudo",
        group=rows,
        origin=[""] * case.accepted,
        confidence=np.linspace(0.91, 0.99, case.accepted),
        round_=1,
    )
    write_labels(folder, table)
    Foreign().write(folder)
    row = {
        "round": 1,
        "labeller": "teacher",
        "pool": case.pool,
        "accepted": case.accepted,
        "lowest_confidence": 0.91,
        "mean_confidence": 0.95,
    }
    write_rows(folder / "rounds.csv", list(row), [row] if "teacher" in case.labellers else [])


def make_model(folder: Path, case: Case, *, val_accuracy: float, best_epoch: int, kept: str | None) -> None:
    folder.mkdir()
    role = folder.parent.name if folder.name == NOT_KEPT else folder.name
    model = {
        "task": "classify",
        "architecture": CONFIG["model"],
        "classes": case.classes,
        "temperature": 1.25,
        "parameters": 12345,
    }
    write_json(folder / "model.json", model | {"role": role, "kept": kept})
    write_sums(folder, ["model.json"])
    scores = {"accuracy": val_accuracy, "error_rate": 1 - val_accuracy, "log_loss": 0.5, "macro_f1": 0.75}
    metrics = {"best_epoch": best_epoch, "epochs": 3, "val": scores | {"calibration_error": 0.125}}
    write_json(folder / "metrics.json", metrics)
    history = [
        {
            "epoch": e + 1,
            "lr": 0.002,
            "train_loss": 2 - e,
            "train_accuracy": 0.5,
            "val_loss": 1.5,
            "val_accuracy": 0.6,
        }
        for e in range(3)
    ]
    write_rows(folder / "history.csv", list(history[0]), history)


def make_evaluation(folder: Path, case: Case, test: Store) -> None:
    folder.mkdir()
    labels = np.arange(case.tests) % len(case.classes)
    wrong = {"teacher": case.teacher_wrong}
    if case.control_wrong is not None:
        wrong["control"] = case.control_wrong
    wrong["student"] = case.student_wrong if case.has_student else wrong["teacher"]
    probabilities = {model: guesses(labels, case, n) for model, n in wrong.items()}
    labelling = Labelling(pool_labels(case), labels_of(np.arange(20), case, 20, 2, 20))
    audited = write_audit(folder, dict.fromkeys(case.labellers, labelling) if case.pool else {}, case.classes)
    of_both = card("classify", case.shape, classes=case.classes, temperature=1.0)
    models = opened(**dict.fromkeys(probabilities, Predictor(Identity(), of_both)))
    outcomes = {model: Classify.outcomes(np.log(p), of_both, labels) for model, p in probabilities.items()}
    evaluate(folder, models, Tested("test", test, outcomes), Limits(bins=5, examples=0), audited, case.kept)


def pool_labels(case: Case) -> Labels:
    """What a labeller says of the pool: see `labels_of`."""
    known = case.pool if case.known is None else case.known
    return labels_of(np.arange(case.pool), case, case.accepted, case.pool_wrong, known)


def labels_of(rows: np.ndarray, case: Case, accepted: int, wrong: int, known: int) -> Labels:
    """Labels that count through the classes: the first ones are accepted, wrong and known, and less confident."""
    predicted, confidence = rows % len(case.classes), np.full(len(rows), 0.85, np.float32)
    confidence[:accepted] = np.linspace(0.91, 0.99, accepted)
    true = np.where(rows < wrong, (predicted + 1) % len(case.classes), predicted)
    threshold = np.full(len(rows), 0.9, np.float32)
    return Labels(predicted, confidence, threshold, rows < accepted, np.where(rows < known, true, -1))


def guesses(labels: np.ndarray, case: Case, wrong: int) -> np.ndarray:
    """(N, K) probabilities: the first `wrong` examples get the next class, the most confident mistake last."""
    count, classes = len(labels), len(case.classes)
    guessed = np.where(np.arange(count) < wrong, (labels + 1) % classes, labels)
    confidence = np.where(np.arange(count) < wrong, np.minimum(0.6 + 0.01 * np.arange(count), 0.99), 0.95)
    probabilities = np.repeat((1 - confidence)[:, None] / (classes - 1), classes, axis=1)
    probabilities[np.arange(count), guessed] = confidence
    return probabilities
