"""The stages of dvc.yaml depend on exactly what their scripts read."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imports import closure

STAGES: dict[str, Any] = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]


OBSERVERS = {
    "src/sprout/__init__.py": "how threads wait for one another",
    "src/sprout/config/cluster.py": "where tasks run",
    "src/sprout/config/environment.py": "reads variables that settings name; settings are params of stages",
    "src/sprout/config/fields.py": "types and ranges of settings, whose values are params of the stages",
    "src/sprout/config/tree.py": "as above",
    "src/sprout/config/validate.py": "as above",
    "src/sprout/config/workspace.py": "as above",
    "src/sprout/predict/": "uses a model after its training",
    "src/sprout/report/": "pages and pictures",
    "src/sprout/runtime/candidates.py": "keeps finished trainings until DVC has taken them",
    "src/sprout/runtime/cluster_environment.py": "starts processes",
    "src/sprout/runtime/cpu_kernels.py": "compares the machines of a cluster",
    "src/sprout/runtime/disk.py": "messages",
    "src/sprout/runtime/engine.py": "where tasks run",
    "src/sprout/runtime/node_cache.py": "where files are, each compared with its SHA-256",
    "src/sprout/runtime/objects.py": "as above",
    "src/sprout/runtime/s3.py": "as above",
    "src/sprout/runtime/errors.py": "messages",
    "src/sprout/runtime/launch.py": "starts processes",
    "src/sprout/runtime/process_pool.py": "as above",
    "src/sprout/runtime/progress.py": "what the terminal shows",
    "src/sprout/runtime/ray_compute.py": "where tasks run",
    "src/sprout/runtime/ray_tasks.py": "as above",
    "src/sprout/runtime/run_context.py": "what the terminal shows",
    "src/sprout/runtime/secrets.py": "what the terminal and messages do not show",
    "src/sprout/runtime/signals.py": "how a process ends",
    "src/sprout/runtime/stage.py": "as above",
    "src/sprout/runtime/training_progress.py": "what the terminal shows",
    "src/sprout/runtime/workspace.py": "where the workspace is",
    "src/sprout/tracking/": "writes to MLflow",
}
"""What stages import though it changes none of their outputs, and why."""
PURPOSES = {"compose": "src/sprout/config/", "report": "src/sprout/report/"}
"""What is an observer elsewhere is all that these stages do; they run nothing that tasks and methods import lazily."""


def has_code(path: str) -> bool:
    """A package's file that only says what the package is cannot change what a stage does."""
    return not path.endswith("__init__.py") or "import" in Path(path).read_text()


def code_of(name: str) -> set[str]:
    """The files whose change may change the outputs of a stage."""
    script, purpose = Path(f"pipelines/{name}.py"), PURPOSES.get(name)
    trains = name in ("train", "pseudo_label", "control", "retrain")  # which imports optimizers by their names
    observers = tuple(path for path in OBSERVERS if not (purpose and path.startswith(purpose)))
    found = {script.as_posix(), *closure(script, lazy=purpose is None, strings=trains, closed=observers)}
    if purpose:
        found |= {path.as_posix() for path in Path(purpose).rglob("*.py")}
    return {path for path in found if has_code(path) and not path.startswith(observers)}


def covered(path: str, dep: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_that_changes_its_outputs_and_on_no_other(name: str) -> None:
    deps = [dep for dep in STAGES[name]["deps"] if dep.startswith(("src/", "pipelines/"))]
    code = code_of(name)
    assert {path for path in code if not any(covered(path, dep) for dep in deps)} == set(), "not among the deps"
    assert {dep for dep in deps if not any(covered(path, dep) for path in code)} == set(), "without effect"
    inside = {path.as_posix() for dep in deps for path in Path(dep).rglob("*.py")}
    assert {path for path in inside if has_code(path)} - code == set(), "without effect, in a folder of the deps"


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_but_those_for_it_depends_on_an_observer(name: str) -> None:
    """A comment in tracking, progress, wording, pages or pictures makes no training stale."""
    purpose = PURPOSES.get(name)
    observers = [path for path in OBSERVERS if not (purpose and path.startswith(purpose))]
    deps = STAGES[name]["deps"]
    assert [(dep, path) for dep in deps for path in observers if path.startswith(dep) or dep.startswith(path)] == []


def test_no_observer_is_stale() -> None:
    """Each names files that there are, and that some stage imports."""
    reached = closure(*(Path(f"pipelines/{name}.py") for name in STAGES))
    assert [path for path in OBSERVERS if not any(each.startswith(path) for each in reached)] == []


SECTIONS = {"TrainingSections.of": ("model", None, "tracking"), "read_training": (None,)}
"""The sections that these read; None stands for the one that they are asked for."""


@pytest.mark.parametrize("name", list(STAGES)[1:])
def test_a_stage_depends_on_the_sections_that_it_reads(name: str) -> None:
    text = Path(f"pipelines/{name}.py").read_text()
    read = set(re.findall(r'(?:section|choice)\(\w+(?:\(\))?, "(\w+)"', text))
    for function, sections in SECTIONS.items():
        for asked in re.findall(rf'{re.escape(function)}\(\w+, "(\w+)"', text):
            read |= {section or asked for section in sections}
    params = next(entry["build/config.yaml"] for entry in STAGES[name]["params"] if "build/config.yaml" in entry)
    if params is None:
        assert "config=build.config" in text or "track_build(build" in text
    else:
        assert read == {key.split(".")[0] for key in params}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_script_is_thin(name: str) -> None:
    assert len(Path(f"pipelines/{name}.py").read_text().splitlines()) <= 35


@pytest.mark.parametrize(
    ("name", "forbidden"),
    [
        ("compose", {"torch", "numpy", "mlflow", "sklearn"}),
        ("download", {"torch", "mlflow", "sklearn"}),
        ("prepare", {"pytorch_lightning", "mlflow"}),
        ("augment", {"pytorch_lightning", "mlflow"}),
        ("pseudo_label", {"pytorch_lightning", "mlflow"}),
        ("report", {"torch", "pytorch_lightning", "mlflow"}),
    ],
)
def test_a_stage_imports_nothing_heavy_that_it_does_not_use(name: str, forbidden: set[str], tmp_path: Path) -> None:
    code = f"import sys, runpy; runpy.run_path('pipelines/{name}.py', run_name='x'); print(*sorted(sys.modules))"
    env = os.environ | {"PYTHONPATH": "src"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert forbidden & set(done.stdout.split()) == set()
