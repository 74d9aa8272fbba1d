"""The report page: what every task shows."""

import html
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import matplotlib
import numpy as np
import pytest

import task_builds
from classifier_builds import CONFIG, Case, make, write_page
from html_page import Reader, decoded, linked, sections, self_contained
from made import MADE, RECORDED
from sprout.report.figures import history_curves
from sprout.report.formatting import decimal
from sprout.report.inputs import Model
from sprout.report.intervals import bootstrap_interval, mean_interval
from sprout.report.made import Made
from sprout.report.pictures import GALLERY_BYTES, picture, pictures
from sprout.runtime.checksums import write_sums
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, write_json
from sprout.tasks import TASKS
from sprout.tasks.base import Score
from sprout.tasks.regress import Regress
from task_builds import GRADIENT_DESCENT, IMAGE, ROW, page_of


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("page"), Case())


@pytest.fixture(scope="module")
def page(built: Path) -> str:
    return write_page(built, Case())


def test_data_and_models_are_described(page: str) -> None:
    rows = Reader(page).rows
    assert ["train", "6", "6", "2"] in rows
    assert ["unlabelled", "12", "0", "–"] in rows
    assert ["test", "50", "50", "16–17"] in rows
    assert ["Parameters", "12,345", "12,345"] in rows
    assert ["Learning rate", "0.002", "0.001"] in rows
    assert ["Epoch whose weights are kept", "3", "2"] in rows


def test_only_what_retrain_changes_is_listed_for_it(page: str) -> None:
    listed = page[page.index("where it differs from train") : page.index('<section id="scores">')]
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", listed) == [("lr", "0.001")]


def test_scores_and_differences_are_those_of_the_inputs(page: str) -> None:
    rows = Reader(page).rows
    assert ["Accuracy", "80.0%", "90.0%", "+10.0 pts", "better"] in rows
    assert ["Error", "20.0%", "10.0%", "−10.0 pts", "better"] in rows
    assert ["Macro F1", "0.750", "0.750", "0.000", "same"] in rows
    # Wilson's interval of 45 of 50, worked out by hand.
    assert [row[2] for row in rows if row[0] == "95% confidence interval"] == ["78.6% –95.7%", "4.3% –21.4%"]


def test_every_setting_is_listed_as_an_override(page: str) -> None:
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


