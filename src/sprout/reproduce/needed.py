"""Which files of an object store some manifest of this repository names: a `store.json` of any commit or workspace."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from dvc.repo import Repo
from dvc_data.hashfile import load
from dvc_data.hashfile.hash_info import HashInfo
from dvc_objects.errors import ObjectFormatError

from sprout.data.store_manifest import MANIFEST
from sprout.reproduce.checkout import git
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.objects import Stored

PREPARED = "data/prepared"
LOCK = "dvc.lock"
COPIES = ".dvc/tmp/exps"
"""Where DVC builds queued experiments, in copies of the workspace."""


@dataclass
class Named:
    """What manifests name."""

    files: set[str]
    """SHA-256 of each file."""
    unknown: dict[str, str]
    """What may name more, such as a commit → why its manifests could not be read."""


def find_named(workspace: Path) -> Named:
    """Read the manifests of all commits that refs and reflogs reach, and of the workspaces that there are.

    Refs are branches, tags, stashes and DVC's experiments. A commit says by `dvc.lock` what its data/prepared was, and
    DVC's cache has the manifests.

    Raises:
        UserError: the workspace is in no Git repository.
    """
    named = Named(set(), {})
    below = git(workspace, "rev-parse", "--show-prefix", error=f"{workspace}: is in no Git repository").strip()
    with Repo(str(workspace)) as repo:
        for place, text in [*committed(workspace, below), *on_disk(workspaces(workspace, below))]:
            try:
                for manifest in manifests_of(repo, text) if place.endswith(LOCK) else [text]:
                    named.files.update(files_of(json.loads(manifest)))
            except (
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
                OSError,
                yaml.YAMLError,
                ObjectFormatError,
            ) as error:
                named.unknown[place] = one_line(error)
    return named


def committed(workspace: Path, below: str) -> Iterator[tuple[str, str]]:
    """Yield each version of `dvc.lock` once, with the name of a commit that has it.

    Args:
        workspace: in a Git repository.
        below: its path in there, with a slash at its end unless it is empty.
    """
    commits = git(workspace, "rev-list", "--all", "--reflog").split()
    asked = "".join(f"{commit}:{below}{LOCK}\n" for commit in commits)
    found = git(workspace, "cat-file", "--batch-check=%(objectname)", given=asked).splitlines()
    versions = {line: commit for line, commit in zip(found, commits, strict=True) if not line.endswith(" missing")}
    for version, commit in versions.items():
        yield f"commit {commit[:12]}: {LOCK}", git(workspace, "cat-file", "blob", version)


def workspaces(workspace: Path, below: str) -> Iterator[Path]:
    """Yield this workspace, those of Git's other worktrees, and the copies in which DVC builds experiments."""
    listed = git(workspace, "worktree", "list", "--porcelain", "-z").split("\0")
    for tree in (Path(line.removeprefix("worktree "), below) for line in listed if line.startswith("worktree ")):
        yield tree
        for depth in ("*", "*/*"):
            yield from (found.parent for found in (tree / COPIES).glob(f"{depth}/{LOCK}"))


def on_disk(folders: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield each `dvc.lock` and each manifest of workspaces, with its path."""
    for folder in folders:
        for path in (folder / LOCK, *(folder / PREPARED).glob(f"*/{MANIFEST}")):
            if path.is_file():
                yield str(path), path.read_text(encoding="utf-8")


def files_of(manifest: dict[str, Any]) -> list[str]:
    """Return the SHA-256 of the files that a `store.json` has in any object store; of an own folder none."""
    return [each["sha256"] for each in manifest["shards"]] if manifest.get("store") else []


def manifests_of(repo: Repo, lock: str) -> Iterator[str]:
    """Yield the manifests of the data/prepared that a `dvc.lock` records, from DVC's cache.

    Raises:
        FileNotFoundError: the cache lacks one.
        Exception: something is damaged.
    """
    cache, stages = repo.cache.local, (yaml.load(lock, yaml.CSafeLoader) or {}).get("stages") or {}
    outs = [out for stage in stages.values() for out in stage.get("outs", ())]
    for digest in (out["md5"] for out in outs if out["path"] == PREPARED and "md5" in out):
        try:
            for key, _, info in cast(Any, load(cache, HashInfo("md5", digest))):
                if key[-1] == MANIFEST:
                    yield Path(cache.oid_to_path(info.value)).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(f"{PREPARED} ({digest[:12]}) is not in DVC's cache") from None


def refuse_unknown(named: Named) -> None:
    """Refuse to tell what is unused where manifests could not be read.

    Raises:
        UserError: there are such.
    """
    if named.unknown:
        place, why = next(iter(named.unknown.items()))
        more = f", and {len(named.unknown) - 1} more" if len(named.unknown) > 1 else ""
        raise UserError(
            f"{place}: {why}{more}; what it needs is not known, so nothing is removed; `dvc fetch --all-commits "
            "prepare` brings what a DVC remote has; --skip-missing gives up the data of these commits"
        )


def unused(found: Iterable[Stored], named: Named, before: float) -> list[Stored]:
    """Return the files that nothing names and that were written before a time, in seconds since 1970."""
    return [each for each in found if each.written < before and each.name.removesuffix(".npy") not in named.files]
