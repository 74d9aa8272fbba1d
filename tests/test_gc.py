"""`sprout gc` removes what no commit, experiment or workspace needs, and nothing else."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from dvc.repo import Repo

from commands import Ended
from sprout.cli import main
from sprout.data.prepare.record import record
from sprout.data.store import label_table
from sprout.data.store_writer import StoreWriter, write_store
from sprout.reproduce.needed import find_needed
from sprout.runtime.objects import SharedFolder

pytestmark = pytest.mark.slow
OLD = time.time() - 30 * 86400
WORKSPACE = "below/sprout"
"""Of the repository: a workspace need not be its top."""


@pytest.fixture
def shared(tmp_path: Path) -> SharedFolder:
    (tmp_path / "shared").mkdir()
    return SharedFolder(str(tmp_path / "shared"))


@pytest.fixture
def workspace(tmp_path: Path, shared: SharedFolder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace with DVC and a stage `prepare`."""
    folder = tmp_path / "repository" / WORKSPACE
    (folder / "conf/cluster").mkdir(parents=True)
    (folder / "build").mkdir()
    for name, content in {
        "params.yaml": {},
        "conf/config.yaml": {},
        "build/cluster.yaml": {"engine": "local", "store": shared.address},
        "dvc.yaml": {"stages": {"prepare": {"cmd": "exit 1", "outs": ["data/prepared"]}}},
    }.items():
        (folder / name).write_text(yaml.safe_dump(content))
    for variable, value in {"DVC_SITE_CACHE_DIR": str(tmp_path / "site"), "DVC_NO_ANALYTICS": "1"}.items():
        monkeypatch.setenv(variable, value)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "someone")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "someone@example.org")
    git(folder.parents[1], "init", "--quiet", "--initial-branch=main")
    monkeypatch.chdir(folder)
    Repo.init(str(folder), subdir=True).close()
    (folder / ".gitignore").write_text("/build\n/data\n")
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def prepare(workspace: Path, shared: SharedFolder, value: int) -> str:
    """What the stage would do with other settings: returns the SHA-256 of its only file of examples, which is old."""
    rows, before = np.arange(3), names(shared)
    for split in ("train", "val"):
        with StoreWriter(workspace / "data/prepared" / split, 3, (1,), "float32", objects=shared) as writer:
            writer.append(np.full((3, 1), value, np.float32))
            writer.close(label_table(rows, rows, source="given", group=rows, origin=[""] * 3))
    (sha256,) = names(shared) - before
    record(workspace / "data/prepared", shared)
    for path in Path(shared.address).iterdir():
        os.utime(path, (OLD, OLD))
    with Repo(str(workspace)) as repo:
        repo.commit("prepare", force=True)
    return sha256


