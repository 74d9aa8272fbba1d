"""Where the data of a run can be had: DVC's cache, a remote, or its stages, which make it again."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dvc.config import Config, ConfigError
from dvc.repo import Repo
from dvc.utils.serialize import dump_yaml
from dvc_data.hashfile import load
from dvc_data.hashfile.hash_info import HashInfo
from dvc_objects.errors import ObjectFormatError

from sprout.config.exp_run import STAGES
from sprout.config.made_with import LOCK, read_lock
from sprout.config.tree import lookup
from sprout.config.workspace import BUILD, read_yaml
from sprout.reproduce.processes import say
from sprout.runtime.errors import UserError, one_line

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB

MADE_BY = {"data/prepared": "prepare", "data/augmented": "augment", "data/pretrained": "pretrained"}
"""What a training reads, and the stage that makes it."""
CACHE, AGAIN, GONE = "cache", "made again", "gone"
"""Where data comes from, beside the name of a remote."""
SOURCE = Path("data/source")


@dataclass(frozen=True)
class Data:
    """Data that a run has read."""

    path: str
    wanted: str | None
    """DVC's hash of it; None where the run did not record it."""
    origin: str
    """CACHE, the name of a DVC remote, AGAIN, or GONE where nothing is left to make it from."""
    found: str | None = None
    """DVC's hash of what was made again."""


def share_cache(user: Path, workspace: Path) -> None:
    """Let a checked-out workspace use the user's DVC cache and remotes, and leave nothing elsewhere.

    Raises:
        UserError: DVC's config is not valid.
    """
    theirs, ours = (str(folder / ".dvc") for folder in (user, workspace))
    try:
        config = Config(theirs, local_dvc_dir=theirs).read()
        with Config(ours, local_dvc_dir=ours).edit("local") as local:
            local.update(config)
            local["cache"] = {"dir": f"{theirs}/cache"} | config.get("cache", {})
            local["core"] = config.get("core", {}) | {"site_cache_dir": str(Path(ours, "tmp", "site"))}
    except ConfigError as error:
        raise UserError(f"{theirs}: {one_line(error)}") from None


def find_data(user: Path, workspace: Path, config: dict[str, Any], wanted: dict[str, str]) -> list[Data]:
    """Return where the data of a run can be had, and note its hashes in the `dvc.lock` of the checked-out workspace.

    Args:
        user: the workspace of the user.
        workspace: the checked-out one.
        config: the composed config of the run.
        wanted: DVC's hashes by path.
    """
    share_cache(user, workspace)
    write_lock(workspace, config, wanted)
    is_gone = config["download"]["source"] == "local" and source_of(user, workspace, config) is None
    with Repo(str(workspace)) as repo:
        found = {path: where(repo, wanted.get(path)) for path in MADE_BY}
    gone = GONE if is_gone and found["data/prepared"] is None else AGAIN
    return [
        Data(path, wanted.get(path), place or (gone if path == "data/prepared" else AGAIN))
        for path, place in found.items()
    ]


def write_lock(workspace: Path, config: dict[str, Any], wanted: dict[str, str]) -> None:
    """Write what DVC would have recorded of the stages that have made the data of a run.

    What the commit has recorded stays where it is of the same settings and data.
    """
    lock = workspace / LOCK
    stages, recorded = read_yaml(workspace / "dvc.yaml")["stages"], read_lock(lock) if lock.is_file() else {}
    for name in STAGES:
        listed = next(each[BUILD.as_posix()] for each in stages[name]["params"] if BUILD.as_posix() in each)
        params = {BUILD.as_posix(): {key: lookup(config, key) for key in listed}}
        (path,) = stages[name]["outs"]
        digest, known = wanted.get(path), recorded.get(name, {})
        same = [out for out in known.get("outs", ()) if out["path"] == path and digest in (None, out.get("md5"))]
        if known.get("params") != params or not same:
            outs = [{"path": path, "hash": "md5", "md5": digest}] if digest else []
            recorded[name] = {"cmd": stages[name]["cmd"], "params": params, "outs": outs}
    dump_yaml(str(lock), {"schema": "2.0", "stages": recorded})


def source_of(user: Path, workspace: Path, config: dict[str, Any]) -> Path | None:
    """Return the user's own files that the data is made from, or DVC's note of them in the commit; None without any."""
    name = SOURCE / config["download"]["name"]
    places = (workspace / f"{name}.dvc", workspace / name, user / name)
    return next((place for place in places if place.exists()), None)


def where(repo: Repo, digest: str | None) -> str | None:
    """Return the cache or the remote that has data of this hash; None if none has it."""
    if digest is None:
        return None
    if is_whole(repo.cache.local, digest):
        return CACHE
    return next((name for name in repo.config["remote"] if is_in(repo, name, digest)), None)


def is_whole(cache: "HashFileDB", digest: str) -> bool:
    """Whether a cache has an object and, of a folder, all of its files."""
    try:
        found = load(cache, HashInfo("md5", digest))
    except (FileNotFoundError, ObjectFormatError):
        return False
    files = [info.value for _, _, info in cast(Any, found)] if digest.endswith(".dir") else [digest]
    return all(cache.exists(file) for file in files)


def is_in(repo: Repo, remote: str, digest: str) -> bool:
    """Whether a remote has an object; one that cannot be asked is named on stderr."""
    try:
        return bool(repo.cloud.get_remote_odb(remote).exists(digest))
    except Exception as error:  # the kinds of remotes raise many types
        say(f"the DVC remote {remote} cannot be used: {one_line(error)}")
        return False
