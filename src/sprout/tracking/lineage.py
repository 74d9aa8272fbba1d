"""What a run was made from: the state of the code (git) and the hashes of the data (dvc.lock)."""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sprout.runtime.errors import printable
from sprout.runtime.secrets import redacted

CODE = (".", ":(exclude)dvc.lock", ":(exclude)params.yaml")
"""Git's pathspecs. DVC rewrites `dvc.lock` before every stage; runs have the hashes of their data, and the overrides of
`params.yaml`, anyway."""
KEPT = ("src", "conf", "pipelines", "tests")
"""Folders of which untracked text files are kept, as a run may need them."""
LARGEST = 200_000
"""Bytes of an untracked file that is kept, at most."""
UNTRACKED = "untracked: "
"""Before the name of an untracked file that is not kept."""
REDACTED = "redacted: secrets of the patch, which may not apply"
"""A line before a patch in which stars stand for secrets."""
PATCH = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--submodule=short")
"""A patch that `git apply` takes, whatever the user's settings say."""


SOURCE, PRETRAINED = "data/source", "data/pretrained"
ORIGINS = (SOURCE, "data/raw", "data/prepared", "data/augmented", PRETRAINED)
"""What every model is made from, as far as there is any."""


@dataclass(frozen=True)
class GitState:
    """The state of the code."""

    commit: str | None
    """The commit that is checked out; None without git, a repository or a commit."""
    diff: str
    """The names of untracked files that are not kept, then the changes since the commit as a patch, with the other
    untracked files; empty without any."""


def git_state(root: Path) -> GitState:
    """The state of the code in `root`, without `dvc.lock`."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return GitState(None, "")
    folder = (_git(root, "rev-parse", "--show-prefix") or "").strip()
    prefixes = (f"--src-prefix=a/{folder}", f"--dst-prefix=b/{folder}")
    untracked = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *CODE) or ""
    names = [name for name in untracked.split("\0") if name]
    kept = dict.fromkeys(name for name in names if _is_kept(root, name))
    lost = "".join(f"{UNTRACKED}{printable(name)}\n" for name in names if name not in kept)
    changed = _git(root, *PATCH, "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--", *CODE) or ""
    # With --no-index git compares two files, exits with 1 as they differ, and leaves the index alone.
    added = [_git(root, *PATCH, *prefixes, "--no-index", "--", "/dev/null", name, code=1) or "" for name in kept]
    return GitState(commit.strip(), lost + without_secrets(changed + "".join(added)))


def without_secrets(patch: str) -> str:
    """The patch with stars for its secrets, after a line that says so: it may not apply."""
    kept = redacted(patch)
    return patch if kept == patch else f"{REDACTED}\n{kept}"


def split_diff(diff: str) -> tuple[list[str], str]:
    """What of the changes was not kept, and the patch, of what `git_state` has recorded.

    Not kept are untracked files, by their names, and secrets.
    """
    lines = diff.split("\n")
    first = next((n for n, line in enumerate(lines) if not line.startswith((UNTRACKED, REDACTED))), len(lines))
    lost = ["secrets" if line == REDACTED else line.removeprefix(UNTRACKED) for line in lines[:first]]
    return lost, "\n".join(lines[first:])


def _is_kept(root: Path, name: str) -> bool:
    """Whether an untracked file is a small text in one of the folders that a run may need."""
    path = root / name
    if Path(name).parts[0] not in KEPT or path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
        return False
    try:
        return "\0" not in path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def data_hashes(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """DVC's hash of each path, relative to `root`, that `dvc.lock` lists as an output; others are left out.

    The user's own files and pretrained weights are left out too where a build has none.
    """
    lock = root / "dvc.lock"
    if not lock.is_file():
        return {}
    stages = (yaml.load(lock.read_bytes(), yaml.CSafeLoader) or {}).get("stages") or {}
    known = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", []) if "md5" in out}
    if setting(stages, "download", "source") == "local":
        known |= {dep["path"]: dep["md5"] for dep in stages["prepare"].get("deps", []) if dep["path"] == SOURCE}
    if setting(stages, "pretrained", "source") is None:
        known.pop(PRETRAINED, None)
    return {path: known[path] for path in paths if path in known}


def setting(stages: Mapping[str, Any], name: str, key: str) -> Any:
    """A setting of a stage, of the section of the same name, in its last successful run; None if there is none."""
    params = stages.get(name, {}).get("params", {}).get("build/config.yaml") or {}
    return params.get(name, {}).get(key)


def _git(root: Path, *arguments: str, code: int = 0) -> str | None:
    """What git prints; None if it is missing or ends with another exit code."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == code else None


def trained_on(role: str) -> tuple[str, ...]:
    """What a model is made from: teacher, round, control, student or train."""
    return ORIGINS + {
        "round": ("models/teacher",),
        "control": ("data/pseudo_labels", "models/teacher"),
        "student": ("data/pseudo_labels", "models/teacher"),
    }.get(role, ())
