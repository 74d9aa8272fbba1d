"""The stages of dvc.yaml against their scripts: what they name is what they read."""

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


def has_code(path: str) -> bool:
    """A package's file that only says what the package is cannot change what a stage does."""
    return not path.endswith("__init__.py") or "import" in Path(path).read_text()


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_that_it_imports(name: str) -> None:
    script = f"pipelines/{name}.py"
    deps = [dep for dep in STAGES[name]["deps"] if dep.startswith(("src/", "pipelines/"))]
    code = {script} | {path for path in closure(Path(script)) if has_code(path)}
    covered = {path for path in code if any(path == dep or path.startswith(f"{dep}/") for dep in deps)}
    assert code - covered == set(), "imported, but not among the deps"
    used = {dep for dep in deps if any(path == dep or path.startswith(f"{dep}/") for path in code)}
    assert set(deps) - used == set(), "among the deps, but not imported"


@pytest.mark.parametrize("name", list(STAGES)[1:])
def test_a_stage_depends_on_the_sections_that_it_reads(name: str) -> None:
    text = Path(f"pipelines/{name}.py").read_text()
    read = set(re.findall(r'(?:section|choice)\(\w+(?:\(\))?, "(\w+)"', text))
    params = next(entry["build/config.yaml"] for entry in STAGES[name]["params"] if "build/config.yaml" in entry)
    if params is None:
        assert "config=build.config" in text or "track_evaluation(build" in text
    else:
        assert read == {key.split(".")[0] for key in params}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_script_is_thin(name: str) -> None:
    assert len(Path(f"pipelines/{name}.py").read_text().splitlines()) <= 31


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
