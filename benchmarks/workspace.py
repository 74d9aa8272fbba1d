"""Workspaces that a benchmark may use up, and what their commands run with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def environment(folder: Path) -> dict[str, str]:
    """This interpreter first on the path, and none of the user's DVC, MLflow and Git settings.

    Args:
        folder: where DVC keeps what it usually keeps in the home folder and under /var.
    """
    foreign = ("DVC_", "GIT_", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    dvc = {f"DVC_{kind}_DIR": str(folder) for kind in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")}
    people = {f"GIT_{who}_{what}": "benchmark" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    no_settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1"}
    return {**kept, **dvc, **people, **no_settings, "PATH": path}


def child_environment(folder: Path) -> dict[str, str]:
    """The same for a benchmark's own child, which imports the project and its benchmarks from where they lie."""
    return environment(folder) | {"PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{PROJECT}"}


def copy_project(folder: Path, env: Mapping[str, str]) -> None:
    """Copy the project as it lies here, edits included, without what the pipeline has made.

    The copy is a Git repository of one commit, with an own DVC cache and an own MLflow store.

    Raises:
        CalledProcessError: the project does not lie in a Git repository.
    """
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():  # one that was deleted but not yet committed is listed, too
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    commit(folder, env)


def commit(folder: Path, env: Mapping[str, str]) -> None:
    """Make the folder a Git repository if it is none yet, and commit all that lies in it, be it nothing new."""
    for command in ("init --quiet", "add --all", "commit --quiet --allow-empty --message files"):
        subprocess.run(["git", *command.split()], cwd=folder, env=env, check=True)
