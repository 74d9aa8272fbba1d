"""The report page, made from a small workspace that the earlier stages' own writers filled."""

import base64
import io
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image
from torch.nn import Identity

from handmade import card
from sprout.data.store import Store, label_table, open_store, write_labels, write_store
from sprout.evaluate.evaluate import write_evaluation
from sprout.models.predictor import Predictor
from sprout.report import write_report
from sprout.report.figures import confusion_matrix, history_curves, reliability
from sprout.report.inputs import Model
from sprout.report.pictures import GRID_BYTES, picture, pictures, spread
from sprout.report.tables import Outcome, most_confused
from sprout.report.verdict import explanation
from sprout.report.wording import decimal
from sprout.runtime.files import read_json, write_json, write_rows

ANIMALS = ["cat", "dog", "emu"]
TRAINING = {"epochs": 3, "batch_size": 10, "lr": 0.002, "optimizer": {"name": "adam", "args": {}}, "seed": 0}
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
    """A made build: 50 test examples, of which the first so many are got wrong."""

    classes: list[str] = field(default_factory=lambda: list(ANIMALS))
    shape: tuple[int, ...] = (8, 8, 1)
    teacher_wrong: int = 10
    student_wrong: int = 5
    pool: int = 12
    accepted: int = 9
    kept: bool = False
    tests: int = 50
    known: int | None = None
    """Of how many accepted ones the truth is known; None means all."""
    notes: list[str] = field(default_factory=list)
    faulty: list[tuple[str, str]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=lambda: dict(CONFIG))


def write_page(root: Path, case: Case, examples: int = 6) -> str:
    """The page of a workspace that is already there."""
    out = root / "reports" / "index.html"
    folders = {name: root / name for name in ("prepared", "pseudo_labels", "teacher", "student", "evaluation")}
    write_report(out, config=case.config, build="3f9a1c7e", examples=examples, **folders)
    return out.read_text(encoding="utf-8")


def make(root: Path, case: Case) -> Path:
    """A workspace as the stages before `report` leave it."""
    splits = {"train": 6, "val": 20, "unlabelled": case.pool, "test": case.tests}
    for split, size in splits.items():
        make_store(root / "prepared" / split, case, size, known=split != "unlabelled")
    write_json(root / "prepared" / "classes.json", case.classes)
    write_json(root / "prepared" / "summary.json", summary(case))
    faulty = [{"origin": origin, "reason": reason} for origin, reason in case.faulty]
    write_rows(root / "prepared" / "quarantine.csv", ["origin", "reason"], faulty)
    make_pseudo_labels(root / "pseudo_labels", case)
    make_model(root / "teacher", case, val_accuracy=0.8, best_epoch=2, kept=None)
    make_model(root / "student", case, val_accuracy=0.9, best_epoch=1, kept="teacher" if case.kept else None)
    make_evaluation(root / "evaluation", case, open_store(root / "prepared" / "test"))
    return root


def summary(case: Case) -> dict[str, Any]:
    """What `prepare` says that the page shows."""
    described = {"shape": list(case.shape), "notes": case.notes}
    if len(case.shape) == 3:
        return described | {"dtype": "uint8", "features": None}
    features = [f"feature {i}" for i in range(case.shape[0])]
    figures = {name: [value] * len(features) for name, value in (("mean", 5.84333), ("std", 0.5), ("min", -2.0))}
    return described | figures | {"dtype": "float32", "features": features, "max": [1234567.0] * len(features)}


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
    row = {
        "round": 1,
        "pool": case.pool,
        "accepted": case.accepted,
        "threshold": 0.9,
        "mean_confidence": 0.95,
    }
    write_rows(folder / "rounds.csv", list(row), [row] if case.accepted else [])


