"""Runs commands in copies of this project, as a user would."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.workspace import commit, copy_project, environment
from warm_python import commands

SECONDS = 400


def new_project(folder: Path) -> Path:
    """A repository of its own with this project's files as they are now, committed."""
    folder.mkdir(parents=True)
    copy_project(folder, surroundings(folder))
    return folder


def copy_workspace(workspace: Path, folder: Path) -> Path:
    """A copy of a workspace with all that was built in it."""
    shutil.copytree(workspace, folder, symlinks=True)
    return folder


def commit_all(folder: Path) -> None:
    """Commit whatever there is."""
    commit(folder, surroundings(folder))


def surroundings(folder: Path) -> dict[str, str]:
    """The environment of a workspace's commands: DVC and MLflow keep to its own neighbourhood."""
    return environment(folder.with_name(f"{folder.name}-dvc"))


def warm_surroundings(folder: Path) -> dict[str, str]:
    """The same, with commands that are forks of a Python that has imported the libraries."""
    env = surroundings(folder)
    return env | {"PATH": f"{commands()}{os.pathsep}{env['PATH']}"}


def git(folder: Path, *words: str) -> str:
    """Run git and return what it printed."""
    return run(folder, "git", *words)


def start(
    folder: Path, *words: str, warm: bool = False, more: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in the folder, in a process group of its own; what it prints goes to `log` beside the folder.

    `warm` and `more` as in `run`.
    """
    env = (warm_surroundings(folder) if warm else surroundings(folder)) | dict(more or {})
    with folder.with_name("log").open("ab") as log:
        return subprocess.Popen(words, cwd=folder, env=env, stdout=log, stderr=log, process_group=0)


def run(folder: Path, *words: str, code: int = 0, more: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; any other exit code fails the test.

    Where it is Python, it is a fork of one that has imported the libraries (`warm_python.py`), as are those it starts.
    `more` are variables of its environment.
    """
    env = warm_surroundings(folder) | dict(more or {})
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
