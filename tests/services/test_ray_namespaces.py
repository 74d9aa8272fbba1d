"""A Ray cluster of machines with addresses of their own: tasks, a training, a sweep, and a cut cable."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

pytest.importorskip("ray")

from namespaces import Machine, run_on, skip_where_not_allowed, two_machines
from ray_cluster import wait_until
from servers import free_port
from sweep_runs import count, study_of
from test_ray_nodes import script
from workspaces import copy_workspace, surroundings

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parents[1]
PATHS = os.pathsep.join(map(str, (TESTS.parent / "src", TESTS, TESTS / "services")))
SOON = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_client_keepalive_time_ms": "8000",
    "RAY_grpc_client_keepalive_timeout_ms": "4000",
}
"""A tenth of the time after which the head, and the process that has asked for tasks, miss a machine."""
VARIABLES = SOON | {"PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}
TASKS = """
import sys
from functools import partial
from sprout.runtime.engine import RayTasks
from tasks_of_tests import waits, where
engine = RayTasks(sys.argv[1], None)
print(*sorted(set(engine.run_in_order(partial(where, 0.3) for _ in range(8)))))
print(*sorted(set(engine.compute_in_order(partial(where, 0.3) for _ in range(8)))))
print(*engine.run_in_order(partial(waits, number, *sys.argv[2:]) for number in range(4)), flush=True)
"""


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    """The head of a cluster and a node, with one CPU each."""
    skip_where_not_allowed()
    with TemporaryDirectory(prefix="ray-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        with two_machines(Path(folder)) as (head, node):
            head.start_ray(VARIABLES)
            node.start_ray(VARIABLES, head)
            yield head, node


def come_back(head: Machine, node: Machine) -> None:
    """Let a machine join the cluster again whose cable was cut."""
    node.kill()
    node.link("up")
    node.start_ray(VARIABLES, head)


def wait_while(process: "subprocess.Popen[str]", path: Path, count: int = 1) -> None:
    """Wait until so many files of a pattern are there; fails if the process ends before."""

    def came() -> bool:
        assert process.poll() is None, process.communicate()
        return len(list(path.parent.glob(path.name))) >= count

    wait_until(came)


def test_tasks_run_on_both_and_once_more_where_the_cable_is_cut(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    head, node = machines
    started, go = tmp_path / "started", tmp_path / "go"
    started.mkdir()
    words = [sys.executable, "-c", TASKS, f"{head.address}:6379", str(started), str(go)]
    process = run_on(head, words, tmp_path, VARIABLES)
    wait_while(process, started / "*", 2)
    there = {path.name for path in started.iterdir()} & {
        f"{number}-{pid}" for number in range(4) for pid in node.processes()
    }
    assert len(there) == 1
    node.link("down")
    began = time.monotonic()
    go.touch()  # the result of the machine that is lost does not come
    printed, said = process.communicate(timeout=300)
    took = time.monotonic() - began
    come_back(head, node)
    assert process.returncode == 0, said
    assert printed.splitlines() == [f"{head.address} {node.address}"] * 2 + ["0 1 2 3"]
    number = there.pop().partition("-")[0]
    assert len(list(started.glob(f"{number}-*"))) == 2
    assert took < 60


def test_a_training_by_both_resumes_when_the_cable_was_cut(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    head, node = machines
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "script.py").write_text(script(f"{head.address}:6379"))
    process = run_on(head, [sys.executable, "script.py", "LONG", "slowly"], folder, VARIABLES)
    wait_while(process, folder / "step-20")
    ranks = [{int(path.read_text()) for path in folder.glob("pid-*")} & {*each.processes()} for each in machines]
    assert list(map(len, ranks)) == [1, 1]
    node.link("down")
    wait_until(lambda: not ranks[0] & {*head.processes()})
    come_back(head, node)
    said = process.communicate(timeout=400)[1]
    assert process.returncode == 0, said
    assert "it resumes from its last checkpoint (1 of 3 times)" in said
    assert "Traceback" not in said
    assert (folder / "found").exists()


def test_a_worker_of_another_machine_reaches_the_supervisor(
    machines: tuple[Machine, Machine], prepared_project: Path, tmp_path: Path
) -> None:
    head, _ = machines
    project = copy_workspace(prepared_project, tmp_path / "project")
    there = surroundings(project) | SOON | {"SPROUT_CLUSTER": "ray", "RAY_ADDRESS": f"{head.address}:6379"}
    there["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{free_port()}"  # which is down: runs wait in the outbox
    words = ["sprout", "sweep", "sweep.trials=2", "sweep.workers=2", "sweep.sampler=random", "sweep.pruner=none"]
    process = run_on(head, [*words, "train.threads=1", "train.epochs=1", "sweep.name=both"], project, there)
    seen: set[Machine] = set()

    def on_both() -> bool:
        assert process.poll() is None, process.communicate()
        seen.update(each for each in machines if any(map(is_worker, each.processes())))
        return len(seen) == 2

    wait_until(on_both)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    assert count(study_of(project, "digits-both")) == {"COMPLETE": 2}


def is_worker(pid: int) -> bool:
    try:
        return b"sprout.sweep.worker_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
