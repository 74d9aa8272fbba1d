"""The complete pipeline, run by its commands on the digits."""

import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from sprout.tracking.connection import connect
from workspaces import commit_all, copy_workspace, git, run, start

BY_PSEUDO_LABELS = ["retrain=default", "~retrain.steps_per_epoch", "pseudo_label=default"]
"""A student that trains as its teacher, on pseudo-labels as well."""
PAGE = "reports/index.html"
STAGES = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the default experiment was built and committed."""
    folder = copy_workspace(prepared_project, tmp_path_factory.mktemp("built") / "sprout")
    run(folder, "dvc", "repro")
    commit_all(folder)
    return folder


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of what the pipeline made, but for logs and stores of runs."""
    made = ["build/config.yaml", "data", "models", "reports"]
    paths = [p for name in made for p in [folder / name, *(folder / name).rglob("*")] if p.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(paths)}


def apart_from_record(folder: Path) -> dict[str, str]:
    """The same, but for what the report page says of when and where it was made."""
    page = (folder / PAGE).read_text(encoding="utf-8")
    return checksums(folder) | {PAGE: re.sub(r'<dl class="made">.*?</dl>', "", page, flags=re.DOTALL)}


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "reports/evaluation/metrics.json").read_text())
    return found


def runs(folder: Path) -> list[Any]:
    """All MLflow runs of the workspace, oldest first."""
    client = connect(f"sqlite:///{folder}/mlruns/mlflow.db")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(ids, order_by=["attributes.start_time ASC"]))


def by_role(folder: Path, build: str) -> dict[str, Any]:
    """The runs of one build."""
    return {r.data.tags["sprout.role"]: r for r in runs(folder) if r.data.tags["sprout.build"] == build}


def build_name(config: str) -> str:
    return hashlib.sha256(config.encode()).hexdigest()[:12]


