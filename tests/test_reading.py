"""Reading tracked runs: what a query asks, which runs are found, and what is known of one."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from sprout.commands.show import lines
from sprout.runtime.errors import UserError
from sprout.tracking import GitState, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.reading.facts import facts_of
from sprout.tracking.reading.find import find_run
from sprout.tracking.reading.found import duration, find_runs
from sprout.tracking.reading.query import Query, metric_names, parse
from sprout.tracking.reading.store import open_store
from tracked_runs import make_build, track


def test_terms_become_conditions() -> None:
    query = parse(["experiment=digits", "kind=train,trial", "state=waiting", "train.lr!=0.01", "name~it's", "best=3"])
    assert (query.experiment, query.kinds, query.best) == ("digits", ("train", "trial"), 3)
    assert query.conditions == (
        "attributes.status = 'SCHEDULED'",
        "params.`train.lr` != '0.01'",
        "attributes.run_name LIKE '%it''s%'",
    )
    assert parse([]) == Query()
    assert parse(["student.error_rate < 0.05"]).figures == (("student.error_rate", "<", 0.05),)


def test_a_figure_is_on_test_or_cross_validated() -> None:
    assert metric_names("student.error_rate") == ["student/test_error_rate", "student/cross_validation_error_rate"]
    assert metric_names("student.val_error_rate") == ["student/val_error_rate"]
    assert metric_names("pool.coverage_student") == ["pool/coverage_student"]
    assert metric_names("val_error_rate") == ["val_error_rate"]
    assert parse(["best=2"]).ranked_by == ("student.error_rate", False)
    assert parse(["best=2", "kind=trial"]).ranked_by == ("val_error_rate", False)
    assert parse(["train.lr=1e-2", "train.epochs=12", "model.name=cnn"]).conditions == (
        "params.`train.lr` = '0.01'",
        "params.`train.epochs` = '12'",
        "params.`model.name` = 'cnn'",
    )
    assert parse(["best=2", "student.accuracy>0.5"]).ranked_by == ("student.accuracy", True)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("digits", "digits: not a filter; accepted: experiment=NAME"),
        ("state=done", "state=done: no such state; accepted: finished, running, waiting, failed, killed"),
        ("kind=nonsense", "kind=nonsense: 'nonsense' is no kind of run; accepted: build, sweep, train"),
        ("best=0", "best=0: should be a whole number from 1 on"),
        ("since=yesterday", "since=yesterday: not a day such as 2026-01-31"),
        ("train.lr<0.1", r"train\.lr<0\.1: settings are compared by = and != only"),
        ("student.error_rate<low", "'low' is not a number"),
        ("student.error_rate~0.1", "only name takes ~"),
        ("experiment~x", "experiment~x: experiment takes =; accepted: "),
    ],
)
def test_terms_that_are_refused(term: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse([term])


@pytest.fixture
def builds(root: Path) -> Any:
    """A store with four builds, the trainings of one of them, and a training that failed."""
    for seed, error in enumerate((0.3, 0.1, 0.2, None)):
        with track(make_build(seed), "build", tracking_uri()) as run:
            if error is not None:
                split = "cross_validation" if seed == 1 else "test"
                run.log_metrics({f"student/{split}_error_rate": error, "student/val_error_rate": error})
                run.describe(f"error {error:.0%}\n\nmore")
    with track(make_build(2), "teacher", tracking_uri()) as run:
        run.log_metrics({"val_error_rate": 0.25, "epochs": 3})
    with pytest.raises(ValueError, match="no"), track(make_build(), "train", tracking_uri(), nested=False):
        raise ValueError("no")
    return connect(tracking_uri())


def results(client: Any, *terms: str, limit: int = 20) -> list[str]:
    return [each.result for each in find_runs(client, parse(terms), limit)]


def test_runs_are_found(builds: Any) -> None:
    assert results(builds) == ["ValueError: no", "", "error 20%", "error 10%", "error 30%"]
    assert results(builds, limit=2) == ["ValueError: no", ""]
    assert results(builds, "kind=build", "student.error_rate<0.25") == ["error 20%", "error 10%"]
    assert results(builds, "kind=build", "student.val_error_rate>=0.2") == ["error 20%", "error 30%"]
    assert results(builds, "best=2") == ["error 10%", "error 20%"]
    assert results(builds, "best=1", "student.error_rate>0") == ["error 30%"]
    assert results(builds, "state=failed") == ["ValueError: no"]
    assert results(builds, "kind=teacher") == ["val_error_rate 0.25"]
    assert results(builds, "experiment=digits", "name~digit", "kind=build") == [
        "",
        "error 20%",
        "error 10%",
        "error 30%",
    ]
    assert results(builds, "since=2999-01-01") == []
    assert results(builds, "val_error_rate<0.3") == ["val_error_rate 0.25"]
    with pytest.raises(UserError, match="experiment=cats: no such experiment; there are: digits"):
        results(builds, "experiment=cats")


def test_a_found_run(builds: Any) -> None:
    (found,) = find_runs(builds, parse(["kind=teacher"]), 5)
    assert (found.name, found.experiment, found.kind, found.state) == ("teacher", "digits", "teacher", "finished")
    assert found.seconds is not None
    assert json.loads(json.dumps(asdict(found)))["metrics"] == {"val_error_rate": 0.25, "epochs": 3.0}


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "0:05"), (61, "1:01"), (3725, "1:02:05")])
def test_a_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_is_known_of_a_build(root: Path) -> None:
    summary, evaluation = root / "summary.json", root / "metrics.json"
    splits = {"train": {"examples": 100, "labelled": 40}, "test": {"examples": 7, "labelled": 7}}
    summary.write_text(json.dumps({"splits": splits}))
    found = {"pool": 60, "accepted": 30, "precision_measured": 0.9}
    found |= {"precision_measured_low": 0.8, "precision_measured_high": 0.95}
    evaluation.write_text(json.dumps({"pseudo_labels": {"student": found}}))
    git = GitState("c0ffee", "--- a\n")
    with track(make_build(), "build", tracking_uri(), {"data/prepared": "0123456789abcdef.dir"}, git) as run:
        run.log_metrics({"student/test_error_rate": 0.1, "teacher/test_error_rate": 0.2})
        run.log_curves({"pool_coverage": 0.5}, step=3)
        run.log_artifact(summary, "data")
        run.log_artifact(evaluation, "evaluation")
        run.describe("error 10%")
    with track(make_build(), "teacher", tracking_uri()):
        pass
    client = connect(tracking_uri())
    facts = facts_of(client, find_run(client, "digits"))
    assert (facts.commit, facts.dirty, facts.data) == ("c0ffee", True, {"data/prepared": "0123456789abcdef.dir"})
    assert facts.splits == splits
    assert facts.settings["train.lr"] == "0.1"
    assert [each.kind for each in facts.children] == ["teacher"]
    printed = list(lines(facts))
    said = {line.split()[0]: line for line in printed if isinstance(line, str) and line}
    assert printed[0] == "digits: error 10%"
    assert said["code"] == "code      commit c0ffee, with changes that its artifact git.diff has"
    assert said["data"] == "data      data/prepared 0123456789ab"
    assert said["examples"] == "examples  train 100 (40 labelled), test 7"
    assert said["labels"].endswith(
        "the student gave 30 of 60 unlabelled examples one, 90.0% of them right (measured, 95% interval 80.0% to 95.0%)"
    )
    figures, children = (each for each in printed if isinstance(each, Table))
    assert [column.header for column in figures.columns] == ["", "student", "teacher"]
    assert [list(column.cells) for column in figures.columns] == [["test_error_rate"], ["0.1"], ["0.2"]]
    assert children.row_count == 1
    # A training says what is known of its build's data.
    assert facts_of(client, find_run(client, "teacher")).splits == splits


def test_a_store_that_does_not_exist_is_not_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none/x.db")
    with pytest.raises(UserError, match=r"none/x\.db: no such store"):
        open_store()
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_process_has_died_is_killed(builds: Any) -> None:
    run = builds.search_runs(["1"], "tags.`sprout.role` = 'teacher'")[0].info.run_id
    builds.update_run(run, "RUNNING")
    assert [each.state for each in find_runs(builds, parse(["kind=teacher"]), 5)] == ["running"]
    builds.set_tag(run, "mlflow.sprout.process_created", "0.0")
    assert [each.state for each in find_runs(builds, parse(["kind=teacher"]), 5)] == ["killed"]
    builds.set_tag(run, "mlflow.sprout.machine", "another")
    assert [each.state for each in find_runs(builds, parse(["kind=teacher"]), 5)] == ["running"]


def test_a_build_whose_report_was_skipped_is_finished(builds: Any) -> None:
    """Its stages ran again with the same outputs, so DVC did not run the last one."""
    run = builds.search_runs(["1"], "tags.`sprout.role` = 'build'", max_results=1)[0].info.run_id
    builds.update_run(run, "SCHEDULED")
    builds.set_tag(run, "mlflow.sprout.process_created", "0.0")
    assert find_runs(builds, parse(["kind=build"]), 1)[0].state == "finished"
    builds.delete_tag(run, "mlflow.sprout.evaluated")
    assert find_runs(builds, parse(["kind=build"]), 1)[0].state == "killed"
