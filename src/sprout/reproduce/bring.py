"""Bringing the data of a run into a checked-out workspace, and checking that it is the same."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from sprout.data.importing.link_files import link_or_copy
from sprout.reproduce.data import AGAIN, CACHE, GONE, MADE_BY, SOURCE, Data, source_of
from sprout.reproduce.processes import ReproduceError, run
from sprout.runtime.errors import one_line
from sprout.tracking.lineage import data_hashes

RAW = "data/raw"


def bring(user: Path, workspace: Path, config: dict[str, Any], data: Data) -> Data:
    """Bring data into a checked-out workspace; return where it came from in the end.

    Args:
        user: the workspace of the user.
        workspace: the checked-out one, in whose `dvc.lock` the hash of the data is.
        config: the composed config of the run.
        data: what to bring.

    Raises:
        ReproduceError: it cannot be had any more.
    """
    if data.origin not in (AGAIN, GONE) and checked_out(workspace, data.path, data.origin):
        return data
    refuse_gone(data, config)
    if data.path == "data/prepared":
        bring_source(user, workspace, config)
    single = [] if data.path == "data/prepared" else ["--single-item"]
    try:
        run(workspace, sys.executable, "-m", "dvc", "repro", "--no-commit", *single, MADE_BY[data.path])
    except ReproduceError as error:
        raise ReproduceError(
            f"{data.path}: is in no cache and no DVC remote, and cannot be made again: {error}"
        ) from None
    made = replace(data, origin=AGAIN, found=data_hashes(workspace, [data.path]).get(data.path))
    refuse_other(made, config)
    return made


def checked_out(workspace: Path, path: str, origin: str) -> bool:
    """Check out data of a known hash from the cache, or from a remote through the cache; False if that fails."""
    try:
        with Repo(str(workspace)) as repo:
            if origin != CACHE:
                repo.fetch([path], remote=origin)
            repo.checkout([path], force=True)
    except (DvcException, OSError) as error:
        print(f"reproduce: {path}: cannot be had from the {origin}: {one_line(error)}", file=sys.stderr)
        return False
    return True


def bring_source(user: Path, workspace: Path, config: dict[str, Any]) -> None:
    """Bring what the data is made from: downloaded files that DVC still has, and the user's own."""
    if (workspace / "dvc.lock").is_file() and data_hashes(workspace, [RAW]):
        try_cache_and_remotes(workspace, RAW)
    if config["download"]["source"] != "local":
        return
    found, target = source_of(user, workspace, config), workspace / SOURCE / config["download"]["name"]
    if found is None or found == target:
        return
    if found.suffix == ".dvc" and try_cache_and_remotes(workspace, str(found.relative_to(workspace))):
        return
    own = user / SOURCE / target.name
    if own.is_dir():
        shutil.copytree(own, target, copy_function=lambda source, to: link_or_copy(Path(source), to))


def try_cache_and_remotes(workspace: Path, path: str) -> bool:
    """Check out a path of the `dvc.lock`, or of a `.dvc` file, from wherever it is; False if that fails."""
    with Repo(str(workspace)) as repo:
        for remote in (None, *repo.config["remote"]):
            try:
                if remote is not None:
                    repo.fetch([path], remote=remote)
                repo.checkout([path], force=True)
            except (DvcException, OSError):
                continue
            return True
    return False


def refuse_gone(data: Data, config: dict[str, Any]) -> None:
    """Refuse data whose source is gone.

    Raises:
        ReproduceError: it is.
    """
    if data.origin == GONE:
        raise ReproduceError(
            f"{data.path} ({(data.wanted or 'hash not recorded')[:12]}): can no longer be had: it is in no cache and no"
            f" DVC remote, and {SOURCE / config['download']['name']}, which it was made from, is gone"
        )


def refuse_other(data: Data, config: dict[str, Any]) -> None:
    """Refuse data that was made again and is not what the run has read.

    Raises:
        ReproduceError: it is not.
    """
    if data.wanted in (None, data.found):
        return
    source = config["download"]
    name = f"{SOURCE / source['name']} has" if source["source"] == "local" else "its source, or a library, has"
    raise ReproduceError(
        f"{data.path}: can no longer be had: the run read {(data.wanted or '')[:12]}, which is in no cache and no DVC "
        f"remote; made again it is {(data.found or 'nothing')[:12]}: {name} changed since"
    )
