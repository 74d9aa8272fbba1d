"""`sprout sweep` on a Ray cluster: the values of a local sweep, a lost machine, no free machine."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ray")

from optuna.study import Study

from ray_cluster import RayCluster, wait_until
from servers import free_port
from sprout.runtime.ray_tasks import connection
from sweep_runs import count, study_of
from workspaces import copy_workspace, run, start

pytestmark = pytest.mark.slow
GIVEN = ["sprout", "sweep", "sweep.trials=2", "sweep.sampler=random", "sweep.pruner=none", "train.threads=1"]


@pytest.fixture(scope="module")
def prepared(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workspace(prepared_project, tmp_path_factory.mktemp("sweep") / "project")


@pytest.fixture
def there(cluster: RayCluster) -> dict[str, str]:
    """The variables of a sweep on the cluster, whose tracking server is down: runs wait in the outbox."""
    tracking = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
    return tracking | {"RAY_ADDRESS": cluster.address, "SPROUT_CLUSTER": "ray"}


def values(study: Study) -> dict[tuple[tuple[str, object], ...], list[float]]:
    """Settings → values of the complete trials."""
    return {tuple(sorted(t.params.items())): t.values for t in study.trials if t.state.name == "COMPLETE"}


def checkpoints(project: Path, name: str) -> set[Path]:
    """The trainings that have written a checkpoint."""
    found = (project / "mlruns/sweeps" / f"digits-{name}" / "results/trainings").rglob("step-*.ckpt")
    return {path.parent for path in found}


def log(project: Path) -> str:
    return project.with_name("log").read_text() if project.with_name("log").exists() else ""


def processes_with(variable: str) -> list[int]:
    """The pids of the processes that have this variable, as NAME=VALUE."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_while(running: "subprocess.Popen[bytes]", happened: Callable[[], bool]) -> None:
    """Wait for what a process does; fails if it ends before."""

    def came() -> bool:
        assert running.poll() is None or happened(), "it has ended before"
        return happened()

    wait_until(came)


def test_a_sweep_ended_by_ctrl_c_and_resumed_has_the_values_of_a_local_one(
    prepared: Path, there: dict[str, str]
) -> None:
    settings = ["train.epochs=60", "sweep.workers=1"]
    mark = {"MARK_OF_TEST": "ended"}
    running = start(prepared, *GIVEN, *settings, "sweep.name=there", more=there | mark)
    wait_while(running, lambda: bool(checkpoints(prepared, "there")))
    assert len(processes_with("MARK_OF_TEST=ended")) >= 2, "the sweep and its worker"
    os.kill(running.pid, signal.SIGINT)
    wait_while(running, lambda: "no more trials start; waiting for 1" in log(prepared))
    os.kill(running.pid, signal.SIGINT)
    assert running.wait(timeout=60) == 130
    assert processes_with("MARK_OF_TEST=ended") == []
    assert count(study_of(prepared, "digits-there")) == {"FAIL": 1, "WAITING": 1}
    worker_log = prepared / "mlruns/sweeps/digits-there/logs/worker-0.log"
    assert "ended by SIGTERM" in worker_log.read_text(), "it saved and was not killed"

    # The same by an override; elsewhere the address is part of it.
    del there["SPROUT_CLUSTER"]
    run(prepared, *GIVEN, *settings, "sweep.name=there", "cluster=ray", more=there)
    # The attempt that was ended counts as a draw, so the second settings are the third ones here.
    run(prepared, *GIVEN, "train.epochs=60", "sweep.workers=2", "sweep.name=here", "sweep.trials=3")
    study = study_of(prepared, "digits-there")
    assert count(study) == {"COMPLETE": 2, "FAIL": 1}
    here = values(study_of(prepared, "digits-here"))
    assert values(study) == {drawn: here[drawn] for drawn in values(study)}
    assert "resumes after step" in worker_log.read_text()
    tracked = [path.read_text() for path in (prepared / "mlruns/outbox").glob("*/journal.jsonl")]
    assert any('"sprout.trial": "1"' in text for text in tracked)
    assert not any("cluster=ray" in text for text in tracked if '"sprout.trial"' in text)


def test_a_lost_machine_costs_an_attempt(prepared: Path, cluster: RayCluster, there: dict[str, str]) -> None:
    node = cluster.add()
    running = start(prepared, *GIVEN, "train.epochs=40", "sweep.workers=2", "sweep.name=lost", more=there)
    wait_while(running, lambda: len(checkpoints(prepared, "lost")) == 2)  # one on each machine
    cluster.kill(node)
    assert running.wait(timeout=400) == 0, log(prepared)
    study = study_of(prepared, "digits-lost")
    assert count(study) == {"COMPLETE": 2, "FAIL": 1}
    (failed,) = [trial for trial in study.trials if trial.state.name == "FAIL"]
    assert failed.user_attrs["reason"].startswith("its worker ended ")
    (again,) = [trial for trial in study.trials if trial.user_attrs.get("retry_of") == failed.number]
    assert again.params == failed.params
    assert again.user_attrs["attempt"] == 2


def test_without_a_free_machine_it_says_so_and_ctrl_c_ends_it(
    prepared: Path, cluster: RayCluster, there: dict[str, str]
) -> None:
    with connection(cluster.address) as ray:
        taken = ray.util.placement_group([{"CPU": 1}])
        assert taken.wait(60)
        running = start(prepared, *GIVEN, "train.epochs=1", "sweep.workers=1", "sweep.name=waits", more=there)
        said = "digits-waits: worker 0 is waiting for a slot (1 CPU on one machine); 0 of 2"
        wait_while(running, lambda: said in log(prepared))
        os.kill(running.pid, signal.SIGINT)
        began = time.monotonic()
        assert running.wait(timeout=60) == 130
        assert time.monotonic() - began < 30
        ray.util.remove_placement_group(taken)
    assert count(study_of(prepared, "digits-waits")) == {}


def test_a_store_of_sqlite_is_refused(prepared: Path, there: dict[str, str]) -> None:
    del there["MLFLOW_TRACKING_URI"]
    said = run(prepared, *GIVEN, "sweep.name=refused", code=2, more=there)
    assert "a SQLite file, which several machines must not write to; run `mlflow server" in said
