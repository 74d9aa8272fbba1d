"""The lineage of models: graphs of what is known of runs, as text and as a drawing."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from commands import Ended
from handmade import model, save
from registered import IMAGES, SHAPE, register
from sprout.commands.lineage import WIDTH, lines
from sprout.tracking import HANDED_ON, tracking_uri
from sprout.tracking.reading.lineage import Lineage, Node, lineage
from sprout.tracking.reading.lineage_svg import direct, placed, write_svg
from sprout.tracking.reading.made import Made
from tracked_runs import make_build, runs_of, track

OUTPUTS = ["source", "raw", "prepared", "augmented", "pretrained", "pseudo_labels"]
FEW = Made(
    title="digits train.lr=0.01",
    kind="build",
    run="0" * 32,
    settings={
        "download.source": "local",
        "download.name": "mine",
        "augment.copies": "4",
        "pretrained.source": "torchvision:resnet18",
        "prepare.folds": "null",
    },
    data={f"data/{name}": f"{name}-hash.dir" for name in OUTPUTS} | {"models/teacher": "t", "models/student": "s"},
    splits={
        "train": {"examples": 100, "labelled": 100},
        "val": {"examples": 0, "labelled": 0},
        "unlabelled": {"examples": 900, "labelled": 9},
    },
    labels={
        "teacher": {"pool": 900, "accepted": 300, "precision_measured": 0.95},
        "round 2": {"pool": 900, "accepted": 600, "precision_measured": None, "precision_estimated": 0.9},
        "student": {"pool": 900, "accepted": 1, "precision_measured": None, "precision_estimated": None},
    },
    figures={"teacher": {"test": {"error_rate": 0.25}, "val": {"log_loss": 1.0, "error_rate": 0.2}}},
    runs={"teacher": ("a" * 32,), "round 2": ("b" * 32,), "control": ("c" * 32, "d" * 32), "student": ("e" * 32,)},
    models=("teacher", "control", "student"),
    handed_on="control",
    version="digits version 4 (challenger)",
)
WITHOUT_POOL = replace(
    FEW,
    settings={"augment.copies": "0"},
    data={"data/prepared": "x", "data/augmented": "y"},
    splits={},
    labels={},
    models=("teacher",),
    handed_on="teacher",
    version=None,
)


def sources(found: Lineage) -> dict[str, tuple[str, ...]]:
    return {node.name: node.sources for node in found.nodes}


def node(found: Lineage, name: str) -> Node:
    return next(each for each in found.nodes if each.name == name)


def test_few_labels_in_rounds() -> None:
    found = lineage(FEW, "student")
    data = ("prepared data", "augmented copies", "weights")
    assert sources(found) == {
        "own files": (),
        "raw data": ("own files",),
        "prepared data": ("raw data",),
        "augmented copies": ("prepared data",),
        "weights": (),
        "teacher": data,
        "pseudo-labels 1": ("prepared data", "teacher"),
        "pseudo-labels 2": ("prepared data", "pseudo-labels 1"),
        "control": (*data, "teacher"),
        "student": (*data, "pseudo-labels 2", "teacher"),
        "evaluation": ("prepared data", "teacher", "control", "student"),
        "registered model": ("evaluation",),
    }
    assert (found.asked, found.run, found.title) == ("student", "0" * 32, "digits train.lr=0.01")
    assert node(found, "raw data").details == ("local: mine",)
    assert node(found, "prepared data").details == ("train 100, unlabelled 900 (9 labelled)",)
    assert node(found, "teacher").details == ("error rate 20.0% on val, 25.0% on test",)
    first, second = (node(found, f"pseudo-labels {number}") for number in (1, 2))
    assert first.details == ("300 of 900 unlabelled examples, 95.0% right (measured)",)
    assert (first.path, first.runs) == (None, ())
    assert second.details == ("600 of 900 unlabelled examples, 90.0% right (estimated)",)
    assert (second.path, second.hash, second.runs) == ("data/pseudo_labels", "pseudo_labels-hash.dir", ("b" * 32,))
    assert node(found, "control").runs == ("c" * 32, "d" * 32)
    assert node(found, "student").details == ("its own labels: 1 of 900 unlabelled examples",)
    assert node(found, "evaluation").details == ("hands on the control",)


def test_a_build_without_a_pool_and_a_training_on_its_own() -> None:
    assert sources(lineage(WITHOUT_POOL, "nothing")) == {
        "prepared data": (),
        "teacher": ("prepared data",),
        "evaluation": ("prepared data", "teacher"),
    }
    assert lineage(WITHOUT_POOL, "nothing").asked is None
    alone = replace(WITHOUT_POOL, kind="trial", figures={"trial": {"val": {"mae": 3.0}}})
    found = lineage(alone, "trial")
    assert sources(found) == {"prepared data": (), "trial": ("prepared data",)}
    assert (node(found, "trial").details, node(found, "trial").runs) == (("mae 3 on val",), ("0" * 32,))
    assert (node(found, "trial").path, found.asked) == (None, "trial")


def test_folds_are_named() -> None:
    made = replace(WITHOUT_POOL, settings={"prepare.folds": "5"}, splits={"train": {"examples": 64, "labelled": 64}})
    made = replace(made, figures={"teacher": {"val": {"error_rate": 0.2}, "test": {"error_rate": 0.25}}})
    assert node(lineage(made), "prepared data").details == ("train 64", "5 folds for cross-validation")
    assert node(lineage(made), "teacher").details == ("error rate 25.0% on test, 20.0% cross-validated",)


def test_the_text_fits_into_80_columns() -> None:
    text = list(lines(lineage(FEW, "student")))
    assert max(map(len, text)) <= WIDTH
    assert text[:3] == [
        "student of digits train.lr=0.01, run 00000000",
        "",
        "own files         data/source          source-hash.",
    ]
    at = text.index("teacher           models/teacher       t             run aaaaaaaa")
    assert text[at + 1 : at + 3] == [
        "                  error rate 20.0% on val, 25.0% on test",
        "                  from prepared data, augmented copies, weights",
    ]


def test_the_drawing_leaves_out_what_a_longer_way_implies() -> None:
    assert direct(lineage(FEW)) == [
        ("own files", "raw data"),
        ("raw data", "prepared data"),
        ("prepared data", "augmented copies"),
        ("augmented copies", "teacher"),
        ("weights", "teacher"),
        ("teacher", "pseudo-labels 1"),
        ("pseudo-labels 1", "pseudo-labels 2"),
        ("teacher", "control"),
        ("pseudo-labels 2", "student"),
        ("control", "evaluation"),
        ("student", "evaluation"),
        ("evaluation", "registered model"),
    ]
    boxes = placed(lineage(FEW))
    assert boxes["control"].top == boxes["student"].top
    assert boxes["weights"].top == boxes["augmented copies"].top
    assert boxes["control"].left == boxes["weights"].left > boxes["student"].left
    order = [name for name in boxes if name not in ("control", "weights")]
    for above, below in pairwise(order):
        assert boxes[above].top + boxes[above].height < boxes[below].top


def test_the_drawing_is_a_file_of_its_own(tmp_path: Path) -> None:
    write_svg(tmp_path / "a.svg", lineage(FEW, "student"))
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    said = "".join(ElementTree.fromstring(text).itertext())  # noqa: S314, it was written here
    for each in ("digits train.lr=0.01, run 00000000", "pseudo-labels 2", "data/raw raw-hash.dir", "runs cccccccc"):
        assert each in said
    assert "http" not in text.replace("http://www.w3.org/", "")
    assert "--student: #0068a8" in text
    write_svg(tmp_path / "b.svg", lineage(FEW, "student"))
    assert (tmp_path / "b.svg").read_text(encoding="utf-8") == text
    write_svg(tmp_path / "c.svg", lineage(replace(WITHOUT_POOL, kind="train")))


@pytest.fixture
def build(root: Path, project: Path) -> dict[str, str]:
    """A store with a build, its teacher and student, and a training on its own; the ids of their runs by kind."""
    data = {"data/raw": "raw.dir", "data/prepared": "prepared.dir"}
    summary, metrics = root / "summary.json", root / "metrics.json"
    summary.write_text(json.dumps({"splits": {"train": {"examples": 7, "labelled": 7}}}))
    metrics.write_text(json.dumps({"pseudo_labels": {"teacher": {"pool": 9, "accepted": 4}}}))
    for number, role in enumerate(("teacher", "student")):
        with track(make_build(), role, tracking_uri(), data) as run:
            run.log_model(save(root / role, model("classify", SHAPE, number)), IMAGES)
    with track(
        make_build(), "build", tracking_uri(), data | {"models/student": "s"}, None, {HANDED_ON: "student"}
    ) as run:
        run.log_metrics(
            {"teacher/test_error_rate": 0.5, "student/val_error_rate": 0.25, "student/test_error_rate": 0.3}
        )
        run.log_artifact(summary, "data")
        run.log_artifact(metrics, "evaluation")
    with track(make_build(), "train", tracking_uri(), data, nested=False) as run:
        run.log_metrics({"val_error_rate": 0.125})
    return {run.data.tags["sprout.role"]: run.info.run_id for run in runs_of(tracking_uri())}


def printed(done: Ended) -> Any:
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_of_runs_and_model_folders(root: Path, build: dict[str, str], sprout: Callable[..., Ended]) -> None:
    found = printed(sprout("lineage", "digits", "--json"))
    assert (found["title"], found["run"], found["asked"]) == ("digits", build["build"], None)
    nodes = {each["name"]: each for each in found["nodes"]}
    assert list(nodes) == ["raw data", "prepared data", "teacher", "pseudo-labels 1", "student", "evaluation"]
    assert nodes["prepared data"] == {
        "name": "prepared data",
        "kind": "data",
        "sources": ["raw data"],
        "path": "data/prepared",
        "hash": "prepared.dir",
        "runs": [],
        "details": ["train 7"],
    }
    assert (nodes["student"]["hash"], nodes["student"]["runs"]) == ("s", [build["student"]])
    assert nodes["student"]["details"] == ["error rate 25.0% on val, 30.0% on test"]
    assert nodes["pseudo-labels 1"]["details"] == ["4 of 9 unlabelled examples"]
    # A training in the build, by its run or by its weights, wherever the folder is.
    for asked in (build["student"], "student", f"runs:/{build['student']}"):
        assert printed(sprout("lineage", asked, "--json")) == found | {"asked": "student"}
    (root / "student").rename(root / "elsewhere")
    assert printed(sprout("lineage", "elsewhere", "--json")) == found | {"asked": "student"}
    alone = printed(sprout("lineage", "train digits", "--json"))
    assert [each["name"] for each in alone["nodes"]] == ["raw data", "prepared data", "train"]
    assert alone["nodes"][2]["details"] == ["error rate 12.5% on val"]
    done = sprout("lineage", "student", "--svg", "graph.svg")
    assert done.out.startswith(f"student of digits, run {build['build'][:8]}\n")
    assert "prepared data" in (root / "graph.svg").read_text()


def test_of_a_registered_model(root: Path, project: Path, sprout: Callable[..., Ended]) -> None:
    register(root, 0, None)
    found = printed(sprout("lineage", "models:/digits@champion", "--json"))
    assert found["nodes"][-1]["details"] == ["digits version 1 (champion)"]


def test_what_nothing_is_known_of(root: Path, project: Path, sprout: Callable[..., Ended]) -> None:
    save(root / "bought", model("classify", SHAPE))
    done = sprout("lineage", "bought")
    assert (done.code, done.out) == (2, "")
    assert "bought: nothing says what it was made from: no run in the tracking store has logged its weights" in done.err
    assert "run nothing: not found" in sprout("lineage", "nothing").err
