"""Models of the tracking store as model folders: for `sprout predict`, and as weights to start from."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Ended
from handmade import model, save
from registered import PREPARE, SHAPE, register, version, write_errors, wrong
from sprout.config.pretrained import Pretrained
from sprout.config.validate import section
from sprout.predict.image_format import prepared_with
from sprout.runtime.checksums import sha256
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json
from sprout.tracking import tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.registry.stored import CACHE, stored_model
from sprout.weights.fetch import fetch_pretrained
from tracked_runs import make_build, track

URI = "models:/digits@champion"


@pytest.fixture
def store(root: Path, project: Path) -> Path:
    """A workspace without data, whose store has two versions: the second one is the champion."""
    register(root, 0, write_errors(root / "a", wrong(range(40))))
    register(root, 1, write_errors(root / "b", wrong(range(5))))
    Image.fromarray(np.full((9, 4), 200, np.uint8)).save(root / "a.png")
    return root


def predicted(done: Ended) -> list[float]:
    (line,) = done.out.splitlines()
    return [each["probability"] for each in json.loads(line)["top"]]


def test_predictions_are_those_of_the_folder_that_was_logged(store: Path, sprout: Callable[..., Ended]) -> None:
    """The images are resized as the data of that model was, whatever this workspace has."""
    first, second = (
        predicted(sprout("predict", "a.png", "--json", "--model", store / f"student-{seed}", "--resize", "fit"))
        for seed in range(2)
    )
    assert first != second
    done = sprout("predict", "a.png", "--json", "--model", URI)
    assert (done.code, predicted(done), done.err) == (0, second, f"{URI} is digits version 2\n")
    assert predicted(sprout("predict", "a.png", "--json", "--model", "models:/digits/1")) == first
    done = sprout("predict", "a.png", "--json", "--model", "runs:/digits")
    assert predicted(done) == second
    stretched = sprout("predict", "a.png", "--json", "--model", URI, "--resize", "stretch")
    assert predicted(stretched) != second


def test_a_copy_is_taken_again_unless_it_is_damaged(store: Path) -> None:
    with stored_model(URI) as (folder, found):
        assert folder.is_relative_to(store / CACHE)
        assert (found.name, sha256(folder / "model.safetensors")) == ("digits version 2", found.weights)
        assert prepared_with(folder) == PREPARE
        before = (folder / "model.json").stat().st_ino
    with stored_model(URI) as (folder, _):
        assert (folder / "model.json").stat().st_ino == before
        (folder / "model.json").write_text("{}")
    with stored_model(URI) as (folder, _):
        assert read_json(folder / "model.json")["task"] == "classify"
        (folder / "SHA256SUMS").unlink()
    with stored_model(URI) as (folder, _):
        assert (folder / "SHA256SUMS").is_file()


def test_outside_of_a_workspace_nothing_is_left(store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DVC_ROOT")
        patch.chdir(elsewhere)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlruns/mlflow.db")
        with stored_model(URI) as (folder, _):
            assert (folder / "model.safetensors").is_file()
        assert not folder.exists()
    assert list(elsewhere.iterdir()) == []


def test_files_that_were_changed_or_removed_in_the_store(store: Path) -> None:
    (kept,) = Path(version(2).source.removeprefix("file://")).rglob("model.safetensors")
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"model\.safetensors: damaged or changed.*store's copy of digits version 2"):
        stored_model(URI).__enter__()
    shutil.rmtree(kept.parent)
    with pytest.raises(UserError, match="digits version 2: its files cannot be had from"):
        stored_model(URI).__enter__()
    assert list((store / CACHE).glob("*/")) == []


def test_a_model_that_was_logged_without_its_inputs(root: Path, project: Path) -> None:
    """They are taken from the settings of its run."""
    folder = save(root / "student", model("classify", SHAPE))
    with track(make_build(), "teacher", tracking_uri()) as run:
        run.log_model(folder, np.zeros((1, *SHAPE), np.uint8))
    client = connect(tracking_uri())
    (teacher,) = client.search_runs(["1"], "tags.`sprout.role` = 'teacher'")
    with stored_model("runs:/teacher") as (folder, _):
        assert prepared_with(folder) == {}
    client.log_param(teacher.info.run_id, "prepare.resize", "crop")
    client.log_param(teacher.info.run_id, "prepare.max_pixels", "9")
    shutil.rmtree(root / CACHE)
    with stored_model("runs:/teacher") as (folder, found):
        assert prepared_with(folder) == {"resize": "crop", "max_pixels": 9}
    assert found.name == f"digits-teacher of run {teacher.info.run_id[:8]}"


def test_what_is_no_model(store: Path) -> None:
    with track(make_build(5), "train", tracking_uri(), nested=False):
        pass
    for uri, said in {
        "models:/cats/1": "no such registered model; there are: digits",
        "models:/digits@best": "no such alias; digits has: champion",
        "models:/digits/7": "no such version; digits has: 1, 2",
        "models:/digits": "not a model of the store; accepted: models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN",
        "runs:/nothing": "run nothing: not found",
        "runs:/train digits": "the run train digits has no logged model, as with tracking.log_model=false",
    }.items():
        with pytest.raises(UserError, match=said):
            stored_model(uri).__enter__()


def test_weights_to_start_from(store: Path) -> None:
    (store / "out").mkdir()
    weights = sha256(store / "student-0/model.safetensors")
    with pytest.raises(UserError, match=f"that of the file from models:/digits/1 is {weights}"):
        fetch_pretrained("models:/digits/1", store / "out", store / "partial", sha256=None)
    with pytest.raises(UserError, match="weights cannot be downloaded"):
        fetch_pretrained("models:/digits/1", store / "out", store / "partial", sha256="0" * 64)
    fetch_pretrained("models:/digits/1", store / "out", store / "partial", sha256=weights)
    assert sha256(store / "out/model.safetensors") == weights
    assert read_json(store / "out/pretrained.json")["source"] == "models:/digits/1"
    assert read_json(store / "out/model.json")["classes"] == ["a", "b", "c"]


def test_an_alias_is_no_setting_of_a_build() -> None:
    with pytest.raises(UserError, match=r"an alias moves, and a build must be repeatable; give the version"):
        section("pretrained", {"source": URI, "sha256": "0" * 64}, Pretrained)
