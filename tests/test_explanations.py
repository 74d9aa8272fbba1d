"""What the stage `evaluate` writes of the model that is handed on, and how the report shows it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import task_builds
from estimators import CNN
from handmade import model, opened
from html_page import Reader, linked, sections, self_contained
from sprout.config.evaluate import Explain
from sprout.data.store import Array, class_indices, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.evaluate import evaluate as evaluation
from sprout.evaluate.audit import Labels
from sprout.evaluate.evaluate import examine_on
from sprout.evaluate.evaluate_build import HandedOn
from sprout.evaluate.tested_on import CROSS_VALIDATION, TEST
from sprout.explain.chosen import chosen_examples
from sprout.explain.feature_map import feature_map
from sprout.explain.files import (
    EXAMPLES,
    FILTERS,
    FOLDER,
    IMPORTANCE,
    LABEL_ISSUES,
    MAP,
    NEIGHBOURS,
    read_examples,
    read_filters,
)
from sprout.explain.neighbours import nearest
from sprout.explain.subject import Subject
from sprout.explain.write import write_explanations
from sprout.models.card import OUT_OF_FOLD
from sprout.models.predictor import Predictor
from sprout.runtime.engine import LocalProcesses
from task_builds import GRADIENT_DESCENT, IMAGE, ROW, page_of

ALL = Explain(examples=8, filters=3, map=40, feature_importance=True, label_issues=True)
NOTHING = Explain(examples=0, filters=0, map=0, feature_importance=False, label_issues=False)
CLASSES = ["ant", "bee", "cat"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """How filters and maps look is another test's question."""
    monkeypatch.setattr("sprout.explain.filters.STEPS", 2)
    monkeypatch.setattr("sprout.explain.embedding.ROUNDS", 250)


def pool_labels(count: int) -> Labels:
    """Labels of the pool, of which every second is accepted."""
    predicted, shares = np.arange(count) % 3, np.full(count, 0.9, np.float32)
    return Labels(predicted, shares, shares, np.arange(count) % 2 == 0, np.full(count, -1))


def subject_in(root: Path, one: Predictor, **changes: Any) -> Subject:
    """The model of a build that `page_of` has made."""
    tested = examine_on(opened(student=one), open_store(root / "prepared/test"), LocalProcesses())
    found = HandedOn(one, root / "student", tested, tested.outcomes["student"], pool_labels(4) if one.classes else None)
    return Subject(HandedOn(**vars(found) | changes), root / "prepared")


def build(root: Path, task: str, shape: tuple[int, ...], *, labels: bool = True, **changes: Any) -> Subject:
    """A build of a task; its model is that of `handmade`."""
    page_of(root, task, shape, labels=labels, **changes)
    return subject_in(root, model(task, shape, classes=CLASSES if labels else [], **changes))


def written(root: Path, subject: Subject, wanted: Explain = ALL) -> set[str]:
    write_explanations(root / "evaluation", subject, wanted)
    beside = {LABEL_ISSUES} if (root / "evaluation" / LABEL_ISSUES).exists() else set()
    return {path.name for path in (root / "evaluation" / FOLDER).iterdir()} | beside


@pytest.fixture
def classifier(tmp_path: Path) -> Subject:
    return build(tmp_path, "classify", IMAGE, architecture=CNN)


@pytest.mark.parametrize(
    ("task", "shape", "labels", "expected"),
    [
        ("classify", IMAGE, True, {EXAMPLES, NEIGHBOURS, MAP, LABEL_ISSUES}),
        ("classify", ROW, True, {EXAMPLES, NEIGHBOURS, MAP, LABEL_ISSUES, IMPORTANCE}),
        ("regress", IMAGE, False, {EXAMPLES, MAP}),
        ("regress", ROW, False, {EXAMPLES, MAP, IMPORTANCE}),
        ("reconstruct", IMAGE, False, {MAP, FILTERS}),
        ("cluster", IMAGE, False, {MAP}),
    ],
)
def test_each_task_has_what_applies_to_it(
    tmp_path: Path, task: str, shape: tuple[int, ...], labels: bool, expected: set[str]
) -> None:
    features = [f"feature {i}" for i in range(shape[0])] if len(shape) == 1 else None
    found = written(tmp_path, build(tmp_path, task, shape, labels=labels, features=features))
    assert found == expected
    page = task_builds.write_page(tmp_path, GRADIENT_DESCENT, 6)
    assert self_contained(page)
    assert set(linked(page)) <= set(sections(page))
    assert {"map"} | ({"label-issues"} if labels else set()) <= set(sections(page))


