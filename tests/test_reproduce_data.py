"""Where the data of a run is found: DVC's cache, a remote, the user's own files, or nowhere any more."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from sprout.reproduce.bring import bring, bring_source
from sprout.reproduce.data import AGAIN, CACHE, GONE, find_data
from sprout.reproduce.processes import ReproduceError
from sprout.runtime.errors import UserError
from sprout.tracking import data_hashes

pytestmark = pytest.mark.filterwarnings("ignore")  # of DVC's libraries
CONFIG: dict[str, Any] = {
    "download": {"source": "local", "name": "own"},
    "prepare": {"seed": 1e-05},
    "augment": {"copies": 2},
    "pretrained": {"source": "weights.safetensors"},
}
PATHS = ("data/prepared", "data/augmented", "data/pretrained")


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose data is in DVC's cache, and the user's own files."""
    for name in [name for name in os.environ if name.startswith("DVC_")]:
        monkeypatch.delenv(name)
    for kind in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE"):
        monkeypatch.setenv(f"DVC_{kind}_DIR", str(tmp_path / "dvc"))
    user = tmp_path / "user"
    for name in ("data/raw", *PATHS, "data/source/own", "build"):
        (user / name).mkdir(parents=True)
        (user / name / "file").write_text(name)
    (user / "build/config.yaml").write_text(yaml.safe_dump(CONFIG))
    stages = {
        name: {"cmd": "false", "params": [{"build/config.yaml": [name]}], "outs": [path]}
        for name, path in zip(("download", "prepare", "augment", "pretrained"), ("data/raw", *PATHS), strict=True)
    }
    (user / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    monkeypatch.chdir(user)
    with Repo.init(str(user), no_scm=True) as repo:
        repo.commit(force=True)
    return user


@pytest.fixture
def workspace(user: Path) -> Path:
    """What git would check out."""
    made = user.with_name("checked out")
    (made / "data/source").mkdir(parents=True)
    (made / "build").mkdir()
    shutil.copytree(user / ".dvc", made / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    for name in ("dvc.yaml", "dvc.lock", "build/config.yaml"):
        shutil.copy(user / name, made / name)
    return made


def origins(user: Path, workspace: Path, wanted: dict[str, str]) -> list[str]:
    return [data.origin for data in find_data(user, workspace, CONFIG, wanted)]


def test_data_of_the_cache_is_checked_out_by_its_hash(user: Path, workspace: Path) -> None:
    """Also where `dvc.lock` has the hash of other data by now; and what the commit has recorded stays otherwise."""
    wanted = data_hashes(user, PATHS)
    lock = (workspace / "dvc.lock").read_text()
    (workspace / "dvc.lock").write_text(lock.replace(wanted["data/augmented"], "0" * 32 + ".dir"))
    found = find_data(user, workspace, CONFIG, wanted)
    assert [data.origin for data in found] == [CACHE] * 3
    assert [bring(user, workspace, CONFIG, data) for data in found] == found
    assert [(workspace / name / "file").read_text() for name in PATHS] == list(PATHS)
    assert data_hashes(workspace, ["data/raw", *PATHS]) == data_hashes(user, ["data/raw", *PATHS])
    assert not (user / ".dvc/config.local").exists()


def test_data_of_a_remote_is_fetched(user: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the remote is called; one that cannot be used is named."""
    wanted = data_hashes(user, PATHS)
    shutil.copytree(user / ".dvc/cache", user.with_name("remote"))
    shutil.rmtree(user / ".dvc/cache")
    (user / ".dvc/config.local").write_text(
        "['remote \"lost\"']\nurl = gs://bucket\n['remote \"team\"']\nurl = ../../remote\n"
    )
    found = find_data(user, workspace, CONFIG, wanted)
    assert [data.origin for data in found] == ["team"] * 3
    assert "the DVC remote lost cannot be used" in capsys.readouterr().err
    bring(user, workspace, CONFIG, found[0])
    assert (workspace / "data/prepared/file").read_text() == "data/prepared"


def test_a_config_of_dvc_that_is_not_valid(user: Path, workspace: Path) -> None:
    (user / ".dvc/config.local").write_text("[core]\nnonsense = 1\n")
    with pytest.raises(UserError, match=r"/\.dvc: .*nonsense"):
        find_data(user, workspace, CONFIG, {})


def test_data_of_nowhere(user: Path, workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Data without a recorded hash, or in no cache, is made again; not where the user's own files are gone."""
    assert origins(user, workspace, {}) == [AGAIN] * 3
    shutil.rmtree(user / ".dvc/cache")
    wanted = data_hashes(user, PATHS)
    assert origins(user, workspace, wanted) == [AGAIN] * 3
    bring_source(user, workspace, CONFIG)
    assert (workspace / "data/source/own/file").stat().st_ino == (user / "data/source/own/file").stat().st_ino
    shutil.rmtree(workspace / "data/source/own")
    with pytest.raises(ReproduceError, match="data/augmented: is in no cache and no DVC remote, and cannot be made"):
        bring(user, workspace, CONFIG, find_data(user, workspace, CONFIG, wanted)[1])
    shutil.rmtree(user / "data/source/own")
    prepared, *others = find_data(user, workspace, CONFIG, wanted)
    assert (prepared.origin, [data.origin for data in others]) == (GONE, [AGAIN, AGAIN])
    with pytest.raises(
        ReproduceError, match=r"can no longer be had: .* data/source/own, which it was made from, is gone"
    ):
        bring(user, workspace, CONFIG, prepared)
    capfd.readouterr()