def make_model(folder: Path, case: Case, *, val_accuracy: float, best_epoch: int, kept: str | None) -> None:
    folder.mkdir()
    said = {
        "task": "classify",
        "architecture": CONFIG["model"],
        "classes": case.classes,
        "temperature": 1.25,
        "parameters": 12345,
    }
    write_json(folder / "model.json", said | {"role": folder.name, "kept": kept})
    scores = {"accuracy": val_accuracy, "error_rate": 1 - val_accuracy, "log_loss": 0.5, "macro_f1": 0.75}
    metrics = {"best_epoch": best_epoch, "epochs": 3, "val": scores | {"calibration_error": 0.125}}
    write_json(folder / "metrics.json", metrics)
    history = [
        {
            "epoch": e,
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
    wrong = {
        "teacher": case.teacher_wrong,
        "student": case.teacher_wrong if case.kept else case.student_wrong,
    }
    probabilities = {model: guesses(labels, case, n) for model, n in wrong.items()}
    known = case.accepted if case.known is None else case.known
    quality = {"pool": case.pool, "accepted": case.accepted, "known": known, "accuracy": 8 / 9 if known else None}
    said = card("classify", case.shape, classes=case.classes, temperature=1.0)
    models = dict.fromkeys(probabilities, Predictor(Identity(), said))
    logits = {model: np.log(p) for model, p in probabilities.items()}
    write_evaluation(folder, models, test, logits, bins=5, examples=0, accepted=quality)


def guesses(labels: np.ndarray, case: Case, wrong: int) -> np.ndarray:
    """(N, K): the first `wrong` examples get the next class, the surest mistake last."""
    count, classes = len(labels), len(case.classes)
    guessed = np.where(np.arange(count) < wrong, (labels + 1) % classes, labels)
    confidence = np.where(np.arange(count) < wrong, np.minimum(0.6 + 0.01 * np.arange(count), 0.99), 0.95)
    probabilities = np.repeat((1 - confidence)[:, None] / (classes - 1), classes, axis=1)
    probabilities[np.arange(count), guessed] = confidence
    return probabilities


class Reader(HTMLParser):
    """Collects the tags, the attributes that could fetch something, and the words of each table row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.ids: list[str] = []
        self.cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [str(found[key]) for key in ("src", "href", "xlink:href") if key in found]
        self.ids += [str(found["id"])] if "id" in found else []
        self.images += [found] if tag == "img" else []
        self.rows += [[]] if tag == "tr" else []
        if tag in ("th", "td"):
            self.rows[-1].append("")
        self.cell = self.cell or tag in ("th", "td")

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data.strip()


def decoded(image: dict[str, str | None]) -> np.ndarray:
    data = str(image["src"]).removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    case = Case()
    return write_page(make(tmp_path_factory.mktemp("page"), case), case)


def test_headline_says_what_came_out(page: str) -> None:
    assert "<h1>Test error 20.0% → 10.0% (teacher → student)</h1>" in page
    assert "lowered the error by 10.0 points on 50 test examples" in page
    assert "mended 5 mistakes of the teacher&#39;s and made 0 new" in page
    assert "comes up in 6.2% of cases, so it may be chance" in page  # 2 · (1/2)^5
    assert "animals · build <code>3f9a1c7e</code>" in page


def test_scores_and_differences_are_those_of_the_inputs(page: str) -> None:
    rows = Reader(page).rows
    assert ["Accuracy", "80.0%", "90.0%", "+10.0 pts", "better"] in rows
    assert ["Error", "20.0%", "10.0%", "−10.0 pts", "better"] in rows
    assert ["Macro F1", "0.750", "0.750", "0.000", "same"] in rows
    # Wilson's interval of 45 of 50, worked out by hand.
    assert [row[2] for row in rows if row[0] == "95% interval"] == ["78.6% –95.7%"]


def test_data_and_models_are_described(page: str) -> None:
    rows = Reader(page).rows
    assert ["train", "6", "6", "2"] in rows
    assert ["unlabelled", "12", "0", "–"] in rows
    assert ["test", "50", "50", "16–17"] in rows
    assert ["Parameters", "12,345", "12,345"] in rows
    assert ["Learning rate", "0.002", "0.001"] in rows
    assert ["Best epoch, whose weights are kept", "2", "1"] in rows


def test_only_what_retrain_changes_is_listed_for_it(page: str) -> None:
    listed = page[page.index("where it differs from train") : page.index('<section id="scores">')]
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", listed) == [("lr", "0.001")]


def test_classes_confusions_and_rounds_are_tabled(page: str) -> None:
    rows = Reader(page).rows
    assert ["cat → dog", "2", "11.8%"] in rows
    weakest = next(i for i, row in enumerate(rows) if row[0] == "Class" and "Precision" in row) + 2
    assert [row[0] for row in rows[weakest : weakest + 3]] == ["dog", "cat", "emu"]
    assert ["1", "12", "9", "0.900", "0.950"] in rows
    assert "9 of 12 unlabelled examples (75.0%)" in page
    assert "88.9% of them are right" in page


def test_whole_config_is_there_as_overrides(page: str) -> None:
    assert "train.optimizer.name=adam\n" in page
    assert "model.channels=[8, 16]\n" in page
    assert "pseudo_label.per_class=null\n" in page


def test_page_needs_nothing_from_outside(page: str) -> None:
    found = Reader(page)
    assert "script" not in found.tags
    assert found.links
    assert [link for link in found.links if not link.startswith(("data:", "#"))] == []
    assert "http" not in re.sub(r"data:[^\"]*", "", page)
    assert re.findall(r"url\((?!#)", page) == []
    assert len(found.ids) == len(set(found.ids))


def test_figures_take_their_colours_from_the_page(page: str) -> None:
    drawings = re.findall(r"<svg[^>]*viewBox=\"0 0 3.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) >= 4
    assert all("var(--ink)" in drawing or "currentColor" in drawing for drawing in drawings)
    assert "#b65a00" not in "".join(drawings)


def test_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    case, before = Case(shape=(12, 10, 3)), matplotlib.rcParams.copy()
    make(tmp_path, case)
    first = write_page(tmp_path, case)
    matplotlib.rcParams["font.size"] = 31
    assert write_page(tmp_path, case) == first
    assert matplotlib.rcParams["font.size"] == 31
    matplotlib.rcParams.update(before)
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["index.html"]


def test_mistakes_come_surest_first_with_their_pictures(tmp_path: Path) -> None:
    case = Case()
    page = write_page(make(tmp_path, case), case, examples=3)
    shown = page[page.index('<section id="mistakes">') :]
    assert "3 of the student's 5 mistakes" in shown.replace("&#39;", "'")
    # The student is wrong on rows 0 to 4, on row 4 with the highest confidence.
    captions = re.findall(r"(\w+) → <b>(\w+)</b><br>", shown)
    assert captions == [("dog", "emu"), ("cat", "dog"), ("emu", "cat")]
    assert re.findall(r"<small>(64|63|62)\.0%", shown) == ["64", "63", "62"]
    assert shown.count("teacher too") == 3
    images = Reader(shown).images
    stored = open_store(tmp_path / "prepared" / "test").take(np.array([4, 3, 2]))
    assert [decoded(image).tolist() for image in images] == [one[:, :, 0].tolist() for one in stored]
    assert {(image["width"], image["class"]) for image in images} == {("96", "crisp")}


def test_accepted_pictures_are_spread_over_classes_and_confidence(page: str) -> None:
    shown = page[page.index('<section id="pseudo-labels">') : page.index('<section id="mistakes">')]
    captions = re.findall(r"(\w+)<br><small>([\d.]+)%", shown)
    assert [name for name, _ in captions] == ["cat", "cat", "dog", "dog", "emu", "emu"]
    assert captions[:2] == [("cat", "91.0"), ("cat", "97.0")]


def test_no_student_is_said_plainly(tmp_path: Path) -> None:
    case = Case(kept=True, accepted=0)
    page = write_page(make(tmp_path, case), case)
    assert "<h1>Test error 20.0% (the student is the teacher)</h1>" in page
    assert "No pseudo-label was accepted, of 12 unlabelled examples. So the student is the teacher" in page
    assert ["Accuracy", "80.0%"] in Reader(page).rows
    assert ">Student<" not in page


def test_empty_pool_is_said(tmp_path: Path) -> None:
    case = Case(kept=True, accepted=0, pool=0)
    page = write_page(make(tmp_path, case), case)
    assert "The unlabelled pool is empty, so there was nothing to learn from" in page
    assert "The unlabelled pool is empty: there was nothing to label." in page


def test_a_worse_student_is_called_worse(tmp_path: Path) -> None:
    case = Case(teacher_wrong=1, student_wrong=20)
    page = write_page(make(tmp_path, case), case)
    assert "Test error 2.0% → 40.0%" in page
    assert "made it worse: the error rose by 38.0 points" in page
    assert "in less than 0.1% of cases, too rarely to be called chance" in page
    assert ["Accuracy", "98.0%", "60.0%", "−38.0 pts", "worse"] in Reader(page).rows


def test_no_mistake_at_all(tmp_path: Path) -> None:
    case = Case(teacher_wrong=0, student_wrong=0)
    page = write_page(make(tmp_path, case), case)
    assert "left the error on 50 test examples as it was. Both models are right and wrong on the same" in page
    assert "The student makes no mistake on 50 test examples." in page
    assert "There are none, on 50 test examples." in page
    assert "Commonest confusions" not in page


def test_names_and_settings_are_text_never_markup(tmp_path: Path) -> None:
    bad = "<script>alert('x')</script>"
    case = Case(classes=["a & b <i>", bad, "猫 $x_1$"], config=CONFIG | {"experiment": bad, "download": {"url": bad}})
    page = write_page(make(tmp_path, case), case)
    found = Reader(page)
    assert "script" not in found.tags
    assert found.tags.count("i") == len(case.classes)  # the bars of the pseudo-labels' table
    assert page.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") > 5
    assert ["a & b <i> → " + bad, "2", "11.8%"] in found.rows
    assert "猫 $x_1$" in page
    assert "a &amp; b &lt;i&gt;</text>" in page


def test_what_is_not_known_is_a_dash_and_claims_nothing(tmp_path: Path) -> None:
    case = Case()
    make(tmp_path, case)
    student, evaluation = tmp_path / "student" / "metrics.json", tmp_path / "evaluation" / "metrics.json"
    metrics, found = read_json(student), read_json(evaluation)
    metrics["val"]["macro_f1"] = None
    found["pseudo_labels"]["accuracy"] = None
    write_json(student, metrics)
    write_json(evaluation, found)
    page = write_page(tmp_path, case)
    assert ["Macro F1", "0.750", "–", "–", ""] in Reader(page).rows
    assert "nothing here says how many are right" in page
    assert "of them are right." not in page


def test_rows_of_a_table_are_told_by_where_they_come_from(tmp_path: Path) -> None:
    case = Case(shape=(5,))
    found = Reader(page := write_page(make(tmp_path, case), case, examples=3))
    assert found.images == []
    assert "picture" not in page
    assert "One example is a row of 5 features" in page
    assert ["feature 4", "5.843", "0.5", "−2", "1.235e+06"] in found.rows
    assert found.rows[-3:] == [
        ["test.csv:4", "dog", "emu", "64.0%", "emu"],
        ["test.csv:3", "cat", "dog", "63.0%", "dog"],
        ["test.csv:2", "emu", "cat", "62.0%", "cat"],
    ]


@pytest.mark.parametrize("channels", [2, 4])
def test_other_than_grey_and_colour_is_not_drawn(tmp_path: Path, channels: int) -> None:
    case = Case(shape=(8, 8, channels))
    found = Reader(write_page(make(tmp_path, case), case))
    assert found.images == []
    assert ["test.csv:4", "dog", "emu", "64.0%", "emu"] in found.rows


def test_one_model_alone_has_no_teachers_column(tmp_path: Path) -> None:
    case = Case(shape=(5,), kept=True, accepted=0)
    rows = Reader(write_page(make(tmp_path, case), case)).rows
    assert ["Origin", "Actual", "Predicted", "Confidence"] in rows


def test_what_prepare_said_and_left_out_is_shown(tmp_path: Path, page: str) -> None:
    faulty = [(f"a/{i} & b.png", "zero <bytes>") for i in range(60)]
    case = Case(notes=["no example of 'emu' in val", "60 faulty examples are left out"], faulty=faulty)
    noted = write_page(make(tmp_path, case), case)
    assert re.findall(r"<li>(.*)</li>", noted)[:2] == [
        "no example of &#39;emu&#39; in val",
        "60 faulty examples are left out",
    ]
    assert "<summary>60 faulty examples, left out</summary>" in noted
    listed = [row for row in Reader(noted).rows if row[1:] == ["zero <bytes>"]]
    assert [row[0] for row in listed] == [origin for origin, _ in faulty[:50]]
    assert "And 10 more, in <code>data/prepared/quarantine.csv</code>" in noted
    assert "faulty" not in page
    assert 'class="notes"' not in page


def test_only_the_known_truth_is_claimed(tmp_path: Path) -> None:
    case = Case(known=3)
    page = write_page(make(tmp_path, case), case)
    assert "The true label of 3 of them was withheld: measured against these, 88.9% are right." in page


def test_a_hundred_classes_stay_small_and_folded(tmp_path: Path) -> None:
    case = Case([f"kind {i}" for i in range(100)], (100, 120, 3), pool=120, accepted=120, tests=300, student_wrong=60)
    page = write_page(make(tmp_path, case), case, examples=60)
    assert len(page) < 2_000_000
    assert "The other 80 classes" in page
    assert len(Reader(page).images) == 120
    assert "kind 99</text>" in page


@pytest.mark.parametrize(("value", "text"), [(-0.0, "0.000"), (-0.0004, "0.000"), (-0.25, "−0.250"), (None, "–")])
def test_a_zero_has_no_sign(value: float | None, text: str) -> None:
    assert decimal(value) == text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    case = Case()
    (make(tmp_path, case) / "teacher" / "history.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"teacher.history\.csv"):
        write_page(tmp_path, case)
    assert not (tmp_path / "reports").exists()


def test_thumbnails_keep_the_shape_and_shrink() -> None:
    tall = picture(np.full((400, 200, 3), 77, np.uint8))
    assert (tall.width, tall.height, tall.crisp) == (48, 96, False)
    assert decoded({"src": tall.uri}).shape == (96, 48, 3)
    small = picture(np.full((28, 28, 1), 77, np.uint8))
    assert (small.width, small.height, small.crisp) == (84, 84, True)


def test_many_large_pictures_stay_within_the_budget() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 96, 96, 3)).astype(np.uint8)
    drawn = pictures(noise)
    assert 0 < sum(len(one.uri) for one in drawn) <= GRID_BYTES
    assert {one.width for one in drawn} == {96}


def test_spread_gives_every_class_its_share_from_least_to_most_sure() -> None:
    classes, confidence = [0] * 9 + [1] * 2 + [2] * 9, [i / 100 for i in range(80, 100)]
    chosen = spread(classes, confidence, 8)
    assert [classes[i] for i in chosen] == [0, 0, 0, 1, 1, 2, 2, 2]
    assert chosen == [0, 4, 8, 9, 10, 11, 15, 19]
    assert [classes[i] for i in spread(classes, confidence, 2)] == [0, 2]
    assert spread(classes, confidence, 0) == []
    assert sorted(spread(classes, confidence, 99)) == list(range(20))


def test_confusions_are_counted_and_ranked() -> None:
    matrix = np.array([[8, 2, 0], [0, 5, 5], [1, 0, 9]])
    assert most_confused(matrix) == [(1, 2, 5, 0.5), (0, 1, 2, 0.2), (2, 0, 1, 0.1)]
    drawn = confusion_matrix(matrix, ANIMALS)
    assert sorted(re.findall(r">(\d+)</text>", drawn)) == ["1", "2", "5", "5", "8", "9"]


def test_curves_mark_the_best_epoch_and_stand_one_epoch() -> None:
    one = {"epoch": [0.0], "train_loss": [1.0], "val_loss": [float("nan")]}
    short = Model({}, {"best_epoch": 0}, {key: np.array(value) for key, value in one.items()})
    assert "Epoch</text>" in history_curves({"teacher": short}, "loss", "Loss")
    three = {"epoch": [0, 1, 2], "train_loss": [3, 2, 1], "val_loss": [3, 1, 2]}
    history = {key: np.array(value, float) for key, value in three.items()}
    marked = history_curves({"student": Model({}, {"best_epoch": 1}, history)}, "loss", "Loss")
    assert len(re.findall(r"<use [^>]*var\(--student\)", marked)) == 1


def test_an_empty_bin_is_not_drawn() -> None:
    bins = [
        {"model": "teacher", "bin": "0", "confidence": "", "accuracy": "", "count": "0"},
        {"model": "teacher", "bin": "1", "confidence": "0.9", "accuracy": "0.8", "count": "7"},
    ]
    assert len(re.findall(r"<use [^>]*var\(--teacher\)", reliability(bins, ["teacher"]))) == 2


def test_a_rejected_student_is_not_blamed_on_missing_pseudo_labels() -> None:
    nobody = Outcome(10, {}, 0, 0)
    assert explanation({"teacher": 0.1}, 1, nobody, 5, 3).startswith("No retrained model was kept. So the student")


def test_importing_the_page_loads_no_training_library() -> None:
    heavy = "{'torch', 'pytorch_lightning', 'mlflow', 'sklearn', 'matplotlib.pyplot'}"
    code = f"import sys, sprout.report; sys.exit(str({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == "set()"
