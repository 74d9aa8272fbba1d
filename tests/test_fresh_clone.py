"""Commands of DVC in a fresh clone, whose `dvc.lock` names outputs that nobody can pull."""

import shutil
from pathlib import Path

import pytest
import yaml

from workspaces import copy_workspace, git, new_project, run

pytestmark = pytest.mark.slow
BUILT = ("reports/evaluation", "models/student")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the project; nothing was built in it."""
    origin = new_project(tmp_path_factory.mktemp("fresh") / "origin")
    git(origin.parent, "clone", "--quiet", str(origin), "clone")
    folder = origin.with_name("clone")
    outs = [
        out for stage in yaml.safe_load((folder / "dvc.lock").read_text())["stages"].values() for out in stage["outs"]
    ]
    assert {*BUILT} <= {out["path"] for out in outs if out["md5"]}
    assert not (folder / ".dvc/cache").exists()
    return folder


@pytest.mark.parametrize(
    "command",
    [
        "exp run compose",
        "exp run download",
        "exp run -S overrides=['train.lr=0.01'] compose",
        "exp run --temp -S overrides=['train.lr=0.01'] compose",
        "repro augment",
    ],
)
def test_a_stage_is_built_by_its_name(clone: Path, tmp_path: Path, command: str) -> None:
    folder = copy_workspace(clone, tmp_path / "clone")
    printed = run(folder, "dvc", *command.split())
    assert "failed to load" not in printed
    listed = run(folder, "dvc", "exp", "list", "--name-only").split()
    assert bool(listed) is command.startswith("exp")


def test_a_build_in_a_copy_asks_for_files_that_git_does_not_know(clone: Path, tmp_path: Path) -> None:
    folder = copy_workspace(clone, tmp_path / "clone")
    shutil.copy(folder / "conf/experiment/digits.yaml", folder / "conf/experiment/own.yaml")
    command = "dvc exp run --temp -S experiment=own compose"
    said = run(folder, *command.split(), code=255)
    assert 'experiment="own": unknown here, as this is a copy of the workspace without conf/experiment/own.yaml' in said
    git(folder, "add", "conf/experiment/own.yaml")
    run(folder, *command.split())


def test_builds_are_compared_as_far_as_there_are_any(clone: Path) -> None:
    """Each of these ends well, although no metric and no curve can be read."""
    for command in ("metrics diff", "params diff", "exp show --json", "plots show", "status --json"):
        run(clone, "dvc", *command.split())
