"""Temporary copies of the project, and the environment of the commands in them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import cache_from_source
from pathlib import Path

from sprout.config.exp_run import STAGES

PROJECT = Path(__file__).resolve().parent.parent


def environment(folder: Path) -> dict[str, str]:
    """Return an environment with this interpreter first in PATH, and without the user's DVC, MLflow and Git settings.

    Args:
        folder: for the files that DVC usually keeps in the home folder and under /var.
    """
    foreign = ("DVC_", "GIT_", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    dvc = {f"DVC_{kind}_DIR": str(folder) for kind in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")}
    people = {f"GIT_{who}_{what}": "benchmark" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    no_settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1"}
    return {**kept, **dvc, **people, **no_settings, "PATH": path}


def child_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a child process that imports the project and its benchmarks."""
    return environment(folder) | {"PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{PROJECT}"}


def copy_project(folder: Path, env: Mapping[str, str]) -> None:
    """Copy the project, including uncommitted changes, without the outputs of the pipeline.

    The copy is a Git repository of one commit, with its own DVC cache and MLflow store.

    Raises:
        CalledProcessError: the project is not in a Git repository.
    """
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():  # files that were deleted but not committed are listed, too
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
            copy_bytecode(PROJECT / name, folder / name)
    commit(folder, env)


def prepared_copy(folder: Path, env: Mapping[str, str], params: str | None, prepared: Path | None) -> None:
    """Copy the project and prepare its data.

    Args:
        folder: the copy.
        env: the environment of its commands.
        params: the content of `params.yaml`; None leaves it as it is.
        prepared: a workspace to copy, in which data is prepared; None copies the project.
    """
    if prepared:
        shutil.copytree(prepared, folder, symlinks=True)
    else:
        copy_project(folder, env)
    if params is not None:
        (folder / "params.yaml").write_text(params, encoding="utf-8")
    subprocess.run(["dvc", "repro", "--quiet", *STAGES], cwd=folder, env=env, check=True)


def copy_bytecode(source: Path, copy: Path) -> None:
    """Copy what Python has compiled, so that the copy need not be; it is ignored where the source is newer."""
    if source.suffix == ".py" and (compiled := Path(cache_from_source(source))).is_file():
        target = Path(cache_from_source(copy))
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(compiled, target)


def commit(folder: Path, env: Mapping[str, str]) -> None:
    """Initialise a Git repository if there is none, and commit all files, even if nothing has changed."""
    for command in ("init --quiet", "add --all", "commit --quiet --allow-empty --message files"):
        subprocess.run(["git", *command.split()], cwd=folder, env=env, check=True)
