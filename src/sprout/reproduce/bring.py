"""Bringing the data of a run into a checked-out workspace, and checking that it is the same."""

import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from sprout.data.importing.link_files import link_or_copy
from sprout.reproduce.data import AGAIN, CACHE, GONE, MADE_BY, SOURCE, Data, source_of
from sprout.reproduce.processes import ReproduceError, run, say
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
    say(f"{data.path}: {data.origin if data.origin in (AGAIN, GONE) else f'from the {data.origin}'}")
    if data.origin not in (AGAIN, GONE) and fetched(workspace, data.path, data.origin):
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


def fetched(workspace: Path, path: str, origin: str) -> bool:
    """Check out data of a known hash from the cache, or from a remote through the cache; False if that fails."""
    try:
        check_out(workspace, path, None if origin == CACHE else origin)
    except Exception as error:  # the kinds of remotes raise many types
        say(f"{path}: cannot be had from the {origin}: {one_line(error)}")
        return False
    return True


def check_out(workspace: Path, path: str, remote: str | None) -> None:
    """Check out a path of the `dvc.lock`, or of a `.dvc` file, from DVC's cache, after a remote has filled that.

    Raises:
        Exception: it is not there, or the remote cannot be used.
    """
    target = str(workspace / path)  # DVC would look for a relative one in the working folder
    with Repo(str(workspace)) as repo:
        if remote is not None:
            repo.fetch([target], remote=remote)
        repo.checkout([target], force=True)


def bring_source(user: Path, workspace: Path, config: dict[str, Any]) -> None:
    """Bring what the data is made from: downloaded files that DVC still has, and the user's own."""
    if data_hashes(workspace, [RAW]):
        is_somewhere(workspace, RAW)
    if config["download"]["source"] != "local":
        return
    found, target = source_of(user, workspace, config), workspace / SOURCE / config["download"]["name"]
    if found is None or found == target:
        return
    if found.suffix == ".dvc" and is_somewhere(workspace, str(found.relative_to(workspace))):
        return
    own = user / SOURCE / target.name
    if own.is_dir():
        shutil.copytree(own, target, copy_function=lambda source, to: link_or_copy(Path(source), to))


def is_somewhere(workspace: Path, path: str) -> bool:
    """Check out a path from wherever it is; False if it is nowhere."""
    with Repo(str(workspace)) as repo:
        remotes = list(repo.config["remote"])
    for remote in (None, *remotes):
        with suppress(Exception):  # as above
            check_out(workspace, path, remote)
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
