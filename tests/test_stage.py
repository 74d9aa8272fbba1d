"""A stage runs alone in its workspace, and does not outlive what started it; with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[1]
SECONDS = 30
SCRIPT = """\
import sys, time
from pathlib import Path
from sprout.runtime.errors import UserError
from sprout.runtime.stage import run_stage

name = sys.argv[1]

def say(word):
    with open("log", "a") as log:
        log.write(f"{name} {word}\\n")

def main():
    say("starts")
    try:
        while not Path(f"{name} may end").exists():
            time.sleep(0.02)
    finally:
        say("ends")
    if name == "wrong":
        raise UserError("train.lr=-1: no")

run_stage(main)
"""


class Workspace:
    """A folder with one stage script, and the processes that run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        (folder / "stage.py").write_text(SCRIPT)

    def start(self, *command: str, **extra: str) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if key != "RANK"} | extra
        environment["PYTHONPATH"] = str(ROOT / "src")
        process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.started.append(process)
        return process

    def stage(self, name: str, **extra: str) -> subprocess.Popen[str]:
        return self.start(sys.executable, "stage.py", name, **extra)

    def let_end(self, name: str) -> None:
        (self.folder / f"{name} may end").touch()

    @property
    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def waits(process: subprocess.Popen[str]) -> bool:
    """Whether the stage says that it waits; reads the line that it says it in."""
    assert process.stderr is not None
    return process.stderr.readline().startswith("build/stage.lock: another stage runs")


def test_a_second_stage_waits_for_the_first(workspace: Workspace) -> None:
    first = workspace.stage("first")
    wait_until(lambda: workspace.log == ["first starts"])
    second = workspace.stage("second")
    assert waits(second)
    workspace.let_end("second")
    time.sleep(0.3)
    assert workspace.log == ["first starts"]
    workspace.let_end("first")
    assert first.communicate(timeout=SECONDS)[1] == ""
    assert second.communicate(timeout=SECONDS)[1] == ""
    assert (first.returncode, second.returncode) == (0, 0)
    assert workspace.log == ["first starts", "first ends", "second starts", "second ends"]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_goes_with_the_stage_that_held_it(workspace: Workspace, signum: signal.Signals) -> None:
    first = workspace.stage("first")
    wait_until(lambda: workspace.log == ["first starts"])
    second = workspace.stage("second")
    assert waits(second)
    first.send_signal(signum)
    workspace.let_end("second")
    second.communicate(timeout=SECONDS)
    assert second.returncode == 0
    assert workspace.log[-2:] == ["second starts", "second ends"]


def test_a_stage_that_waits_can_be_ended(workspace: Workspace) -> None:
    workspace.stage("first")
    wait_until(lambda: workspace.log == ["first starts"])
    second = workspace.stage("second")
    assert waits(second)
    second.terminate()
    assert second.communicate(timeout=SECONDS)[1] == "ended by SIGTERM\n"
    assert second.returncode == 143
    assert workspace.log == ["first starts"]


def test_a_rank_runs_beside_the_stage_that_started_it(workspace: Workspace) -> None:
    workspace.stage("first")
    wait_until(lambda: workspace.log == ["first starts"])
    workspace.let_end("rank")
    rank = workspace.stage("rank", RANK="1")
    rank.communicate(timeout=SECONDS)
    assert rank.returncode == 0
    assert workspace.log == ["first starts", "rank starts", "rank ends"]


