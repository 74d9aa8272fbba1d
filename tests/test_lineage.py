"""The lineage of a run: code, data and settings."""

import subprocess

import yaml

from sprout.tracking import ORIGINS, GitState, data_hashes, git_state
from sprout.tracking.describe import params_of
from sprout.tracking.lineage import split_diff
from tracked_runs import DIGEST


def test_params_are_legal():
    long = params_of({"a": {"b (%)": "x" * 9000, "empty": {}, "text": "0.1", "on": True}})
    assert len(long["a.b ___"]) == 6000
    assert long["a.b ___"].endswith("(cut; whole in config.yaml)")
    assert (long["a.empty"], long["a.text"], long["a.on"]) == ("{}", "0.1", "true")


def test_git_state(tmp_path):
    assert git_state(tmp_path) == GitState(None, "")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_state(tmp_path) == GitState(None, "")
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "dvc.lock").write_text("before\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    clean = git_state(tmp_path)
    assert clean.commit
    assert clean.diff == ""
    (tmp_path / "dvc.lock").write_text("behind\n")
    assert git_state(tmp_path) == clean
    subprocess.run([*git, "rm", "-q", "--cached", "dvc.lock"], check=True)
    assert git_state(tmp_path) == clean
    (tmp_path / "a.txt").write_text("two\n")
    (tmp_path / "b.txt").write_text("new\n")
    dirty = git_state(tmp_path)
    assert dirty.commit == clean.commit
    assert dirty.diff.startswith("untracked: b.txt\n")
    assert "-one\n+two\n" in dirty.diff


def test_data_hashes(tmp_path):
    assert data_hashes(tmp_path, ["data/raw"]) == {}
    out = {"path": "data/raw", "hash": "md5", "md5": DIGEST, "size": 1, "nfiles": 1}
    stages = {
        "download": {"cmd": "x", "outs": [out]},
        "prepare": {"cmd": "y", "deps": [{**out, "md5": "old"}]},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    assert data_hashes(tmp_path, ["data/raw", "data/prepared"]) == {"data/raw": DIGEST}


def test_untracked_texts_of_the_code_are_kept(tmp_path, monkeypatch):
    """Whatever the user's settings of git; and the patch makes the same files again."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    work = tmp_path / "work"  # the workspace may be a folder of the repository
    (work / "conf").mkdir(parents=True)
    (work / "conf/a.yaml").write_bytes(b"one: 1\r\ntwo: 2\r\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    for setting in ("diff.noprefix", "diff.mnemonicPrefix"):
        subprocess.run([*git, "config", setting, "true"], check=True)
    files = {"conf/a.yaml": b"one: 1\r\ntwo: 3\r\n", "conf/größe b.yaml": b"x: 1\n", "src/empty.py": b""}
    lost = {"notes.txt": b"a note\n", "src/weights.bin": b"\0\1", "src/large.txt": b"x" * 300_000}
    for name, content in {**files, **lost}.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_bytes(content)
    index = (tmp_path / ".git/index").read_bytes()
    names, patch = split_diff(git_state(work).diff)
    assert names == ["notes.txt", "src/large.txt", "src/weights.bin"]
    assert (tmp_path / ".git/index").read_bytes() == index
    subprocess.run([*git, "clone", "-q", str(tmp_path), str(tmp_path / "clone")], check=True)
    subprocess.run(["git", "-C", str(tmp_path / "clone"), "apply", "-"], input=patch.encode(), check=True)
    assert {name: (tmp_path / "clone/work" / name).read_bytes() for name in files} == files


def test_a_patch_may_begin_like_a_name():
    assert split_diff("") == ([], "")
    assert split_diff("untracked: a b\ndiff --git a/x b/x\n+untracked: c\n") == (
        ["a b"],
        "diff --git a/x b/x\n+untracked: c\n",
    )


def test_only_what_a_build_has_is_an_origin(tmp_path):
    """The user's own files are a dependency, and no output; there are always outputs of the stage `pretrained`."""

    def hashes(source, weights):
        entry = {"path": "data/source", "md5": "own"}
        outs = [{"path": "data/pretrained", "md5": "weights"}]
        params = {"build/config.yaml": {"download": {"source": source}}}
        stages = {
            "download": {"params": params},
            "prepare": {"deps": [entry]},
            "pretrained": {"outs": outs, "params": {"build/config.yaml": {"pretrained": {"source": weights}}}},
        }
        (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        return data_hashes(tmp_path, ORIGINS)

    assert hashes("sklearn", None) == {}
    assert hashes("local", "torchvision:resnet18") == {"data/source": "own", "data/pretrained": "weights"}
