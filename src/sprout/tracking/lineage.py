"""Where a run comes from: the state of the code (git) and of the data that it read (dvc.lock)."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

CODE = (".", ":(exclude)dvc.lock")


@dataclass(frozen=True)
class GitState:
    """The code's state; both fields are empty outside of a git repository."""

    commit: str | None
    """The commit that is checked out; None where there is none."""
    diff: str
    """What differs from it, as a patch, headed by the untracked files' names; empty if nothing does."""


def git_state(root: Path) -> GitState:
    """The state of the code in `root`; without repository, commit or git it is `GitState(None, "")`.

    `dvc.lock` is left out: DVC rewrites it before every stage, and the run names the hashes of its data.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return GitState(None, "")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "--", *CODE) or ""
    names = "".join(f"untracked: {name}\n" for name in untracked.splitlines())
    diff = _git(root, "diff", "--no-ext-diff", "--no-color", "HEAD", "--", *CODE) or ""
    return GitState(commit.strip(), names + diff)


def data_hashes(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """DVC's hash of each of `paths` (relative to `root`) that some stage in `dvc.lock` lists as its output.

    A path that no stage has made yet is absent from the answer; so are all where there is no `dvc.lock`.
    """
    lock = root / "dvc.lock"
    if not lock.is_file():
        return {}
    stages = (yaml.load(lock.read_bytes(), yaml.CSafeLoader) or {}).get("stages") or {}
    outs = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", []) if "md5" in out}
    return {path: outs[path] for path in paths if path in outs}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