def test_nothing_is_written_when_nothing_is_wanted(tmp_path: Path, classifier: Subject) -> None:
    before = task_builds.write_page(tmp_path, GRADIENT_DESCENT, 6)
    assert written(tmp_path, classifier, NOTHING) == set()
    assert task_builds.write_page(tmp_path, GRADIENT_DESCENT, 6) == before
    assert "filters" not in sections(before)


def test_the_same_model_is_explained_by_the_same_bytes(tmp_path: Path, classifier: Subject) -> None:
    names = written(tmp_path, classifier)
    (tmp_path / "evaluation").rename(tmp_path / "first")
    (tmp_path / "evaluation").mkdir()
    assert written(tmp_path, subject_in(tmp_path, classifier.model.predictor)) == names
    for path in [Path(LABEL_ISSUES), *(Path(FOLDER, name) for name in names - {LABEL_ISSUES})]:
        assert (tmp_path / "evaluation" / path).read_bytes() == (tmp_path / "first" / path).read_bytes(), path


def test_half_of_the_explained_are_the_most_confident_mistakes(classifier: Subject) -> None:
    rows = chosen_examples(classifier, 8)
    label = class_indices(classifier.model.tested.store.labels)
    predicted, confidence = classifier.predicted, classifier.confidence
    assert (predicted[rows] != label[rows]).tolist() == [True] * 4 + [False] * 4
    assert np.all(np.diff(confidence[rows[:4]]) <= 0)
    assert confidence[rows[0]] == confidence[predicted != label].max()
    assert len(chosen_examples(classifier, 1000)) == 30


def test_neighbours_are_those_of_the_mistakes(tmp_path: Path, classifier: Subject) -> None:
    written(tmp_path, classifier)
    table = pq.read_table(tmp_path / "evaluation" / FOLDER / NEIGHBOURS)
    mistakes = read_examples(tmp_path / "evaluation" / FOLDER / EXAMPLES).rows[:4]
    assert table["row"].to_pylist() == np.repeat(mistakes, 4).tolist()
    one, train = classifier.model.predictor, open_store(tmp_path / "prepared/train")
    expected = nearest(one.embed(classifier.model.tested.store.take(mistakes)), one.embed(train.take(np.arange(6))), 4)
    assert table["neighbour"].to_pylist() == expected.rows.ravel().tolist()


def test_the_map_has_all_kinds_and_every_mistake(tmp_path: Path, classifier: Subject) -> None:
    table = feature_map(classifier, 1000)
    counts = {kind: table["kind"].to_pylist().count(kind) for kind in set(table["kind"].to_pylist())}
    mistakes = len(classifier.mistakes)
    assert counts == {
        "labelled": 6, "pseudo-labelled": 2, "unlabelled": 2, "mistake": mistakes, "tested": 30 - mistakes,
    }  # fmt: skip
    few = feature_map(classifier, 16)
    assert few.num_rows == 16
    assert few["kind"].to_pylist().count("mistake") == 6, "before other tested examples"
    of_pool = table.to_pylist()[6:10]
    assert [row["label"] for row in of_pool] == [0, None, 2, None]
    assert all(0 <= row[axis] <= 1 for row in table.to_pylist() for axis in ("x", "y"))


def crossed(root: Path, classifier: Subject) -> Subject:
    """The same without a test split: cross-validation gets train's first label wrong, of all others it is sure."""
    train, label = classifier.train, class_indices(classifier.train.labels)
    examined = 9.0 * np.eye(3, dtype=np.float32)[np.where(np.arange(6) == 0, (label + 1) % 3, label)]
    np.save(root / "student" / OUT_OF_FOLD, examined)
    predictor = classifier.model.predictor
    found = predictor.task.outcomes(examined, predictor.card, label)
    tested = evaluation.Tested(CROSS_VALIDATION, train, {"student": found})
    return subject_in(root, predictor, tested=tested, outcomes=found)