def test_figures_use_the_colours_of_the_page(page: str) -> None:
    drawings = re.findall(r"<svg[^>]*viewBox=\"0 0 3.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) >= 4
    assert all("var(--ink)" in drawing or "currentColor" in drawing for drawing in drawings)
    assert "#b65a00" not in "".join(drawings)


def test_same_inputs_and_the_same_record_give_the_same_bytes(tmp_path: Path) -> None:
    case, before = Case(shape=(12, 10, 3)), matplotlib.rcParams.copy()
    make(tmp_path, case)
    first = write_page(tmp_path, case)
    matplotlib.rcParams["font.size"] = 31
    assert write_page(tmp_path, case) == first
    assert matplotlib.rcParams["font.size"] == 31
    matplotlib.rcParams.update(before)
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["index.html"]
    other = replace(MADE, time="2027-01-01 00:00+00:00", commit=None, recorded=None)
    assert without_record(write_page(tmp_path, case, made=other)) == without_record(first), "all else is of the inputs"


def without_record(page: str) -> str:
    whole, lists = re.subn(r'<dl class="made">.*?</dl>', "", page, flags=re.DOTALL)
    assert lists == 1
    return whole


TRACKED = replace(RECORDED, address="https://example.org/#/experiments/1/runs/0123", timed=2, seconds=3723.0)
ELSEWHERE = replace(RECORDED, machines=("Example CPU, 2 cores", "Example CPU, 8 cores, Example GPU"))
RECORDS: dict[str, tuple[Made, dict[str, str]]] = {
    "a file": (
        MADE,
        {
            "Made": "2026-01-02 03:04+00:00",
            "Code": "commit c0ffee012345",
            "Machine": "Example CPU, 2 cores",
            "Trainings": "1:23 (min:s) in 3 trainings",
            "MLflow": "sprout show 01234567",
        },
    ),
    "a server": (
        replace(MADE, changed=True, recorded=TRACKED),
        {
            "Code": "commit c0ffee012345 + uncommitted changes",
            "Trainings": "1:02:03 (h:min:s) in 2 of 3 trainings; the others are from DVC's cache, which keeps none",
            "MLflow": "run 01234567",
        },
    ),
    "two machines": (
        replace(MADE, recorded=ELSEWHERE),
        {"Machine": "Example CPU, 2 cores; Example CPU, 8 cores, Example GPU"},
    ),
    "no record": (
        replace(MADE, commit=None, recorded=None),
        {
            "Code": "not in git",
            "Machine": "Another CPU, 1 core (made this page; where the trainings ran is not recorded)",
            "Trainings": "durations not recorded",
            "MLflow": "the tracking store did not answer, or does not know the build",
        },
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_the_head_says_when_and_where_the_page_was_made(built: Path, name: str) -> None:
    made, expected = RECORDS[name]
    page = write_page(built, Case(), made=made)
    head = page[page.index('<dl class="made">') : page.index('<nav class="contents"')]
    listed = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", head)
    said = {title: html.unescape(re.sub(r"<.*?>", "", text)) for title, text in listed}
    assert {title: said[title] for title in expected} == expected
    assert (f'href="{TRACKED.address}"' in head) is (name == "a server")


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


def test_notes_and_quarantined_examples_are_shown(tmp_path: Path, page: str) -> None:
    quarantined = [(f"a/{i} & b.png", "zero <bytes>") for i in range(60)]
    case = Case(notes=["no example of 'emu' in val", "60 faulty examples are left out"], quarantined=quarantined)
    noted = write_page(make(tmp_path, case), case)
    assert re.findall(r"<li>(.*)</li>", noted)[:2] == [
        "no example of &#39;emu&#39; in val",
        "60 faulty examples are left out",
    ]
    assert "<summary>60 faulty examples, left out</summary>" in noted
    listed = [row for row in Reader(noted).rows if row[1:] == ["zero <bytes>"]]
    assert [row[0] for row in listed] == [origin for origin, _ in quarantined[:50]]
    assert "And 10 more, in <code>data/prepared/quarantine.csv</code>" in noted
    assert "faulty" not in page
    assert 'class="notes"' not in page


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
    assert 0 < sum(len(one.uri) for one in drawn) <= GALLERY_BYTES
    assert {one.width for one in drawn} == {96}


def test_curves_mark_the_best_epoch_and_accept_a_single_one() -> None:
    one = {"epoch": [1.0], "train_loss": [1.0], "val_loss": [float("nan")]}
    short = Model(Path(), {}, {"best_epoch": 1}, {key: np.array(value) for key, value in one.items()})
    assert "Epoch</text>" in history_curves({"teacher": short}, "loss", "Loss")
    three = {"epoch": [1, 2, 3], "train_loss": [3, 2, 1], "val_loss": [3, 1, 2]}
    history = {key: np.array(value, float) for key, value in three.items()}
    marked = history_curves({"student": Model(Path(), {}, {"best_epoch": 2}, history)}, "loss", "Loss")
    assert len(re.findall(r"<use [^>]*var\(--student\)", marked)) == 1


def test_the_axis_of_epochs_begins_at_1() -> None:
    epochs = np.arange(1.0, 41)
    long = Model(Path(), {}, {"best_epoch": 40}, {"epoch": epochs, "train_loss": epochs, "val_loss": epochs})
    drawn = history_curves({"teacher": long}, "loss", "Loss")
    ticks = [int(each) for each in re.findall(r">(\d+)</text>", drawn[: drawn.index(">Epoch</text>")])]
    assert min(ticks) >= 1
    assert max(ticks) == 40


def test_intervals_of_means_and_of_what_is_made_of_means() -> None:
    values = np.random.default_rng(0).normal(10, 2, 400)
    low, high = mean_interval(values)
    assert (low + high) / 2 == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.966 * values.std(ddof=1) / 20, rel=1e-3)  # t of 399 degrees of freedom
    drawn = bootstrap_interval(np.mean, values)
    assert drawn == pytest.approx((low, high), abs=0.03)
    assert bootstrap_interval(np.mean, values) == drawn
    pairs = bootstrap_interval(lambda first, second: first.mean() / second.mean(), values, 2 * values)
    assert pairs == (0.5, 0.5), "examples are drawn, not columns"
    assert bootstrap_interval(lambda each: float("nan") if each[0] < 10 else 1.0, values) == (1.0, 1.0)


def test_importing_the_page_loads_no_training_library() -> None:
    heavy = "{'torch', 'pytorch_lightning', 'mlflow', 'sklearn', 'matplotlib.pyplot'}"
    code = f"import sys, sprout.report; sys.exit(str({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == "set()"


@pytest.mark.parametrize(("task", "shape"), [("regress", ROW), ("reconstruct", IMAGE), ("cluster", IMAGE)])
def test_no_examples_are_shown_when_the_setting_is_zero(tmp_path: Path, task: str, shape: tuple[int, ...]) -> None:
    page = page_of(tmp_path, task, shape, wanted=0)
    assert "the setting <code>report.examples</code> is 0" in page
    assert Reader(page).images == []


@pytest.mark.parametrize("task", ["regress", "reconstruct", "cluster"])
def test_same_inputs_give_the_same_bytes_for_any_task(tmp_path: Path, task: str) -> None:
    page = page_of(tmp_path, task, IMAGE)
    assert task_builds.write_page(tmp_path, GRADIENT_DESCENT, 6) == page


class Toy(Regress):
    """A task with metrics of its own, for which there is no page."""

    name: ClassVar[str] = "toy"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("rmse", "Toy error", "compact", False),
        Score("r2", "R²", "share", True),
    )
    curves: ClassVar[tuple[tuple[str, str, str], ...]] = (("mae", "Toy curve", "Toy"),)
    meaning: ClassVar[str | None] = "What the toy measures."

    @classmethod
    def page(cls, inputs: Any, prepared: Path, examples: int) -> dict[str, Any]:
        return {}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of the toy task with 20 test examples whose value is known."""
    monkeypatch.setitem(TASKS, "toy", Toy)
    page_of(tmp_path, "regress", ROW)
    for role in ("teacher", "student"):
        path = tmp_path / role / "model.json"
        write_json(path, read_json(path) | {"task": "toy"})
        write_sums(path.parent, ["model.json"])
    return tmp_path


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_changed_card_is_refused(toy: Path, role: str) -> None:
    path = toy / role / "model.json"
    write_json(path, read_json(path) | {"temperature": 3.0})
    with pytest.raises(UserError, match=rf"{role}/model\.json: damaged or changed"):
        task_builds.write_page(toy, GRADIENT_DESCENT, 6)


def test_a_task_without_a_page_of_its_own_gets_a_complete_one(toy: Path) -> None:
    page = task_builds.write_page(toy, GRADIENT_DESCENT, 6)
    rmse = read_json(toy / "evaluation" / "metrics.json")["test"]["teacher"]["rmse"]
    assert f"<h1>Toy error {rmse:.4g}</h1>" in page
    assert "Measured on 20 test examples; lower is better." in page
    assert "task toy, from 6 training examples and 4 unlabelled examples" in page
    assert "What the toy measures." in page
    assert ["Toy error", f"{rmse:.4g}"] in Reader(page).rows
    assert sections(page) == linked(page) == ["built", "scores", "training", "configuration"]
    assert 'aria-label="Toy curve by epoch"' in page
    assert self_contained(page)


def test_a_page_may_add_its_own_words_intervals_and_rows(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"meaning": "Own words.", "intervals": {"r2": [(0.25, 0.5)]}, "model_rows": {"Toy setting": ["7"]}}
    monkeypatch.setattr(Toy, "page", lambda *_: own)
    page = task_builds.write_page(toy, GRADIENT_DESCENT, 6)
    rows = Reader(page).rows
    assert ["95% confidence interval", "25.0% –50.0%"] in rows
    assert ["Toy setting", "7"] in rows
    assert "Own words." in page
    assert "What the toy measures." not in page


def test_only_a_tasks_own_page_names_it() -> None:
    shared = [path for path in Path("src/sprout/report").iterdir() if path.is_file()]
    names = re.compile("|".join(rf"\b{name}\b" for name in TASKS))
    assert shared
    assert [path.name for path in shared if names.search(path.read_text(encoding="utf-8"))] == []
