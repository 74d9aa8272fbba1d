"""The page of `sprout label`."""

import io
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from fastapi.responses import HTMLResponse
from PIL import Image

from labelling import STRATEGY, Page, browse, build, needs_browser, open_standing, save_model, serving
from sprout.config.download import Local
from sprout.config.formats import Folders
from sprout.data.prepare.answers import COLUMNS
from sprout.data.store import label_table, open_store, write_labels
from sprout.label.images import Place
from sprout.label.knowledge import Learning
from sprout.label.queue import Queue
from sprout.models.predictor import load_predictor
from sprout.runtime.disk import DiskError
from sprout.runtime.errors import UserError
from test_prepare import CLASSES, make_listing

POOL = 160
"""Images without a label."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    build()
    return tmp_path


@pytest.fixture
def page(workspace: Path) -> Iterator[Page]:
    with serving(open_standing()) as found:
        yield found


# Answers.


def test_an_answer_is_on_disk_when_it_is_confirmed(page: Page) -> None:
    question = page.next()[0]
    said = page.give(question, "bee")
    (row,) = page.rows()
    store = open_store(Path("data/prepared/unlabelled"))
    assert row.image == question["origin"] == store.labels["origin"][question["row"]].as_py()
    assert (row.answer, row.label, row.by, row.replaces) == ("class", "bee", "ann", "")
    assert row.decoded == "4x3x3 none page 0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row.at)
    assert said["counts"] == {"today": 1, "all": 1, "pool": POOL, "open": POOL - 1}
    assert page.standing.file.path == Path("data/source/sklearn-digits.labels.csv")


def test_what_is_answered_trains_and_is_not_asked_again_after_the_next_build(page: Page) -> None:
    one, two = page.next()[:2]
    page.give(one, "bee")
    page.give(two)
    build(*page.rows())
    with serving(open_standing()) as later:
        assert later.get("/state").json()["counts"] == {"today": 2, "all": 2, "pool": POOL - 2, "open": POOL - 2}
        train = open_store(Path("data/prepared/train")).labels
        row = train["origin"].to_pylist().index(one["origin"])
        assert train["label"][row].as_py() == CLASSES.index("bee")
        found = later.said("/answer", split="train", row=row, answer="class", label="cat")["written"]
        assert found["replaces"] == "bee"


def test_a_correction_and_undo(page: Page) -> None:
    question = page.next()[0]
    place = {"split": question["split"], "row": question["row"]}
    first = page.give(question, "bee")["written"]
    second = page.give(question, "cat")["written"]
    assert second["replaces"] == "bee"
    stale = page.post("/undo", **place, at=first["at"])
    assert (stale.status_code, "has another answer by now" in stale.json()["error"]) == (409, True)
    assert page.said("/undo", **place, at=second["at"])["held"] == first
    assert page.said("/undo", **place, at=first["at"])["held"] is None
    assert page.post("/undo", **place, at=first["at"]).status_code == 409
    assert [row.answer for row in page.rows()] == ["class", "class", "undone", "undone"]
    assert page.get("/state").json()["counts"]["all"] == 0


def test_a_batch_has_no_answered_image_and_skipped_ones_come_last(page: Page) -> None:
    first = page.next()
    assert len({each["row"] for each in first}) == STRATEGY.batch
    page.give(first[0], "ant")
    page.said("/skip", split="pool", row=first[1]["row"])
    seen = [each["row"] for _ in range(POOL // STRATEGY.batch + 1) for each in page.next()]
    assert sorted([*seen, *(each["row"] for each in first[2:])])[-1] < POOL
    assert first[0]["row"] not in seen
    assert seen[-1] == first[1]["row"], "it comes when nothing else is left"
    assert len(seen) == len(set(seen)) == POOL - len(first) + 1


def test_two_browsers_are_shown_different_images(page: Page) -> None:
    other = Page(page.standing, page.address, page.app, browser="two")
    ours = [each["row"] for _ in range(16) for each in page.next()]
    theirs = [each["row"] for _ in range(20) for each in other.next()]
    assert len(ours) + len(theirs) == POOL
    assert not set(ours) & set(theirs)
    assert page.next() == []
    assert {each["row"] for each in page.next(afresh=True)} <= set(ours), "a page that is loaded again"


def test_many_answers_at_once_are_all_kept(page: Page) -> None:
    rows = range(40)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: page.give({"split": "pool", "row": row}, CLASSES[row % 4]), rows))
    names = open_store(Path("data/prepared/unlabelled")).labels["origin"].to_pylist()
    assert {row.image: row.label for row in page.rows()} == {names[row]: CLASSES[row % 4] for row in rows}


def test_rows_that_others_write_are_seen(page: Page) -> None:
    (other,) = page.next()[:1]
    elsewhere = open_standing(by="bob")
    elsewhere.give_all([])
    with serving(elsewhere) as second:
        second.give(other, "dog")
    assert page.give(other, "ant")["written"]["replaces"] == "dog"
    assert [row.by for row in page.rows()] == ["bob", "ann"]


# What the page is told.


def test_the_model_is_asked_only_on_request(workspace: Path) -> None:
    save_model()
    with serving(open_standing()) as page:
        question = page.next()[0]
        assert question["suggested"] == ""
        found = page.get(f"/guess/pool/{question['row']}").json()["top"]
        store = open_store(Path("data/prepared/unlabelled"))
        expected = load_predictor(Path("models/student")).predict(store.take(np.array([question["row"]])))[0]
        assert [each["label"] for each in found] == [CLASSES[at] for at in expected.argsort()[::-1][:3]]
        assert found[0]["probability"] == pytest.approx(expected.max(), abs=1e-6)
        assert "the model in models/student" in page.get("/state").json()["source"]


def test_the_selection_knows_features_probabilities_and_new_answers(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model()
    standing = open_standing()
    knowledge = Learning(standing.images).learn()
    seen: list[Any] = []
    monkeypatch.setattr(
        "sprout.label.queue.select", lambda strategy, pool, count, seed: seen.append(pool) or np.arange(count)
    )
    queue = Queue(standing, STRATEGY)
    assert queue.choose(knowledge, 3) == [Place("pool", row) for row in range(3)]
    with serving(standing) as page:
        page.give({"split": "pool", "row": 1}, "dog")
        page.give({"split": "pool", "row": 2})
    assert queue.choose(knowledge, 3) == [Place("pool", row) for row in (0, 3, 4)]
    before, after = seen
    assert (len(before.features), len(before.labelled)) == (POOL, 40)
    assert (len(after.features), len(after.probabilities), len(after.labelled)) == (POOL - 2, POOL - 2, 41)
    assert after.classes[-1] == CLASSES.index("dog")
    np.testing.assert_array_equal(after.labelled[-1], before.features[1])
    np.testing.assert_allclose(before.probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (None, "models/student has no model yet"),
        ({"classes": ["a", "b"]}, "the model in models/student has other classes"),
        ({"shape": (6, 6, 1), "classes": CLASSES}, "the model in models/student takes images of another size"),
    ],
)
def test_without_a_model_that_fits_the_pixels_decide(workspace: Path, changes: Any, said: str) -> None:
    if changes is not None:
        from handmade import model, save

        save(Path("models/student"), model("classify", changes.pop("shape", (4, 3, 3)), **changes))
    standing = open_standing()
    learning = Learning(standing.images)
    found = learning.learn()
    assert found.source == f"images are chosen by their pixels: {said}"
    assert found.probabilities is None
    assert {split: len(each) for split, each in found.features.items()} == {"pool": POOL, "train": 40}
    # Principal components keep what tells images apart.
    pixels = open_store(Path("data/prepared/unlabelled")).take(np.arange(POOL)).reshape(POOL, -1) / 255
    distances = [np.linalg.norm(each[:40, None] - each[None, :40], axis=2) for each in (pixels, found.features["pool"])]
    assert np.corrcoef(distances[0].ravel(), distances[1].ravel())[0, 1] > 0.95
    with serving(standing) as page:
        page.next()
        assert page.get("/state").json()["guesses"] is False
        assert page.get("/guess/pool/0").status_code == 404


def test_the_page_answers_while_the_model_is_asked(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    real = Learning.learn
    monkeypatch.setattr(Learning, "learn", lambda self: release.wait(60) and real(self))
    with serving(open_standing()) as page:
        found = page.said("/next", section="pool")
        assert (found["waiting"], found["questions"], found["learning"]["total"]) == (True, [], POOL + 40)
        assert page.get("/").status_code == 200
        release.set()
        assert len(page.next()) == STRATEGY.batch


def test_a_failure_while_the_model_is_asked_is_said(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Learning) -> None:
        raise RuntimeError("no memory\nat all")

    monkeypatch.setattr(Learning, "learn", fail)
    with serving(open_standing()) as page:
        while not page.get("/state").json()["learning"]["error"]:
            pass
        found = page.post("/next", section="pool")
    assert (found.status_code, found.json()) == (500, {"error": "no memory at all"})
    assert "sprout label: no memory at all" in capfd.readouterr().err


def test_pseudo_labels_are_asked_for_from_the_least_confident(workspace: Path) -> None:
    names = open_store(Path("data/prepared/unlabelled")).labels["origin"].to_pylist()
    rows, confidence = np.array([3, 8, 5, 7]), np.array([0.99, 0.91, 0.95, 0.93])
    origin = [names[row] for row in rows[:3]] + ["of an earlier build"]
    table = label_table(rows, [0, 1, 2, 3], source="pseudo", group=rows, origin=origin, confidence=confidence, round_=1)
    write_labels(Path("data/pseudo_labels"), table)
    with serving(open_standing()) as page:
        assert page.get("/state").json()["sections"] == ["pool", "pseudo"]
        found = page.next("pseudo")
        assert [(each["row"], each["suggested"]) for each in found] == [(8, "bee"), (5, "cat"), (3, "ant")]
        assert found[0]["score"] == pytest.approx(0.91)
        said = page.give(found[0], "bee")
        assert said["left"]["pseudo"] == 2
        assert [each["row"] for each in page.next("pseudo", afresh=True)] == [5, 3]


@pytest.mark.parametrize("named", [True, False])
def test_labels_that_may_be_wrong_are_kept_or_corrected(workspace: Path, named: bool) -> None:
    train = open_store(Path("data/prepared/train")).labels
    name, label = train["origin"][4].as_py(), train["label"][4].as_py()
    suggested = (label + 1) % 4
    columns = {"given": label, "suggested": suggested}
    if named:
        columns = {key: CLASSES[index] for key, index in columns.items()}
    Path("reports/evaluation").mkdir(parents=True)
    rows = [{"row": 4, "origin": name, "score": 0.8, **columns}, {"row": 5, "origin": "gone", "score": 0.7, **columns}]
    pq.write_table(pa.Table.from_pylist(rows), "reports/evaluation/label_issues.parquet")
    with serving(open_standing()) as page:
        (found,) = page.next("issues")
        assert (found["split"], found["given"], found["suggested"]) == ("train", CLASSES[label], CLASSES[suggested])
        said = page.give(found, found["suggested"])
        assert (said["written"]["replaces"], said["left"]["issues"]) == (CLASSES[label], 0)
        build(*page.rows())
    assert open_store(Path("data/prepared/train")).labels["label"][4].as_py() == suggested


def test_an_image_is_shown_as_the_users_file_where_there_is_one(workspace: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    names = open_store(Path("data/prepared/unlabelled")).labels["origin"].to_pylist()
    folder = Path("data/source/pets")
    folder.mkdir(parents=True)
    Image.fromarray(large).save(folder / names[0], "PNG")
    (folder / names[1]).write_bytes(b"no image")
    with serving(open_standing(Local("local", "pets", Folders(kind="folders")))) as page:
        shown = [np.asarray(Image.open(io.BytesIO(page.get(f"/image/pool/{row}.png").content))) for row in range(3)]
    np.testing.assert_array_equal(shown[0], large)
    prepared = open_store(Path("data/prepared/unlabelled")).take(np.arange(3))
    np.testing.assert_array_equal(np.stack(shown[1:]), prepared[1:])


# What is refused.


MALFORMED: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "class": ("/answer", {"split": "pool", "row": 0, "answer": "class", "label": "eel"}, 400, "label='eel'"),
    "no class": (
        "/answer",
        {"split": "pool", "row": 0, "answer": "class"},
        422,
        "body: Value error, label is for",
    ),
    "none with a class": (
        "/answer",
        {"split": "pool", "row": 0, "answer": "none", "label": "cat"},
        422,
        "body: Value error, label is for",
    ),
    "other build": (
        "/answer",
        {"split": "pool", "row": 0, "answer": "none", "build": "x"},
        412,
        "the page shows the images of another build",
    ),
    "next of another build": (
        "/next",
        {"section": "pool", "build": "x"},
        412,
        "the page shows the images of another build",
    ),
    "row": ("/answer", {"split": "pool", "row": POOL, "answer": "none"}, 404, "pool 160: no such image"),
    "negative": ("/answer", {"split": "pool", "row": -1, "answer": "none"}, 422, "row: "),
    "huge": ("/answer", {"split": "pool", "row": 10**30, "answer": "none"}, 422, "row: "),
    "text": ("/answer", {"split": "pool", "row": "0", "answer": "none"}, 422, "row: "),
    "val": ("/answer", {"split": "val", "row": 0, "answer": "none"}, 422, "split: "),
    "answer": ("/answer", {"split": "pool", "row": 0, "answer": "undone"}, 422, "answer: "),
    "more": ("/answer", {"split": "pool", "row": 0, "answer": "none", "x": 1}, 422, "x: "),
    "section": ("/next", {"section": "test"}, 422, "section: "),
    "browser": ("/next", {"section": "pool", "browser": ""}, 422, "browser: "),
    "undo": ("/undo", {"split": "pool", "row": 0, "at": "x"}, 409, "file:"),
    "large": ("/skip", {"split": "pool", "row": 0, "browser": "x" * 200_000}, 413, "more than 100,000 bytes"),
    "path": ("/elsewhere", {}, 404, "Not Found"),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("shared"))
        build()
        with serving(open_standing()) as found:
            yield found


@pytest.mark.parametrize("name", MALFORMED)
def test_nonsense_is_refused_in_one_line(shared: Page, capfd: pytest.CaptureFixture[str], name: str) -> None:
    path, body, status, says = MALFORMED[name]
    found = shared.post(path, **body)
    assert found.status_code == status, found.text
    assert found.json()["error"].startswith(says)
    assert "\n" not in found.json()["error"]
    assert (shared.rows(), capfd.readouterr().err) == ([], "")


def test_pages_from_elsewhere_are_refused(shared: Page) -> None:
    body = '{"browser": "x", "split": "pool", "row": 0, "answer": "none"}'
    # Without a question to the server beforehand, a browser sends a page's words from elsewhere as text only.
    text = requests.post(f"{shared.address}/answer", body, headers={"Content-Type": "text/plain"}, timeout=20)
    assert text.status_code == 422
    assert (
        requests.options(f"{shared.address}/answer", headers={"Origin": "http://x.example"}, timeout=20).status_code
        == 405
    )
    assert requests.get(f"{shared.address}/state", headers={"Host": "x.example"}, timeout=20).status_code == 400
    for path in ("/image/pool/../../params.yaml", "/image/val/0.png", "/image/pool/-1.png", "/image/pool/160.png"):
        assert shared.get(path).status_code in (404, 422)
    assert shared.rows() == []


def test_a_damaged_file_is_said_and_nothing_is_written(page: Page) -> None:
    question = page.next()[0]
    page.give(question, "ant")
    with page.standing.file.path.open("a") as file:
        file.write("half a line\n")
    before = page.standing.file.path.read_bytes()
    found = page.post("/answer", split="pool", row=question["row"], answer="none")
    says = "data/source/sklearn-digits.labels.csv:3: 1 cells, not 8; correct or remove the line"
    assert (found.status_code, found.json()["error"]) == (400, says)
    assert page.standing.file.path.read_bytes() == before
    with pytest.raises(UserError, match=r"labels\.csv:3"):
        open_standing()


def test_a_disk_that_refuses_is_said(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise DiskError("data/source: read-only; mount it writable")

    monkeypatch.setattr(page.standing.file, "_write", refuse)
    found = page.post("/answer", split="pool", row=0, answer="none")
    assert (found.status_code, found.json()) == (507, {"error": "data/source: read-only; mount it writable"})


def test_rows_of_a_table_and_images_without_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    build(listing=make_listing(examples=np.zeros((400, 3), np.float32), features=["a", "b", "c"]))
    with pytest.raises(UserError, match="has rows of a table, and sprout label shows images"):
        open_standing()
    build(listing=make_listing(label=None, classes=None), labels=None)
    with pytest.raises(UserError, match="has no classes, so there is nothing to answer"):
        open_standing()


# In a browser.


DRIVE = """<iframe id="page" src="/" width="390" height="900"></iframe><script>
const frame = document.getElementById("page"), wait = (ms) => new Promise((done) => setTimeout(done, ms));
const inside = (id) => frame.contentDocument.getElementById(id);
async function until(met) { for (let n = 0; n < 400 && !met(); n++) await wait(25); }
const shown = () => !inside("question").hidden && inside("image").complete && inside("image").naturalWidth > 0;
async function press(key) {
  await until(shown);
  await wait(50);
  frame.contentDocument.dispatchEvent(new frame.contentWindow.KeyboardEvent("keydown", { key, bubbles: true }));
  await wait(150);
}
frame.onload = async () => {
  await until(() => inside("classes").children.length);
  const first = (await until(shown), inside("origin").textContent);
  for (const key of ["2", "n", "s", "4", "u", "3", "1", "1", "1"]) await press(key);
  await wait(400);
  const { scrollWidth, clientWidth } = frame.contentDocument.documentElement;
  document.body.append(`first=${first} all=${inside("all").textContent} beyond=${scrollWidth - clientWidth}`);
};
</script>"""


@needs_browser
@pytest.mark.slow
def test_a_browser_fills_the_page_and_answers_by_keys(page: Page) -> None:
    page.next()
    page.app.get("/drive", response_class=HTMLResponse)(lambda: DRIVE)
    plain = browse(f"{page.address}/")
    assert [name for name in CLASSES if f'value="{name}"' not in plain] == []
    assert '<img id="image" alt="the image to label" src="/image/pool/' in plain
    assert re.search(r'<b id="open">160</b>', plain)
    driven = browse(f"{page.address}/drive", milliseconds=20_000)
    found = re.search(r"first=(\S+) all=(\d+) beyond=(\d+)", driven)
    assert found is not None, driven[-3000:]
    rows = page.rows()
    assert [row.label or row.answer for row in rows] == ["bee", "none", "dog", "undone", "cat", "ant", "ant", "ant"]
    assert rows[0].image == found[1]
    assert rows[2].image == rows[3].image == rows[4].image, "the image that was undone is asked again"
    assert (found[2], found[3]) == ("6", "0"), "nothing is wider than a telephone"
    assert page.standing.file.path.read_text().splitlines()[0] == ",".join(COLUMNS)