def commit(workspace: Path, message: str = "data") -> str:
    git(workspace, "add", "--all")
    git(workspace, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(workspace, "rev-parse", "HEAD").strip()


def names(shared: SharedFolder) -> set[str]:
    """The SHA-256 of the files that are there."""
    return {each.name.removesuffix(".npy") for each in shared.listed() if each.name.endswith(".npy")}


def needed(workspace: Path, shared: SharedFolder) -> set[str]:
    """The SHA-256 of the files that are needed."""
    found = find_needed(workspace, shared, shared.listed())
    return {name.removesuffix(".npy") for name in found if name.endswith(".npy")}


Sprout = Callable[..., Ended]


@pytest.fixture
def sprout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sprout:
    """Run the command `sprout` in this process."""

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sprout", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


class TestRoots:
    """What keeps a file: the commit that named it is reached, or a workspace has it."""

    def test_the_workspace_and_its_lock(self, workspace: Path, shared: SharedFolder) -> None:
        first = prepare(workspace, shared, 1)
        assert needed(workspace, shared) == {first}
        second = prepare(workspace, shared, 2)
        assert needed(workspace, shared) == {second}

    def test_commits_branches_tags_stashes_experiments_and_reflogs(self, workspace: Path, shared: SharedFolder) -> None:
        wanted = {prepare(workspace, shared, 0)}
        base = commit(workspace)
        for number, ref in enumerate(
            ["refs/heads/other", "refs/tags/one", "refs/exps/ab/cdef/exp", "refs/remotes/o/m"]
        ):
            wanted.add(prepare(workspace, shared, 1 + number))
            git(workspace, "update-ref", ref, commit(workspace))
            git(workspace, "reset", "--quiet", "--hard", base)
        for number in (5, 6):
            wanted.add(prepare(workspace, shared, number))
            git(workspace, "stash")
        git(workspace, "reflog", "expire", "--expire=now", "HEAD", "refs/heads/main")
        lost = prepare(workspace, shared, 7)
        commit(workspace)
        git(workspace, "reset", "--quiet", "--hard", base)
        prepare(workspace, shared, 8)
        assert {lost, *wanted} < needed(workspace, shared)
        git(workspace, "reflog", "expire", "--expire=now", "HEAD", "refs/heads/main")
        assert wanted < needed(workspace, shared)
        assert lost not in needed(workspace, shared)

    def test_other_worktrees_and_copies_in_which_dvc_builds(
        self, workspace: Path, shared: SharedFolder, tmp_path: Path
    ) -> None:
        prepare(workspace, shared, 1)
        commit(workspace)
        git(workspace, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
        tree = tmp_path / "tree" / WORKSPACE
        copy = workspace / ".dvc/tmp/exps/standalone/tmp1"
        copy.mkdir(parents=True)
        (copy / "dvc.lock").write_text((workspace / "dvc.lock").read_text())
        files = set()
        for number, folder in enumerate((tree, copy)):
            (folder / "data/prepared").mkdir(parents=True)
            second = prepare(workspace, shared, 2 + number)
            os.rename(workspace / "data/prepared/train", folder / "data/prepared/train")
            git(workspace, "restore", "dvc.lock")
            files.add(second)
        (workspace / "data/prepared/val/store.json").unlink()
        assert files < needed(workspace, shared)


class TestCommand:
    def test_only_what_is_unused_and_old_is_removed(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        unused, used = prepare(workspace, shared, 1), prepare(workspace, shared, 2)
        commit(workspace)
        young = shared.new()
        young.write_bytes(b"young")
        shared.put(young, hashlib.sha256(b"young").hexdigest())
        before = names(shared)
        ended = sprout("gc")
        old = (
            shared.path(unused),
            next(path for path in Path(shared.address).glob("*.json") if unused in path.read_text()),
        )
        size = sum(path.stat().st_size for path in old)
        assert ended.code == 0
        assert ended.out == f"{shared.address}: would remove 2 of 5 files, {size} bytes; --yes removes them\n"
        assert names(shared) == before
        assert sprout("gc", "--yes").out == f"{shared.address}: removed 2 of 5 files, {size} bytes\n"
        assert names(shared) == before - {unused}
        assert used in names(shared)
        assert "removed 0 of 3 files" in sprout("gc", "--yes").out
        os.utime(shared.path(hashlib.sha256(b"young").hexdigest()), (time.time() - 2 * 86400,) * 2)
        assert "removed 1 of 3 files" in sprout("gc", "--yes", "--days", "1").out

    def test_half_written_files_that_are_old_are_removed(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        prepare(workspace, shared, 1)
        commit(workspace)
        half = shared.new()
        half.touch()
        os.utime(half, (OLD, OLD))
        assert "removed 1 of 3 files, 0 bytes" in sprout("gc", "--yes").out
        assert not half.exists()

    def test_a_commit_needs_its_files_also_without_dvcs_cache(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        first = prepare(workspace, shared, 1)
        commit(workspace)
        second = prepare(workspace, shared, 2)
        commit(workspace)
        for folder in (workspace / ".dvc/cache", workspace / "data"):
            shutil.rmtree(folder)
        assert "removed 0 of 4 files" in sprout("gc", "--yes").out
        assert names(shared) == {first, second}

    def test_a_commit_whose_data_was_prepared_elsewhere_needs_nothing(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout, tmp_path: Path
    ) -> None:
        elsewhere = SharedFolder(str(tmp_path / "elsewhere"))
        Path(elsewhere.address).mkdir()
        prepare(workspace, elsewhere, 1)
        commit(workspace)
        used = prepare(workspace, shared, 2)
        commit(workspace)
        assert needed(workspace, shared) == {used}

    def test_a_lock_with_a_conflict_counts_with_both_sides(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        sides = list[str]()
        for value in (1, 2):
            prepare(workspace, shared, value)
            sides.append((workspace / "dvc.lock").read_text())
        (workspace / "dvc.lock").write_text("<<<<<<< ours\n{}=======\n{}>>>>>>> theirs\n".format(*sides))
        shutil.rmtree(workspace / "data")
        assert needed(workspace, shared) == names(shared)
        assert len(names(shared)) == 2

    def test_a_record_that_nothing_needs_is_removed_with_its_files(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        prepare(workspace, shared, 1)
        prepare(workspace, shared, 2)
        assert len(list(shared.listed())) == 4
        assert "removed 2 of 4 files" in sprout("gc", "--yes").out

    def test_a_damaged_record_is_named_and_nothing_is_removed(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        prepare(workspace, shared, 1)
        (path,) = Path(shared.address).glob("*.json")
        prepare(workspace, shared, 2)
        (other,) = set(Path(shared.address).glob("*.json")) - {path}
        other.write_text("{")
        ended = sprout("gc", "--yes")
        assert ended.code == 2
        assert f"{other}: damaged, and the commits that need it with it; nothing is removed" in ended.err
        assert len(names(shared)) == 2

    def test_a_shallow_clone_is_refused(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for value in (1, 2):
            prepare(workspace, shared, value)
            commit(workspace)
        git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{workspace.parents[1]}", "clone")
        clone = tmp_path / "clone" / WORKSPACE
        shutil.copytree(workspace / "build", clone / "build")
        monkeypatch.chdir(clone)
        ended = sprout("gc", "--yes")
        assert ended.code == 2
        assert "is in a shallow clone, which lacks commits" in ended.err
        assert len(names(shared)) == 2

    def test_data_from_before_there_were_stores_elsewhere_names_nothing(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        (workspace / "data/prepared/train").mkdir(parents=True)
        (workspace / "data/prepared/train/store.json").write_text('{"examples": 3, "sha256": "0"}')
        with Repo(str(workspace)) as repo:
            repo.commit("prepare", force=True)
        commit(workspace)
        assert "would remove 0 of 0 files" in sprout("gc").out

    def test_equal_examples_in_the_workspace_need_no_store(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout
    ) -> None:
        prepare(workspace, shared, 1)
        shutil.rmtree(workspace / "data/prepared")
        for split in ("train", "val"):
            rows, table = np.arange(3), np.full((3, 1), 1, np.float32)
            labels = label_table(rows, rows, source="given", group=rows, origin=[""] * 3)
            write_store(workspace / "data/prepared" / split, table, labels)
        with Repo(str(workspace)) as repo:
            repo.commit("prepare", force=True)
        commit(workspace)
        assert "removed 2 of 2 files" in sprout("gc", "--yes").out

    def test_without_a_store_there_is_nothing_to_do(self, workspace: Path, sprout: Sprout) -> None:
        (workspace / "build/cluster.yaml").write_text("engine: local\nstore: null\n")
        ended = sprout("gc", "--yes")
        assert ended.code == 2
        assert "cluster.store=null: there is no store to remove files from" in ended.err

    def test_a_workspace_without_git_is_refused(
        self, workspace: Path, shared: SharedFolder, sprout: Sprout, tmp_path: Path
    ) -> None:
        prepare(workspace, shared, 1)
        os.rename(workspace.parents[1] / ".git", tmp_path / "git")
        ended = sprout("gc", "--yes")
        assert ended.code == 2
        assert "is in no Git repository" in ended.err
