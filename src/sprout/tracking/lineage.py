"""What a run was made from: the state of the code (git) and the hashes of the data (dvc.lock)."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from sprout.runtime.secrets import redacted

CODE = (".", ":(exclude)dvc.lock", ":(exclude)params.yaml")
"""Git's pathspecs. DVC rewrites `dvc.lock` before every stage; runs have the hashes of their data, and the overrides of
`params.yaml`, anyway."""


@dataclass(frozen=True)
class GitState:
    """The state of the code."""

    commit: str | None
    """The commit that is checked out; None without git, a repository or a commit."""
    diff: str
    """The changes since the commit as a patch, after the names of untracked files; empty without any."""


def git_state(root: Path) -> GitState:
    """The state of the code in `root`, without `dvc.lock`."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return GitState(None, "")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "--", *CODE) or ""
    names = "".join(f"untracked: {name}\n" for name in untracked.splitlines())
    diff = _git(root, "diff", "--no-ext-diff", "--no-color", "HEAD", "--", *CODE) or ""
    return GitState(commit.strip(), names + without_secrets(diff))


def without_secrets(diff: str) -> str:
    """The patch with stars for its secrets, after a line that says so: it may not apply."""
    kept = redacted(diff)
    return diff if kept == diff else f"redacted: secrets of the patch, which may not apply\n{kept}"


def data_hashes(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """DVC's hash of each path, relative to `root`, that `dvc.lock` lists as an output; others are left out."""
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


def trained_on(role: str) -> tuple[str, ...]:
    """What the training of a model reads: teacher, round, control, student or train."""
    labelled = ("data/prepared", "data/augmented")
    return labelled + {
        "round": ("models/teacher",),
        "control": ("data/pseudo_labels", "models/teacher"),
        "student": ("data/pseudo_labels", "models/teacher"),
    }.get(role, ())