def test_stages_of_two_workspaces_do_not_wait(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Workspace(tmp_path / "other")
    workspace.stage("first")
    wait_until(lambda: workspace.log == ["first starts"])
    other.let_end("second")
    second = other.stage("second")
    workspace.started.append(second)
    second.communicate(timeout=SECONDS)
    assert (second.returncode, other.log) == (0, ["second starts", "second ends"])


@pytest.mark.parametrize(
    ("name", "signum", "code", "said"),
    [
        ("wrong", None, 2, "error: train.lr=-1: no\n"),
        ("first", signal.SIGTERM, 143, "ended by SIGTERM\n"),
        ("first", signal.SIGINT, 130, "ended by SIGINT\n"),
    ],
)
def test_a_stage_ends_with_its_code(
    workspace: Workspace, name: str, signum: signal.Signals | None, code: int, said: str
) -> None:
    process = workspace.stage(name)
    wait_until(lambda: workspace.log == [f"{name} starts"])
    if signum is None:
        workspace.let_end(name)
    else:
        process.send_signal(signum)
    assert process.communicate(timeout=SECONDS)[1] == said
    assert process.returncode == code
    assert workspace.log == [f"{name} starts", f"{name} ends"]


def test_a_stage_whose_parent_was_killed_ends_and_the_next_one_runs(workspace: Workspace) -> None:
    """As when `dvc` is killed and started again."""
    command = [sys.executable, "stage.py", "orphan"]
    code = f"import subprocess; p = subprocess.Popen({command!r}); print(p.pid, file=open('pid', 'w')); p.wait()"
    parent = workspace.start(sys.executable, "-c", code)
    wait_until(lambda: workspace.log == ["orphan starts"])
    orphan = psutil.Process(int((workspace.folder / "pid").read_text()))
    parent.kill()
    workspace.let_end("next")
    after = workspace.stage("next")
    after.communicate(timeout=SECONDS)
    assert after.returncode == 0
    assert workspace.log == ["orphan starts", "orphan ends", "next starts", "next ends"]
    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    assert parent.communicate()[1] == "ended by SIGTERM\n"


def test_a_stage_in_a_folder_below_the_workspace_is_refused_and_writes_nothing(workspace: Workspace) -> None:
    below = workspace.folder / "conf"
    below.mkdir()
    for mark in ("params.yaml", "conf/config.yaml"):
        (workspace.folder / mark).touch()
    workspace.folder = below
    process = workspace.start(sys.executable, "../stage.py", "lost")
    error = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 2
    assert error.startswith(f"error: {below}: is below the workspace")
    assert [path.name for path in below.iterdir()] == ["config.yaml"]


def test_what_killed_stages_left_half_written_is_removed_at_the_next_start(workspace: Workspace) -> None:
    for name in ("models/teacher.tmp-new", "data/prepared.tmp-old", "data/source.tmp-new", "data/source/a.tmp-new"):
        (workspace.folder / name).mkdir(parents=True)
        (workspace.folder / name / "file").touch()
    (workspace.folder / "build/scratch/tmp-files").mkdir(parents=True)
    (workspace.folder / "build/config.yaml.tmp-new").touch()
    (workspace.folder / "build/tmp-new.txt").touch()
    workspace.let_end("first")
    process = workspace.stage("first")
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    left = sorted(str(path.relative_to(workspace.folder)) for path in workspace.folder.rglob("*tmp-*"))
    assert left == ["build/tmp-new.txt", "data/source.tmp-new", "data/source/a.tmp-new"]


@pytest.mark.parametrize("shallow", [True, False], ids=["shallow", "whole"])
def test_a_copy_of_a_shallow_clone_is_refused_because_dvc_would_lose_what_it_builds(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, shallow: bool
) -> None:
    folder = tmp_path_factory.mktemp("repositories")
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org", "-C", str(folder)]
    subprocess.run([*git, "init", "-q", "origin"], check=True)
    for message in ("first", "second"):
        subprocess.run([*git, "-C", "origin", "commit", "-q", "--allow-empty", "-m", message], check=True)
    depth = ["--depth", "1"] if shallow else []
    subprocess.run([*git, "clone", "-q", *depth, f"file://{folder}/origin", "clone"], check=True)
    workspace.let_end("copy")
    copy = workspace.stage("copy", DVC_ROOT=str(folder / "clone"))
    error = copy.communicate(timeout=SECONDS)[1]
    assert (copy.returncode, workspace.log) == ((2, []) if shallow else (0, ["copy starts", "copy ends"]))
    assert ("git fetch --unshallow" in error) is shallow
    workspace.let_end("itself")
    itself = workspace.stage("itself", DVC_ROOT=str(workspace.folder))
    assert itself.communicate(timeout=SECONDS)[1] == ""
    assert itself.returncode == 0
