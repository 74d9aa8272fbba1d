"""Scoring and evaluating in a Ray cluster that loses a machine: the same bytes as on one machine."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("ray")

from handmade import model, save
from loses_machines import LosesMachines
from ray_cluster import RayCluster
from sprout.config.cluster import Local
from sprout.data.dataset import Examples
from sprout.data.foreign import Foreign
from sprout.data.store import open_store
from sprout.evaluate import ranges
from sprout.evaluate.evaluate import evaluate, examine
from sprout.evaluate.labellers import mapped_predictions
from sprout.evaluate.ranges import open_model
from sprout.evaluate.val_errors import write_val_errors
from sprout.runtime.cpu_kernels import VARIABLES, own_kernels
from sprout.runtime.engine import Engine, LocalProcesses, RayTasks
from sprout.runtime.errors import UserError
from sprout.runtime.ray_compute import compute
from sprout.selftraining.round_files import write_rounds
from sprout.selftraining.rounds import run_round
from sprout.tasks.interfaces import Limits
from tasks_of_tests import threads_and_folder
from test_scoring import FEATURES, PREPARED, TEACHER, config_of, files, write_prepared, write_rows_of_table

pytestmark = pytest.mark.slow
CLASSES = [f"c{i}" for i in range(20)]


@dataclass(frozen=True)
class Cluster(Local):
    """A section whose engine a test has made."""

    made: Any = None

    def start(self) -> Engine:
        engine: Engine = self.made
        return engine


@pytest.fixture(autouse=True)
def long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(ranges, "TASK_SECONDS", 0.0)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A teacher, and a pool of four ranges."""
    monkeypatch.chdir(tmp_path)
    save(TEACHER, model("classify", (FEATURES,), classes=CLASSES, temperature=0.15))
    write_prepared(CLASSES, train=100, val=330, unlabelled=50_001)
    return tmp_path


def labelled(folder: str, cluster: Local) -> dict[str, bytes]:
    """The files of a round whose probabilities are aligned, and thus written to files meanwhile."""
    Path(folder).mkdir()
    examples, config = Examples.open(str(PREPARED / "train")), config_of("threshold", 0.3, 2000, "uniform")
    write_rounds(Path(folder), [run_round(1, TEACHER, config, examples, Foreign(), cluster)])
    return files(Path(folder))


def test_a_cluster_that_loses_a_machine_gives_the_same_labels(cluster: RayCluster, workspace: Path) -> None:
    expected, engine = labelled("ours", Local("local", None)), LosesMachines(cluster, workspace)
    assert labelled("theirs", Cluster("local", None, engine)) == expected
    assert len(engine.lost) == 1, "a machine was lost while probabilities were written"


def test_a_cluster_evaluates_to_the_same_bytes(cluster: RayCluster, workspace: Path) -> None:
    """Metrics, predictions and the errors on val; and the probabilities of the pool, each range in its place."""
    write_rows_of_table(PREPARED / "test", 50_001, len(CLASSES), known=True)
    opened = open_model(save(Path("models/student"), model("classify", (FEATURES,), seed=1, classes=CLASSES)))
    models, found = {"teacher": open_model(TEACHER), "student": opened}, {}
    for name, engine in (("local", LocalProcesses()), ("ray", RayTasks(cluster.address, None))):
        Path(name).mkdir()
        tested = examine(models, open_store(PREPARED / "test"), PREPARED, engine)
        evaluate(Path(name), models, tested, Limits(5, 0), {}, None)
        write_val_errors(Path(name), opened, PREPARED, engine, "val")
        mapped_predictions(opened, open_store(PREPARED / "unlabelled"), Path(name, "pool"), engine)
        found[name] = files(Path(name))
    assert {"metrics.json", "predictions.parquet", "val_errors.parquet", "pool"} <= set(found["local"])
    assert found["ray"] == found["local"]


def test_a_task_computes_with_the_threads_and_in_the_folder_of_this_process(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = [*RayTasks(cluster.address, None).compute_in_order(iter([partial(threads_and_folder)]))]
        assert found == [(3, str(tmp_path))]
    finally:
        torch.set_num_threads(before)


def test_machines_with_other_kernels_are_refused_unless_all_are_told_to_take_the_same(
    cluster: RayCluster, tmp_path: Path
) -> None:
    node, script = cluster.add(variables=VARIABLES["default"]), tmp_path / "script.py"
    script.write_text(
        "from functools import partial\nfrom sprout.config.cluster import Ray\n"
        f"engine = Ray('ray', {cluster.address!r}, None, None, 'default').with_kernels().start()\n"
        "from tasks_of_tests import capability\n"
        "print(*engine.compute_in_order(partial(capability) for _ in range(6)))\n"
    )
    try:
        message = rf"^cluster\.engine=ray: {os.uname().nodename} \(DEFAULT\) would .*cluster\.cpu_capability=default"
        with pytest.raises(UserError, match=message):
            next(RayTasks(cluster.address, None).compute_in_order(iter([partial(threads_and_folder)])))
        done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.stdout.split(), done.returncode) == (["DEFAULT"] * 6, 0), done.stderr
    finally:
        cluster.kill(node)


def test_a_machine_without_the_workspace_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}/none: not found on {os.uname().nodename}; "):
        compute(partial(threads_and_folder), tmp_path / "none", 1, own_kernels())
