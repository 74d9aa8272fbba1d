"""The report page of a classifier."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifier_builds import ANIMALS, Case, make, pool_labels, write_page
from html_page import Reader, decoded, linked, sections, self_contained
from sprout.data.foreign import Comparison, Foreign
from sprout.data.store import open_store
from sprout.evaluate.audit import Labels, by_epoch, in_short
from sprout.evaluate.labellers import Labelling, write_audit
from sprout.report.figures import confusion_matrix, reliability
from sprout.report.pages.class_result import Outcome, explanation, headline
from sprout.report.pages.classify import most_confused
from sprout.report.pages.label_examples import nearest, spread, suspects
from sprout.runtime.files import read_json, write_json, write_rows


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    case = Case()
    return write_page(make(tmp_path_factory.mktemp("page"), case), case)


def test_headline_states_the_result_and_its_significance(page: str) -> None:
    assert "<h1>Test error 20.0% → 10.0%, 95% interval 4.3% to 21.4% (teacher → student)</h1>" in page
    assert "had no clear effect: the error is 10.0 percentage points lower on 50 test examples." in page
    assert "5 mistakes of the teacher&#39;s and makes 0 new ones" in page
    assert "6.2% of cases (McNemar&#39;s exact test, p = 0.062), so it may be chance" in page  # 2 · (1/2)^5
    assert "animals · build <code>3f9a1c7e</code>" in page


def test_large_test_splits_have_their_interval_as_well(tmp_path: Path) -> None:
    case = Case(tests=2000, teacher_wrong=200, student_wrong=100, shape=(2, 2, 1))
    page = write_page(make(tmp_path, case), case)
    assert "<h1>Test error 10.00% → 5.00%, 95% interval 4.13% to 6.04% (teacher → student)</h1>" in page


def test_classes_confusions_and_rounds_are_in_tables(page: str) -> None:
    rows = Reader(page).rows
    assert ["cat → dog", "2", "11.8%"] in rows
    weakest = next(i for i, row in enumerate(rows) if row[0] == "Class" and "Precision" in row) + 2
    assert [row[0] for row in rows[weakest : weakest + 3]] == ["dog", "cat", "emu"]
    estimated, measured = "90.0% (70–97%) of 20", "88.9% (57–98%) of 9"
    assert ["1", "12", "9", "0.910", "0.950", estimated, measured] in rows
    assert "9 of 12 unlabelled examples (75.0%)" in page


def test_mistakes_are_shown_by_falling_confidence(tmp_path: Path) -> None:
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
    shown = shown[shown.index("6 accepted ones, some of each class") :]
    captions = re.findall(r"<b>(\w+)</b><br><small>([\d.]+)%", shown)
    assert [name for name, _ in captions] == ["cat", "cat", "dog", "dog", "emu", "emu"]
    assert captions[:2] == [("cat", "91.0"), ("cat", "97.0")]


def test_a_control_stands_between_teacher_and_student(tmp_path: Path) -> None:
    case = Case(teacher_wrong=10, control_wrong=8, student_wrong=5)
    page = write_page(make(tmp_path, case), case)
    assert "<h1>Test error 20.0% → 16.0% → 10.0%, 95% interval 4.3% to 21.4% (teacher → control → student)</h1>" in page
    assert (
        "against as many steps on labels alone, had no clear effect: the error is 6.0 percentage points lower" in page
    )
    assert "corrects 3 mistakes of the control&#39;s" in page
    assert ["Accuracy", "80.0%", "84.0%", "90.0%", "+6.0 pts", "better"] in Reader(page).rows


@pytest.fixture
def control_kept(tmp_path: Path) -> str:
    """The page of a build whose student lost against the control."""
    case = Case(teacher_wrong=10, control_wrong=8, student_wrong=9, kept="control")
    verdict = {"rival": "control", "kept": "control", "examples": 20, "wins": 1, "losses": 3, "passes_worse": 0.6}
    verdict |= {"noun": "val examples", "student_error": 0.25, "rival_error": 0.15}
    write_json(make(tmp_path, case) / "student/gate.json", verdict)
    return write_page(tmp_path, case)


def test_where_the_control_is_handed_on_the_page_says_so(control_kept: str) -> None:
    errors = "20.0% → 16.0% → 18.0%, the control's 95% interval 8.3% to 28.5%"
    headline = f"<h1>Test error {errors} (teacher → control → student; the control is handed on)</h1>"
    assert headline in control_kept.replace("&#39;", "'")
    assert (
        "against as many steps on labels alone, had no clear effect: the error is 2.0 percentage points higher"
        in control_kept
    )
    assert "The control, which was better on val, is handed on." in control_kept
    verdict = (
        "only the student is right on 1 and only the control on 3 (errors 25.0% and 15.0%): the control is handed on"
    )
    assert verdict in control_kept
    assert "would be handed on in 60.0% of cases" in control_kept
    assert "is handed on in its place, as <code>models/student</code>" in control_kept
    assert "The student that learned from them is not handed on; the control is." in of_labels(control_kept)


def test_a_student_that_is_not_handed_on_has_its_own_figures(control_kept: str) -> None:
    rows = Reader(control_kept).rows
    assert ["Metric", "Teacher", "Control, handed on", "Student", "Difference", "Verdict"] in rows
    assert ["Accuracy", "80.0%", "85.0%", "70.0%", "−15.0 pts", "worse"] in rows, "on val"
    assert ["Accuracy", "80.0%", "84.0%", "82.0%", "−2.0 pts", "worse"] in rows, "on test"
    assert ["Epoch whose weights are kept", "3", "1", "2"] in rows
    assert "The control gets 8 of 50 test examples wrong." in control_kept
    assert "of the control's 8 mistakes" in control_kept.replace("&#39;", "'")


def test_a_teacher_that_won_against_the_student_is_shown(tmp_path: Path) -> None:
    case = Case(teacher_wrong=5, student_wrong=9, kept="teacher", student=True)
    page = write_page(make(tmp_path, case), case)
    assert "(teacher → student; the teacher is handed on)</h1>" in page
    assert ["Accuracy", "90.0%", "82.0%", "−8.0 pts", "worse"] in Reader(page).rows
    assert "The teacher gets 5 of 50 test examples wrong." in page
    assert "teacher too" not in page


def test_cross_validation_is_called_so(tmp_path: Path) -> None:
    """Its predictions are those for the labels, and there is no second group of scores."""
    case = Case(teacher_wrong=10, control_wrong=8, student_wrong=5)
    folder = make(tmp_path, case)
    described = read_json(folder / "prepared/summary.json")
    write_json(folder / "prepared/summary.json", described | {"folds": 5})
    metrics = read_json(folder / "evaluation/metrics.json")
    metrics["cross_validation"] = metrics.pop("test")
    write_json(folder / "evaluation/metrics.json", metrics)
    page = write_page(folder, case)
    assert "<h1>Cross-validated error 20.0% → 16.0% → 10.0%, 95% interval 3.5% to 25.6%, 50 labels in 5 folds" in page
    assert "6.0 percentage points lower on 50 cross-validated labels" in page
    assert "Cross-validation in 5 folds: " in page
    assert "Each label is predicted by a model that has not learned from its fold" in page
    assert "test split" not in page
    assert ">Test: " not in page


def test_warnings_about_the_pool_are_among_the_notes(tmp_path: Path) -> None:
    case = Case(notes=["no example of 'emu' in val"])
    figures = {
        "classes": ["cat", "dog", "emu"],
        "examples": 100,
        "kept_share": 0.1,
        "labels": 20,
        "label_shares": [0.4, 0.3, 0.3],
        "predicted_shares": [1.0, 0.0, 0.0],
        "val": 100,
        "noun": "val examples",
        "confidence_on_val": 0.9,
        "confidence_on_pool": 0.9,
        "confidence_spread": 0.1,
    }
    write_json(make(tmp_path, case) / "student/pool.json", figures)
    notes = re.search(r'<ul class="notes">(.*?)</ul>', write_page(tmp_path, case), re.S)
    assert notes
    first, kept, shares = re.findall(r"<li>(.*)</li>", notes[1])
    assert "emu" in first
    assert "only 10%" in kept
    assert "cat 100% (labels 40%)" in shares


def test_a_kept_teacher_is_reported(tmp_path: Path) -> None:
    case = Case(kept="teacher", accepted=0)
    page = write_page(make(tmp_path, case), case)
    assert "<h1>Test error 20.0%, 95% interval 11.2% to 33.0% (the student is the teacher)</h1>" in page
    assert "No pseudo-label was accepted for 12 unlabelled examples. The student is therefore the teacher" in page
    assert ["Accuracy", "80.0%"] in Reader(page).rows
    assert ">Student<" not in page


def test_an_empty_pool_is_reported(tmp_path: Path) -> None:
    """There is no section on pseudo-labels, and no link to one."""
    case = Case(kept="teacher", accepted=0, pool=0)
    page = write_page(make(tmp_path, case), case)
    assert page.count("The unlabelled pool is empty, so there were no pseudo-labels to learn from.") == 1
    of_task = ["confusions", "classes", "reliability", "mistakes"]
    assert sections(page) == linked(page) == ["built", "scores", "training", *of_task, "configuration"]
    assert ">Pseudo-labels<" not in page


def test_a_worse_student_is_reported_as_worse(tmp_path: Path) -> None:
    case = Case(teacher_wrong=1, student_wrong=20)
    page = write_page(make(tmp_path, case), case)
    assert "Test error 2.0% → 40.0%" in page
    assert "made the model worse: the error rose by 38.0 percentage points" in page
    assert "less than 0.1% of cases (McNemar&#39;s exact test, p &lt; 0.001), so chance is an unlikely" in page
    assert ["Accuracy", "98.0%", "60.0%", "−38.0 pts", "worse"] in Reader(page).rows


def test_no_mistake_at_all(tmp_path: Path) -> None:
    case = Case(teacher_wrong=0, student_wrong=0)
    page = write_page(make(tmp_path, case), case)
    assert "did not change the error on 50 test examples. Both models are right and wrong on the same" in page
    assert "The student makes no mistake on 50 test examples." in page
    assert "There are no mistakes on 50 test examples." in page
    assert "Most frequent confusions" not in page


def test_unknown_metrics_are_dashes(tmp_path: Path) -> None:
    case = Case()
    make(tmp_path, case)
    student = tmp_path / "student" / "metrics.json"
    metrics = read_json(student)
    metrics["val"]["macro_f1"] = None
    write_json(student, metrics)
    page = write_page(tmp_path, case)
    assert ["Macro F1", "0.750", "–", "–", ""] in Reader(page).rows


def test_rows_of_a_table_are_listed_by_origin(tmp_path: Path) -> None:
    case = Case(shape=(5,))
    found = Reader(page := write_page(make(tmp_path, case), case, examples=3))
    assert found.images == []
    assert "pictures" not in page.partition("</style>")[2]
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


def test_a_single_model_has_no_teacher_column(tmp_path: Path) -> None:
    case = Case(shape=(5,), kept="teacher", accepted=0)
    rows = Reader(write_page(make(tmp_path, case), case)).rows
    assert ["Origin", "Actual", "Predicted", "Confidence"] in rows


def test_a_hundred_classes_stay_small_and_folded(tmp_path: Path) -> None:
    case = Case([f"kind {i}" for i in range(100)], (100, 120, 3), pool=200, accepted=120, tests=300, student_wrong=60)
    case.pool_wrong = 60
    page = write_page(make(tmp_path, case), case, examples=60)
    assert len(page) < 4_000_000
    assert "The other 80 classes" in page
    assert len(Reader(page).images) == 240
    assert "kind 99</text>" in page


def test_spread_gives_every_class_its_share_from_least_to_most_confident() -> None:
    classes, confidence = [0] * 9 + [1] * 2 + [2] * 9, [i / 100 for i in range(80, 100)]
    chosen = spread(classes, confidence, 8)
    assert [classes[i] for i in chosen] == [0, 0, 0, 1, 1, 2, 2, 2]
    assert chosen == [0, 4, 8, 9, 10, 11, 15, 19]
    assert [classes[i] for i in spread(classes, confidence, 2)] == [0, 2]
    assert spread(classes, confidence, 0) == []
    assert sorted(spread(classes, confidence, 99)) == list(range(20))


# The labels that the pool got.


def of_labels(page: str) -> str:
    return page[page.index('<section id="pseudo-labels">') : page.index('<section id="mistakes">')]


def test_coverage_and_precision_say_what_they_are(page: str) -> None:
    rows = Reader(of_labels(page)).rows
    assert ["Coverage, counted in the pool", "75.0%", "46.8% – 91.1%", "9 of 12"] in rows
    assert ["Coverage, estimated from val", "100.0%", "83.9% – 100.0%", "20 of 20"] in rows
    assert ["Precision, estimated from val", "90.0%", "69.9% – 97.2%", "18 of 20"] in rows
    assert ["Precision, measured against withheld true labels", "88.9%", "56.5% – 98.0%", "8 of 9"] in rows
    assert ["cat", "2", "3 of 4", "", "94.0%", "85.7% (49–97%) of 7", "66.7% (21–94%) of 3"] in rows


def test_wrong_labels_and_near_misses_are_shown(page: str) -> None:
    shown = of_labels(page)
    assert titles(shown)[:2] == ["The most confident of 1 wrong label", "Rejected, nearest to the threshold"]
    captions = re.findall(r"<b>(\w+)</b><br><small>(.*?)</small><br><small>(.*?)</small>", shown)
    assert captions[:2] == [("cat", "91.0%", "true: dog"), ("cat", "85.0%, needs 90.0%", "true: cat")]


def titles(shown: str) -> list[str]:
    return re.findall(r"<h3>([^<]*)</h3>", shown)


def test_without_truth_the_least_confident_are_shown(tmp_path: Path) -> None:
    case = Case(known=0, shape=(5,))
    shown = of_labels(write_page(make(tmp_path, case), case))
    assert "It is not measured, as no true label of theirs is known" in shown
    assert titles(shown) == ["Accepted with the least confidence", "Rejected, nearest to the threshold"]
    rows = Reader(shown).rows
    assert ["unlabelled.csv:0", "cat", "91.0%", "–"] in rows
    assert ["unlabelled.csv:9", "cat", "85.0%, needs 90.0%", "–"] in rows
    assert ["Precision, measured against withheld true labels", "–", "–", "–"] in rows


def test_everything_accepted_and_everything_rejected(tmp_path: Path) -> None:
    case = Case(accepted=12)
    shown = of_labels(write_page(make(tmp_path / "all", case), case))
    assert "12 of 12 unlabelled examples (100.0%) have an accepted pseudo-label. None is rejected." in shown
    assert not any("Rejected" in title for title in titles(shown))
    case = Case(accepted=0)
    shown = of_labels(write_page(make(tmp_path / "none", case), case))
    assert "No pseudo-label was accepted for 12 unlabelled examples." in shown
    assert titles(shown) == ["Rejected, nearest to the threshold"]
    assert ["Precision, measured against withheld true labels", "–", "–", "–"] in Reader(shown).rows


def test_a_class_that_is_never_predicted_has_a_row(tmp_path: Path) -> None:
    case = Case(pool=2, accepted=2)
    rows = Reader(of_labels(write_page(make(tmp_path, case), case))).rows
    assert ["emu", "2", "0 of 0", "", "–", "100.0% (61–100%) of 6", "–"] in rows


def test_a_student_that_labelled_the_pool_itself(tmp_path: Path) -> None:
    case = Case(labellers=("student",))
    shown = of_labels(write_page(make(tmp_path, case), case))
    assert "The student learned from 12 unlabelled examples directly" in shown
    assert "9 of 12 (75.0%) count." in shown
    assert "how often the student is right on val" in shown


def test_the_labels_of_a_training_are_a_curve_by_epoch(tmp_path: Path) -> None:
    case = Case(labellers=("student",))
    make(tmp_path, case)
    found = Labelling(pool_labels(case), pool_labels(case), by_epoch(np.array([[1, -2], [1, 2]]), np.array([0, 0])))
    write_audit(tmp_path / "evaluation", {"student": found}, case.classes)
    shown = of_labels(write_page(tmp_path, case))
    assert "how many of these were right" in shown
    assert ">of these right<" in shown
    write_audit(tmp_path / "evaluation", {"student": replace(found, by_epoch=found.by_epoch[:2])}, case.classes)
    assert "how many of these were right" not in of_labels(write_page(tmp_path, case)), "one epoch is no curve"


def test_teacher_and_student_may_both_have_labelled_the_pool(tmp_path: Path) -> None:
    case = Case(labellers=("teacher", "student"))
    page = write_page(make(tmp_path, case), case)
    assert self_contained(page)
    assert of_labels(page).count("By predicted class") == 2
    assert of_labels(page).count('scope="col">Round') == 1


def test_each_of_several_rounds_has_its_precision_and_the_last_one_is_shown(tmp_path: Path) -> None:
    case = Case()
    make(tmp_path, case)
    last = pool_labels(case)
    first = replace(last, accepted=np.arange(12) < 4)
    write_audit_of(tmp_path, {"teacher": first, "round 2": last}, case)
    rows = Reader(shown := of_labels(write_page(tmp_path, case))).rows
    precisions = [row[-1] for row in rows if row[:1] in (["1"], ["2"])]
    assert precisions == ["75.0% (30–95%) of 4", "88.9% (57–98%) of 9"]
    assert "labelled in the first round" in shown
    assert shown.count("By predicted class") == 1
    assert "how often the model of round 2 is right" in shown


def write_audit_of(root: Path, found: dict[str, Labels], case: Case) -> None:
    """The files of several rounds."""
    write_audit(root / "evaluation", {name: Labelling(each, each) for name, each in found.items()}, case.classes)
    short = {name: in_short(each, each) for name, each in found.items()}
    metrics = read_json(root / "evaluation/metrics.json") | {"pseudo_labels": short}
    write_json(root / "evaluation/metrics.json", metrics)
    rounds = [
        {"round": i, "labeller": name, "pool": 12, "accepted": each.accepted.sum(), "lowest_confidence": 0.9}
        for i, (name, each) in enumerate(found.items(), 1)
    ]
    columns = [*rounds[0], "mean_confidence"]
    write_rows(root / "pseudo_labels" / "rounds.csv", columns, [row | {"mean_confidence": 0.95} for row in rounds])


def test_what_was_left_out_of_the_pool_is_said_and_shown(tmp_path: Path) -> None:
    case = Case(labellers=("student",))
    root = make(tmp_path, case)
    compared = Comparison(12, 20, "val examples", 2e-5, 0.93, 0.25, 0.05, 3)
    Foreign.of({None: np.array([1, 4, 6])}, compared).write(root / "pseudo_labels")
    page = write_page(root, case)
    assert "these 3 of 12 unlabelled examples may belong to no class" in page
    shown = of_labels(page)
    assert "learned from 9 unlabelled examples directly (3 of 12 were left out" in shown
    gallery = shown.partition("Left out, as they may belong to no class")[2].partition("</ul>")[0]
    assert gallery.count("<li>") == 3


def test_without_labels_the_page_says_why(tmp_path: Path) -> None:
    case = Case(control_wrong=8, kept="control", labellers=())
    verdict = {"rival": "control", "kept": "control", "examples": 20, "wins": 1, "losses": 3, "passes_worse": 0.6}
    verdict |= {"noun": "val examples", "student_error": 0.25, "rival_error": 0.15}
    write_json(make(tmp_path, case) / "student/gate.json", verdict)
    assert "learned from the unlabelled examples without labels for them" in of_labels(write_page(tmp_path, case))
    write_json(tmp_path / "student/gate.json", None)
    assert "No prediction became a label, and no student was trained." in of_labels(write_page(tmp_path, case))


def test_suspects_and_near_misses() -> None:
    confidence, threshold = np.array([0.9, 0.95, 0.99, 0.7, 0.85, 0.2]), np.full(6, 0.8)
    accepted, true = np.arange(6) < 3, np.array([1, 0, 1, -1, -1, -1])
    labels = Labels(np.zeros(6, int), confidence, threshold, accepted, true)
    assert suspects(labels, 9).tolist() == [2, 0], "wrong, the most confident first"
    assert suspects(replace(labels, true=np.full(6, -1)), 2).tolist() == [0, 1], "the least confident first"
    assert nearest(labels, np.array([3]), 9).tolist() == [4, 5]


def test_calibration_is_shown_before_and_after(page: str) -> None:
    assert "Accuracy by confidence on the test split, before calibration" in page
    assert "Accuracy by confidence on the test split, after calibration" in page
    rows = [row for row in Reader(page).rows if row[-1:] == ["50"] and row[0] in ("Teacher", "Student")]
    assert [row[0] for row in rows] == ["Teacher", "Student"]
    # The student is right on 45 of 50 at 95%, and wrong on five at 62% on average.
    assert rows[1][1:] == ["0.107", "0.107", "1.25", "50"]


def test_confusions_are_counted_and_ranked() -> None:
    matrix = np.array([[8, 2, 0], [0, 5, 5], [1, 0, 9]])
    assert most_confused(matrix) == [(1, 2, 5, 0.5), (0, 1, 2, 0.2), (2, 0, 1, 0.1)]
    drawn = confusion_matrix(matrix, ANIMALS)
    assert sorted(re.findall(r">(\d+)</text>", drawn)) == ["1", "2", "5", "5", "8", "9"]


def test_an_empty_bin_is_not_drawn() -> None:
    bins = [
        {"model": "teacher", "calibration": "after", "bin": "0", "confidence": "", "accuracy": "", "count": "0"},
        {"model": "teacher", "calibration": "after", "bin": "1", "confidence": "0.9", "accuracy": "0.8", "count": "7"},
    ]
    assert len(re.findall(r"<use [^>]*var\(--teacher\)", reliability(bins, ["teacher"], "after"))) == 2


def test_a_rejected_student_is_not_explained_by_missing_pseudo_labels() -> None:
    outcome = Outcome(10, {"teacher": 0.1}, {}, corrected=0, broken=0)
    assert explanation(outcome, digits=1, pool=5, accepted=3).startswith("The retrained model was not kept.")


def test_an_empty_test_split_is_reported() -> None:
    outcome = Outcome(0, {}, {}, corrected=0, broken=0)
    assert "without test examples" in headline(outcome, digits=1)
    assert explanation(outcome, digits=1, pool=5, accepted=3) == "The test split has no labelled example."
