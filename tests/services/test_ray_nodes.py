"""A training by two machines of a cluster: it stops and resumes as one by two processes does, also after a loss."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

pytest.importorskip("ray")

from ray_cluster import RayCluster, wait_until
from sprout.runtime.cluster_environment import portable_environment
from sprout.runtime.engine import RayTasks
from sprout.runtime.errors import UserError
from sprout.runtime.launch import KILLED
from sprout.runtime.ray_node import Ended, Node
from test_loop_ranks import SCRIPT, result, same

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parents[1]


def script(address: str) -> str:
    """The script of the tests with two processes of one machine, for one process on each of two machines."""
    found = SCRIPT.replace(
        "started_as_ranks(2, 1, LocalProcesses()", f"started_as_ranks(1, 2, RayTasks({address!r}, 1)"
    )
    found = found.replace("import LocalProcesses", "import RayTasks").replace("devices=2", "devices=1, nodes=2")
    assert found.count("RayTasks") == 2
    return found


def start(folder: Path) -> "subprocess.Popen[str]":
    for left in [*folder.glob("pid-*"), *folder.glob("step-*")]:
        left.unlink()
    paths = os.pathsep.join(str(path) for path in (TESTS.parent / "src", TESTS))
    env = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "script.py", "LONG", "slowly"]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    def came() -> bool:
        assert process.poll() is None, process.communicate()
        return path.exists()

    wait_until(came)


def ranks_of(folder: Path) -> list[psutil.Process]:
    return [psutil.Process(int(path.read_text())) for path in folder.glob("pid-*")]


def test_two_machines_end_at_a_signal_and_resume_after_the_loss_of_one(cluster: RayCluster, tmp_path: Path) -> None:
    undisturbed = result(tmp_path / "undisturbed", "LONG")
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "script.py").write_text(script(cluster.address))
    node = cluster.add()
    process = start(folder)
    wait_for(folder / "step-2", process)
    ranks = ranks_of(folder)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 143, said
    assert said.count("test: saved after step") == 1
    assert psutil.wait_procs(ranks, timeout=5)[1] == []

    process = start(folder)
    wait_for(folder / "step-20", process)
    ranks = ranks_of(folder)
    cluster.kill(node)
    other = cluster.add()
    said = process.communicate(timeout=400)[1]
    cluster.kill(other)
    assert process.returncode == 0, said
    assert "it resumes from its last checkpoint (1 of 3 times)" in said
    assert psutil.wait_procs(ranks, timeout=5)[1] == []
    assert "Traceback" not in said
    assert same(torch.load(folder / "found", weights_only=True), undisturbed)


class TestNode:
    """What an actor does, here in this process."""

    def run(self, node: Node, folder: Path) -> Iterator[str | Ended]:
        return node.run(["--standalone"], ["script.py"], portable_environment(), str(folder))

    def test_one_that_is_stopped_before_it_starts_starts_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("open('started', 'w')\n")
        node = Node()
        node.stop(signal.SIGTERM)
        assert list(self.run(node, tmp_path)) == [Ended(KILLED)]
        assert not (tmp_path / "started").exists()

    def test_one_whose_launcher_is_killed_is_lost(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("import time\nprint('started', flush=True)\ntime.sleep(2)\n")
        node = Node()
        said = self.run(node, tmp_path)
        assert next(line for line in said if line == "started\n")
        assert node.process is not None
        node.process.kill()
        *_, ended = said
        assert ended == Ended(KILLED)
        assert ended.lost


def test_a_mistake_is_passed_on(cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "script.py").write_text(
        "from sprout.runtime.errors import UserError\nfrom sprout.runtime.stage import run_stage\n"
        "def main():\n    raise UserError('train.lr=0: too small')\nrun_stage(main)\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^train\.lr=0: too small$"):
        RayTasks(cluster.address, None).run_nodes(1, 1, ["script.py"])
    (tmp_path / "script.py").write_text("raise SystemExit(3)\n")
    assert RayTasks(cluster.address, None).run_nodes(1, 1, ["script.py"]) == 1
