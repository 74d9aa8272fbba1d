"""Which files of an object store this repository needs: what any commit or workspace of it has prepared.

A version of `dvc.lock` has the MD5 of its data/prepared, under which the store keeps a record of the files. Where the
store has no such record, the data was prepared elsewhere, such as in the commits of the project that was cloned.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sprout.data.prepare.record import files_of, record_name
from sprout.reproduce.checkout import git
from sprout.runtime.errors import UserError
from sprout.runtime.objects import Objects, Stored

PREPARED = "data/prepared"
LOCK = "dvc.lock"
FOLDER = re.compile(r"\b([0-9a-f]{32})\.dir\b")
"""A folder in a `dvc.lock`, of any stage, and also in one that cannot be parsed."""
COPIES = ".dvc/tmp/exps"
"""Where DVC builds queued experiments, in copies of the workspace."""


def find_needed(workspace: Path, objects: Objects, found: Iterable[Stored]) -> set[str]:
    """Return the names of the files and records that are needed.

    Commits are those that refs and reflogs reach; refs are branches, tags, stashes and DVC's experiments.

    Args:
        workspace: in a Git repository.
        objects: the store.
        found: what is there.

    Raises:
        UserError: the workspace is in no Git repository, or in a shallow clone, or the store cannot be read.
    """
    below = git(workspace, "rev-parse", "--show-prefix", error=f"{workspace}: is in no Git repository").strip()
    if git(workspace, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise UserError(f"{workspace}: is in a shallow clone, which lacks commits; `git fetch --unshallow` brings them")
    folders = list(workspaces(workspace, below))
    locks = [*committed(workspace, below), *on_disk(folders)]
    recorded = {record_name(digest) for lock in locks for digest in FOLDER.findall(lock)}
    records = recorded.intersection(each.name for each in found)
    files = {sha256 for name in records for sha256 in files_in(objects, name)}
    files.update(sha256 for folder in folders for sha256 in files_of(folder / PREPARED))
    return records | {f"{sha256}.npy" for sha256 in files}


def committed(workspace: Path, below: str) -> Iterator[str]:
    """Yield each version of `dvc.lock` once.

    Args:
        workspace: in a Git repository.
        below: its path in there, with a slash at its end unless it is empty.
    """
    commits = git(workspace, "rev-list", "--all", "--reflog").split()
    asked = "".join(f"{commit}:{below}{LOCK}\n" for commit in commits)
    found = git(workspace, "cat-file", "--batch-check=%(objectname)", given=asked).splitlines()
    for version in {line for line in found if not line.endswith(" missing")}:
        yield git(workspace, "cat-file", "blob", version)


def workspaces(workspace: Path, below: str) -> Iterator[Path]:
    """Yield this workspace, those of Git's other worktrees, and the copies in which DVC builds experiments."""
    listed = git(workspace, "worktree", "list", "--porcelain", "-z").split("\0")
    for tree in (Path(line.removeprefix("worktree "), below) for line in listed if line.startswith("worktree ")):
        yield tree
        for depth in ("*", "*/*"):
            yield from (found.parent for found in (tree / COPIES).glob(f"{depth}/{LOCK}"))


def on_disk(folders: Iterable[Path]) -> Iterator[str]:
    """Yield the `dvc.lock` of each workspace that has one."""
    for path in (folder / LOCK for folder in folders):
        if path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")


def files_in(objects: Objects, name: str) -> list[str]:
    """Return the SHA-256 of the files in a record.

    Raises:
        UserError: it is damaged, or the store cannot be read.
    """
    try:
        return list(json.loads(objects.read(name))["files"])
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{objects.address}/{name}: damaged, and the commits that need it with it; nothing is removed; "
            "`dvc repro -fs prepare` in such a commit writes it again"
        ) from None


def unused(found: Iterable[Stored], needed: set[str], before: float) -> list[Stored]:
    """Return what is not needed and was written before a time, in seconds since 1970."""
    return [each for each in found if each.written < before and each.name not in needed]
