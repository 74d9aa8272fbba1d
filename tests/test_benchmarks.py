"""Each benchmark runs at toy size, and the measuring itself is right. No figure is judged here."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
BUSY = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """Import a module of `benchmarks/`, which is no installed package."""
    monkeypatch.syspath_prepend(PROJECT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def paired(load) -> ModuleType:
    return load("paired")


def check(line: str, name: str, goal: float) -> None:
    figure = json.loads(line)
    assert (figure["name"], figure["goal"], figure["unit"]) == (name, goal, "s")
    for side in (figure, figure["cpu"]):
        low, high = side["interval"]
        assert 0 < low <= side["ratio"] <= high
        assert len(side["ours"]) == len(side["reference"]) == 1


def workspace_state() -> dict[str, float]:
    """Names and times of change of what a build would write into the project."""
    folders = ("build", "data", "models", "reports", "mlruns", ".dvc/cache")
    return {f: (PROJECT / f).stat().st_mtime for f in (*folders, "dvc.lock") if (PROJECT / f).exists()}


@pytest.mark.slow
def test_noop_runs_from_the_project_and_leaves_it_alone():
    before = workspace_state()
    command = [sys.executable, "-m", "benchmarks.noop", "--pairs", "1", "compose"]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    check(done.stdout.splitlines()[-1], "noop", 1.6)
    assert "pair 1 of 1" in done.stderr
    assert workspace_state() == before


@pytest.mark.slow
def test_build_runs(load, capsys):
    load("build").measure(pairs=1, stages=["compose"], imports="import json")
    check(capsys.readouterr().out.splitlines()[-1], "build", 6.0)


def test_the_cost_holds_the_time_of_processes_that_the_command_started(paired, tmp_path):
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"
    found = paired.cost([sys.executable, "-c", nested], tmp_path, os.environ)
    assert found.cpu >= 0.3
    assert found.wall >= 0.3


def test_a_command_that_fails_ends_the_benchmark_with_what_it_printed(paired, tmp_path):
    with pytest.raises(RuntimeError, match=r"exit code 3\nno such stage"):
        paired.cost(["sh", "-c", "echo no such stage >&2; exit 3"], tmp_path, os.environ)


def test_a_count_of_pairs_that_is_none_ends_with_one_line(paired, capsys):
    with pytest.raises(SystemExit):
        paired.parser("toy", None, pairs=3).parse_args(["--pairs", "0"])
    assert "argument --pairs: invalid positive value: '0'" in capsys.readouterr().err


def test_the_two_sides_take_turns(paired):
    order: list[str] = []

    def side(name: str):
        return lambda: order.append(name) or paired.Cost(1.0, 1.0)

    ours, reference = paired.in_turn(side("a"), side("b"), pairs=3)
    assert order == ["a", "b"] * 3
    assert len(ours) == len(reference) == 3


def test_the_ratio_is_the_median_over_pairs_so_that_a_slow_moment_counts_once(paired, capsys):
    walls = [(2.0, 1.0), (20.0, 10.0), (4.0, 2.0), (90.0, 1.0), (6.0, 3.0)]
    ours, reference = ([paired.Cost(wall, 1.0) for wall in side] for side in zip(*walls, strict=True))
    paired.print_figure("toy", 1.0, ours, reference)
    printed = capsys.readouterr()
    figure = json.loads(printed.out)
    assert figure["ratio"] == 2.0
    assert figure["cpu"]["ratio"] == 1.0
    assert figure["interval"] == [2.0, 90.0]
    assert "not 95%" in printed.err


def test_the_interval_is_that_of_the_order_statistics(paired):
    # Binomial(10, ½): second smallest to second largest holds the median in 97.9% of cases, third to third in 89.1%.
    assert paired.interval([float(value) for value in range(10)]) == (1.0, 8.0)


def test_a_copy_holds_the_project_and_none_of_its_products(load, tmp_path):
    workspace = load("workspace")
    env = workspace.environment(tmp_path / "dvc")
    workspace.copy_project(tmp_path / "copy", env)
    assert (tmp_path / "copy/dvc.yaml").read_text() == (PROJECT / "dvc.yaml").read_text()
    assert not (tmp_path / "copy/build").exists()
    assert not list((tmp_path / "copy/mlruns").glob("*.db"))
    log = subprocess.run(
        ["git", "status", "--short"], cwd=tmp_path / "copy", capture_output=True, text=True, check=True
    )
    assert log.stdout == ""


def test_settings_of_the_user_do_not_reach_a_benchmark(load, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    monkeypatch.setenv("DVC_ROOT", "/somewhere")
    env = load("workspace").environment(tmp_path)
    assert not {"MLFLOW_TRACKING_URI", "DVC_ROOT"} & set(env)
    assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


@pytest.mark.slow
@pytest.mark.parametrize(("near", "goal"), [("", 1.2), ("_near_duplicates", 3.0)])
def test_decode_runs(tmp_path, near, goal):
    generator = np.random.default_rng(0)
    for row in range(60):
        path = tmp_path / "images" / "abc"[row % 3] / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    command = [sys.executable, "-m", "benchmarks.decode", "--pairs", "1", str(tmp_path / "images")]
    command += ["--near-duplicates"] if near else []
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    check(done.stdout.splitlines()[-1], f"decode{near}", goal)


def test_open_store_runs(load, capsys):
    load("open_store").measure(pairs=1, images=2000)
    check(capsys.readouterr().out.splitlines()[-1], "open_store", 1.2)


@pytest.mark.slow
def test_dvc_files_runs(load, capsys):
    load("dvc_files").measure(pairs=1, images=20)
    check(capsys.readouterr().out.splitlines()[-1], "dvc_files", 0.2)
