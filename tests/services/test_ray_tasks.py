"""Tasks in a Ray cluster: results in order, errors as they are, lost machines, signals."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("ray")

from ray_cluster import RayCluster, wait_until
from sprout.runtime.engine import RayTasks
from sprout.runtime.errors import UserError
from tasks_of_tests import dies, fails, square, waits

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(cluster: RayCluster) -> RayTasks:
    return RayTasks(cluster.address, None)


def test_results_come_in_the_order_of_the_tasks_and_errors_as_they_are(engine: RayTasks) -> None:
    with closing(engine.run_in_order(partial(square, number) for number in range(20))) as found:
        assert list(found) == [number**2 for number in range(20)]
    seen = []
    with pytest.raises(ValueError, match=r"^number 3$") as caught:
        seen += engine.run_in_order(partial(fails, number, 3) for number in range(20))
    assert type(caught.value) is ValueError  # not one of Ray's, which would be no longer a UserError either
    assert seen == [0, 1, 2]


def test_few_tasks_are_made_ahead_and_none_goes_on_after_the_last_result_is_wanted(
    cluster: RayCluster, tmp_path: Path
) -> None:
    made: list[int] = []

    def tasks() -> Iterator[partial[int]]:
        for number in range(100):
            made.append(number)
            yield partial(square, number) if number < 2 else partial(waits, number, str(tmp_path), str(tmp_path / "go"))

    running = RayTasks(cluster.address, 1).run_in_order(tasks())
    assert [next(running), next(running)] == [0, 1]
    assert len(made) <= 2 + 3
    wait_until(lambda: any(tmp_path.iterdir()))
    (pid,) = {int(path.name.partition("-")[2]) for path in tmp_path.iterdir()}
    running.close()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_task_runs_again_when_its_machine_is_lost(
    cluster: RayCluster, engine: RayTasks, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    node, started, go = cluster.add(), tmp_path / "started", tmp_path / "go"
    started.mkdir()

    def lose() -> None:
        cluster.kill_in_task(node, started)
        go.touch()

    losing = threading.Thread(target=lose)
    losing.start()
    results = list(engine.run_in_order(partial(waits, number, str(started), str(go)) for number in range(4)))
    losing.join()
    assert results == [0, 1, 2, 3]
    numbers = [path.name.partition("-")[0] for path in started.iterdir()]
    assert len(numbers) > len(set(numbers)), "no task was started again"
    printed = capfd.readouterr()
    assert "raylet" not in printed.out + printed.err


def test_a_task_whose_process_always_dies_is_named_after_six_times(engine: RayTasks, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with pytest.raises(RuntimeError, match=r"^task 2: its process or machine was lost 6 times"):
        list(engine.run_in_order(partial(dies, number, 1, str(seen)) for number in range(3)))
    assert len(seen.read_text()) == 6


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_and_its_tasks(cluster: RayCluster, tmp_path: Path, signum: int) -> None:
    started = tmp_path / "started"
    started.mkdir()
    program = (
        "from functools import partial\nfrom sprout.runtime.engine import RayTasks\n"
        "from sprout.runtime.signals import exit_codes\nfrom tasks_of_tests import waits\n"
        f"with exit_codes():\n    list(RayTasks({cluster.address!r}, None).run_in_order("
        f"partial(waits, n, {str(started)!r}, {str(tmp_path / 'go')!r}) for n in range(3)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any(started.iterdir()))
    pids = {int(path.name.partition("-")[2]) for path in started.iterdir()}
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert said.splitlines()[-1] == f"ended by {signal.Signals(signum).name}"
    assert "Traceback" not in said
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense", "auto"])
def test_no_cluster_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    before = time.monotonic()
    with pytest.raises(UserError, match=rf"^cluster\.address={address}: no Ray cluster to join .*`ray start --head`"):
        list(RayTasks(address, None).run_in_order(iter([partial(square, 1)])))
    assert time.monotonic() - before < 30


def test_a_kept_connection_has_the_processes_of_the_last_call(cluster: RayCluster) -> None:
    """Without it, each call starts processes anew."""
    import ray

    engine = RayTasks(cluster.address, 1)

    def processes() -> set[int]:
        return set(engine.run_in_order(partial(os.getpid) for _ in range(3)))

    with engine.keeping(), engine.keeping():
        first = processes()
        assert ray.is_initialized()
        assert processes() == first
    assert not ray.is_initialized()
    assert not processes() & first
    assert not ray.is_initialized()