def test_cross_validation_says_which_labels_are_doubtful(tmp_path: Path, classifier: Subject) -> None:
    found = crossed(tmp_path, classifier)
    written(tmp_path, found)
    (row,) = pq.read_table(tmp_path / "evaluation" / LABEL_ISSUES).to_pylist()
    assert (row["row"], row["origin"], row["given"], row["suggested"]) == (0, "train:0", 0, 1)
    assert row["score"] < 0.1
    neighbours = pq.read_table(tmp_path / "evaluation" / FOLDER / NEIGHBOURS)
    assert neighbours["row"].to_pylist() == [0] * 4
    assert 0 not in neighbours["neighbour"].to_pylist(), "not the example itself"
    kinds = feature_map(found, 1000).to_pylist()
    assert [(one["split"], one["row"]) for one in kinds if one["kind"] == "mistake"] == [("train", 0)]
    assert TEST not in {one["split"] for one in kinds}


def page_with(root: Path, subject: Subject) -> str:
    written(root, subject)
    return task_builds.write_page(root, GRADIENT_DESCENT, 6)


def part(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}">')
    return page[start : page.index("</section>", start)]


def test_the_page_shows_mistakes_with_saliency_and_neighbours(tmp_path: Path, classifier: Subject) -> None:
    shown = part(page_with(tmp_path, classifier), "why")
    assert len(Reader(shown).images) == 8 * 2 + 4 * 4
    assert shown.count('class="near"') == 4


def test_the_page_shows_filters_of_each_convolution(tmp_path: Path, classifier: Subject) -> None:
    shown = part(page_with(tmp_path, classifier), "filters")
    layers = read_filters(tmp_path / "evaluation" / FOLDER / FILTERS)
    assert re.findall(r"<h3>Convolution <code>(\S+)</code> <span class=\"note\">(.*?)</span>", shown) == [
        (layer.layer, f"3 of {count} filters") for layer, count in zip(layers, (4, 8), strict=True)
    ]
    assert len(Reader(shown).images) == 6


def test_the_map_has_a_dot_for_each_example_and_one_image_for_all(tmp_path: Path, classifier: Subject) -> None:
    page = page_with(tmp_path, classifier)
    shown = part(page, "map")
    assert len(re.findall(r'<i class="mark [^>]*data-what=', shown)) == 40
    assert re.findall(r"url\((\S{22})", shown) == ["data:image/png;base64,"]
    assert "script" not in Reader(page).tags
    assert re.findall(r'data-what="mistake: (\w+) → (\w+)"', shown)


def test_the_page_shows_doubtful_labels(tmp_path: Path, classifier: Subject) -> None:
    shown = part(page_with(tmp_path, crossed(tmp_path, classifier)), "label-issues")
    assert "1 of 6 training labels does not fit" in shown
    assert "labelled ant<br>probably <b>bee</b>" in shown


def test_a_page_without_doubtful_labels_says_so(tmp_path: Path, classifier: Subject) -> None:
    found = crossed(tmp_path, classifier)
    sure = 9.0 * np.eye(3, dtype=np.float32)[class_indices(classifier.train.labels)]
    np.save(tmp_path / "student" / OUT_OF_FOLD, sure)
    assert "None of 6 training labels looks wrong" in part(page_with(tmp_path, found), "label-issues")


def copies_of(root: Path, parents: list[int]) -> Array:
    rows = np.arange(len(parents))
    images = task_builds.examples(len(parents), IMAGE, 9)
    labels = label_table(rows, rows % 3, source="augmented", group=rows, origin=[f"train:{row}" for row in parents])
    write_store(root / "augmented", images, labels)
    return images


def test_augmented_copies_are_shown_beside_their_originals(tmp_path: Path, classifier: Subject) -> None:
    copies_of(tmp_path, [1, 2, 4, 1, 2, 4])
    shown = part(task_builds.write_page(tmp_path, GRADIENT_DESCENT, 6), "copies")
    titles = re.findall(r'title="(.*?)"', shown)
    assert titles == ["train:1", "train:1", "train:1", "train:2", "train:2", "train:2"], "one of each class"
    assert shown.count("<b>original</b>") == 2


def test_features_of_a_table_are_listed_by_importance(tmp_path: Path) -> None:
    names = ["feature 0", "feature 1", "feature 2"]
    page = page_with(tmp_path, build(tmp_path, "classify", ROW, features=names))
    rows = [row for row in Reader(part(page, "importance")).rows if row[0] in names]
    assert len(rows) == 3
    values = [float(row[1].replace("−", "-")) for row in rows]
    assert values == sorted(values, reverse=True)
    assert Reader(part(page, "why")).images == []