def test_all_models_are_good_and_everything_is_there(built: Path) -> None:
    """Which of the two is better is chance in a single build: `benchmarks.seeds` tells over ten."""
    test = metrics(built)["test"]
    assert set(test) == {"teacher", "control", "student"}
    assert max(test[role]["error_rate"] for role in test) < 0.1
    assert test["student"] != test["teacher"]
    gate = json.loads((built / "models/student/gate.json").read_text())
    assert (gate["rival"], gate["examples"]) == ("control", 200)
    assert gate["kept"] == ("student" if gate["wins"] >= gate["losses"] else "control")
    assert run(built, "dvc", "status").startswith("Data and pipelines are up to date")
    page = (built / "reports/index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert f"{test['student']['error_rate']:.1%}" in page
    (build,) = (each for each in runs(built) if each.data.tags["sprout.role"] == "build")
    assert f"<code>sprout show {build.info.run_id[:8]}</code>" in page
    assert re.search(r"<dt>Trainings</dt><dd>[\d:]+ \(min:s\) in 4 trainings</dd>", page)


def test_nothing_is_built_twice(built: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (built / "models").rglob("*")}
    printed = run(built, "dvc", "repro")
    assert printed.count("didn't change, skipping") == len(STAGES)
    assert {path: path.stat().st_mtime_ns for path in (built / "models").rglob("*")} == before


@pytest.mark.parametrize(
    ("edited", "stale"),
    [
        (["tracking/ui.py", "tracking/run.py", "runtime/training_progress.py", "sweep/pictures.py"], set()),
        (["report/figures.py", "report/pages/classify.py"], {"report"}),
        (["data/contact_sheet.py"], {"prepare", "augment"}),
        (["engine/module.py"], {"train", "pseudo_label", "control", "retrain"}),
    ],
    ids=["tracking and progress", "pages", "contact sheets", "training"],
)
def test_a_comment_makes_only_those_stages_stale_that_it_may_change(
    built: Path, edited: list[str], stale: set[str]
) -> None:
    for name in edited:
        with (built / "src/sprout" / name).open("a") as file:
            file.write("# Another remark.\n")
    status = json.loads(run(built, "dvc", "status", "--json"))
    git(built, "checkout", "--quiet", "src")
    assert set(status) == stale


def test_runs_tell_what_was_built_from_what(built: Path) -> None:
    config = (built / "build/config.yaml").read_text()
    found = by_role(built, build_name(config))
    assert set(found) == {"build", "teacher", "control", "student"}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    parent = found["build"].info.run_id
    assert {found[role].data.tags["mlflow.parentRunId"] for role in ("teacher", "control", "student")} == {parent}
    teacher = found["teacher"]
    assert teacher.data.params["train.lr"] == "0.002"
    lock = yaml.safe_load((built / "dvc.lock").read_text())["stages"]["prepare"]["outs"][0]["md5"]
    assert {d.dataset.name: d.dataset.digest for d in teacher.inputs.dataset_inputs}["prepared"] == lock[:12]
    assert teacher.data.tags["mlflow.sprout.data.data/prepared"] == lock
    test = metrics(built)["test"]
    assert found["build"].data.metrics["student/test_error_rate"] == pytest.approx(test["student"]["error_rate"])


def test_the_student_is_the_champion(built: Path) -> None:
    """Its predictions are those of the model folder; the version says what it is."""
    client = connect(f"sqlite:///{built}/mlruns/mlflow.db")
    assert {alias: str(each) for alias, each in client.get_registered_model("digits").aliases.items()} == {
        "champion": "1"
    }
    version, found = (
        client.get_model_version("digits", "1"),
        by_role(built, build_name((built / "build/config.yaml").read_text())),
    )
    kept = json.loads((built / "reports/evaluation/metrics.json").read_text())["handed_on"]
    assert (version.run_id, version.tags["sprout.handed_on"]) == (found["build"].info.run_id, kept)
    weights = hashlib.sha256((built / "models/student/model.safetensors").read_bytes()).hexdigest()
    assert version.tags["sprout.weights"] == weights
    lock = yaml.safe_load((built / "dvc.lock").read_text())["stages"]["prepare"]["outs"][0]["md5"]
    assert version.tags["sprout.data"] == lock
    test, val = metrics(built)["test"][kept], json.loads((built / "models/student/metrics.json").read_text())["val"]
    assert version.tags["sprout.test"].startswith(f"error {test['error_rate']:.1%} (")
    assert version.tags["sprout.val"].startswith(f"error {val['error_rate']:.1%} (")
    assert version.description.startswith("Test error ")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(built.parent / "a.png")
    of_folder = run(built, "sprout", "predict", "../a.png", "--json")
    of_version = run(built, "sprout", "predict", "../a.png", "--json", "--model", "models:/digits@champion")
    assert of_version == f"{of_folder}models:/digits@champion is digits version 1\n"


def test_the_lineage_is_that_of_the_run_and_of_the_workspace(built: Path) -> None:
    """With a store that does not exist the workspace says the same, but for runs and the registered model."""
    found = json.loads(run(built, "sprout", "lineage", "models/student", "--json"))
    assert found == json.loads(run(built, "sprout", "lineage", "digits", "--json")) | {"asked": found["asked"]}
    nodes = {node["name"]: node for node in found["nodes"]}
    assert {"raw data", "prepared data", "augmented copies", "teacher", "control", "student"} < set(nodes)
    stages = yaml.safe_load((built / "dvc.lock").read_text())["stages"]
    outs = {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"] if "md5" in out}
    assert {node["path"]: node["hash"] for node in nodes.values() if node["path"]}.items() <= outs.items()
    assert nodes["prepared data"]["details"] == ["train 100, val 200, unlabelled 997, test 500"]
    assert nodes["raw data"]["details"] == ["sklearn: digits"]
    script = (
        "from pathlib import Path; from sprout.tracking.reading.asked import of_folder; from dataclasses import asdict"
    )
    script += "; import json; print(json.dumps(asdict(of_folder(Path('models/student')))))"
    here = json.loads(run(built, "env", "MLFLOW_TRACKING_URI=sqlite:///none.db", "python", "-c", script))
    of_store = [node | {"runs": []} for node in found["nodes"] if node["name"] != "registered model"]
    assert here == found | {"run": None, "asked": "student", "nodes": of_store}


def test_dvc_shows_metrics_curves_and_settings(built: Path) -> None:
    shown = json.loads(run(built, "dvc", "metrics", "show", "--json"))  # a warning would be no JSON
    assert "reports/evaluation/metrics.json" in shown[""]["data"]
    page = run(built, "dvc", "plots", "show", "--out", "plots").strip().splitlines()[-1]
    html = Path(page.removeprefix("file://")).read_text()
    for expected in ("curves/val_loss.json", "curves/val_accuracy.json", "teacher", "student", "confusion"):
        assert expected in html, expected
    (built / "params.yaml").write_text("experiment: digits\noverrides: [train.lr=0.005]\n")
    run(built, "dvc", "repro", "compose")
    assert "train.lr" in run(built, "dvc", "params", "diff")
    git(built, "checkout", "--quiet", "params.yaml", "dvc.lock")
    run(built, "dvc", "checkout", "build/config.yaml")


def clone_with_remote(built: Path, folder: Path) -> Path:
    """A clone, and a remote of DVC with all data of the workspace, which both know."""
    run(built, "dvc", "remote", "add", "--local", "--default", "--force", "shared", str(folder / "remote"))
    run(built, "dvc", "push")
    git(folder, "clone", "--quiet", str(built), "clone")
    clone = folder / "clone"
    run(clone, "dvc", "remote", "add", "--local", "--default", "shared", str(folder / "remote"))
    return clone


def test_a_build_is_made_again_in_a_clone_to_the_same_bits(built: Path, tmp_path: Path) -> None:
    """Its data comes from the remote, and nothing of the clone or of the store changes."""
    clone = clone_with_remote(built, tmp_path)
    store, tracked = f"MLFLOW_TRACKING_URI=sqlite:///{built}/mlruns/mlflow.db", len(runs(built))
    printed = run(clone, "env", store, "sprout", "reproduce", "digits", "--json")
    found, _ = json.JSONDecoder().raw_decode(printed)
    assert [(data["path"], data["origin"]) for data in found["data"]] == [
        ("data/prepared", "shared"),
        ("data/augmented", "shared"),
        ("data/pretrained", "made again"),  # empty, as there are none
    ]
    verdict = found["verdict"]
    assert (verdict["same"], verdict["recorded"], verdict["environment"]) == (True, True, {})
    assert set(verdict["weights"]) == {"teacher", "control weak", "control strong", "student"}
    assert all(None not in pair for pair in verdict["weights"].values())
    assert {"data/pseudo_labels", "models/teacher", "models/control", "models/student"} <= set(verdict["outputs"])
    assert verdict["figures"]["student/test_error_rate"] == [metrics(built)["test"]["student"]["error_rate"]] * 2
    assert git(clone, "status", "--porcelain", "--ignored").splitlines() == ["!! .dvc/cache/", "!! .dvc/config.local"]
    assert git(clone, "worktree", "list").count("\n") == 1
    assert len(runs(built)) == tracked


def test_pushed_data_is_pulled_instead_of_built(built: Path, tmp_path: Path) -> None:
    clone = clone_with_remote(built, tmp_path)
    run(clone, "dvc", "pull")
    assert checksums(clone) == checksums(built)
    assert run(clone, "dvc", "repro").count("didn't change, skipping") == len(STAGES)


def test_rejected_pseudo_labels_leave_the_teacher_in_a_queued_copy(built: Path) -> None:
    """All in one: a build in a copy of the workspace, its runs, and a student that is the teacher."""
    change = f"overrides={json.dumps([*BY_PSEUDO_LABELS, 'pseudo_label.threshold=1.0'])}"
    printed = run(built, "dvc", "exp", "run", "--temp", "--name", "strict", "-S", change)
    assert "the student is the teacher" in printed
    shown = json.loads(run(built, "dvc", "exp", "show", "--json"))
    assert "strict" in json.dumps(shown)
    run(built, "dvc", "exp", "apply", "strict")
    card = json.loads((built / "models/student/model.json").read_text())
    assert card["kept"] == "teacher"
    test = metrics(built)["test"]
    assert test["student"] == test["teacher"]
    assert [path.name for path in (built / "models/control").iterdir()] == ["control.json"]
    found = by_role(built, build_name((built / "build/config.yaml").read_text()))
    assert found["teacher"].data.tags["sprout.restored"] == "true"
    assert found["build"].info.status == "FINISHED"
    git(built, "reset", "--quiet", "--hard")
    run(built, "dvc", "checkout", "--force")


def test_an_experiment_without_a_pool_ends_well(built: Path) -> None:
    changes = ["prepare.labels=null", "model=logistic", "train=scikit_learn", "~train.epochs", "~train.lr"]
    changes += [*BY_PSEUDO_LABELS, "augment=none", "tracking.log_model=false"]
    run(built, "dvc", "exp", "run", "--temp", "--name", "all", "-S", f"overrides={json.dumps(changes)}")
    run(built, "dvc", "exp", "apply", "all")
    assert metrics(built)["pseudo_labels"] == {}
    git(built, "reset", "--quiet", "--hard")
    run(built, "dvc", "checkout", "--force")


def test_two_processes_train_as_one_run(built: Path) -> None:
    before = checksums(built)
    printed = run(built, "sprout", "train", "train.devices=2", "train.epochs=2")
    assert "train: 2 epochs, the weights of epoch " in printed
    assert "Warning" not in printed
    newest = runs(built)[-1]
    assert newest.data.tags["sprout.role"] == "train"
    assert newest.info.status == "FINISHED"
    assert newest.data.params["train.devices"] == "2"
    assert "mlflow.parentRunId" not in newest.data.tags
    assert checksums(built) == before
    assert [r.data.tags["sprout.role"] for r in runs(built)].count("train") == 1


def test_a_mistake_ends_with_its_one_line_and_changes_nothing(built: Path) -> None:
    before = checksums(built)
    (built / "params.yaml").write_text("experiment: digits\noverrides: [train.lrr=0.005]\n")
    printed = run(built, "dvc", "repro", code=255)
    assert "error: train.lrr=0.005: no such key (did you mean lr?)" in printed
    assert "exited with 2" in printed
    assert "Traceback" not in printed
    git(built, "checkout", "--quiet", "params.yaml")
    run(built, "dvc", "checkout")
    assert checksums(built) == before


def stage_processes(folder: Path) -> list[psutil.Process]:
    """The stage scripts that run in this workspace."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = process.info["cmdline"] or []
        if process.info["cwd"] == str(folder) and any(word.startswith("pipelines/") for word in line):
            found.append(process)
    return found


def wait_for(condition: Any, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)


def kill_in(folder: Path, role: str, *, stage_too: bool) -> None:
    """Start a build and kill it by -9 once this role's first checkpoint lies there."""
    command = start(folder, "dvc", "repro")
    wait_for(lambda: list((folder / "build/checkpoints" / role).rglob("step-*.ckpt")), 300, "the first checkpoint")
    stages = stage_processes(folder)
    # Stopped, so that a fast training does not end before its dvc does.
    for process in stages:
        process.suspend()
    os.kill(command.pid, signal.SIGKILL)
    command.wait()
    for process in stages:
        process.kill() if stage_too else process.resume()


def test_a_build_killed_twice_goes_on_to_the_same_result(prepared_project: Path, built: Path, tmp_path: Path) -> None:
    """Once its `dvc`, whose stage then ends by itself; once both. In the end it is what an undisturbed build makes.

    What is killed are real processes; those between are not, which saves their imports.
    """
    folder = copy_workspace(prepared_project, tmp_path / "sprout")
    kill_in(folder, "teacher", stage_too=False)
    wait_for(lambda: not stage_processes(folder), 60, "the end of the orphaned stage")
    assert "teacher: resumes after step" in run(folder, "dvc", "repro", "control")
    kill_in(folder, "student", stage_too=True)
    again = start(folder, "dvc", "repro", warm=True)
    most = 0
    while again.poll() is None:
        most = max(most, len(stage_processes(folder)))
        time.sleep(0.2)
    log = folder.with_name("log").read_text()
    assert again.returncode == 0, log
    assert most == 1
    assert "student: resumes after step" in log
    assert apart_from_record(folder) == apart_from_record(built)
    ended = {(r.data.tags["sprout.role"], r.info.status) for r in runs(folder)}
    expected = {("teacher", "KILLED"), ("teacher", "FINISHED"), ("student", "KILLED"), ("student", "FINISHED")}
    assert ended == expected | {("control", "FINISHED"), ("build", "FINISHED")}
