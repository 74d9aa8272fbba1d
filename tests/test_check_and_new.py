"""`sprout check` and `sprout new`: from a user's data to an experiment, all of it or nothing."""

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from commands import Ended, params_after
from sprout.config.catalogue import read_head
from sprout.config.compose import compose_config
from sprout.config.download import DOWNLOADS
from sprout.config.prepare import Prepare
from sprout.config.validate import choice, section
from sprout.data.importing import create_experiment, suggest_settings
from sprout.data.prepare.prepare import prepare
from sprout.data.sources import read
from sprout.data.store import open_store
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, read_rows
from test_layouts import Learned, handwriting, medical, on_the_hub, streamed, streamed_in_one, values


@pytest.fixture
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 20 images each; a link within the folder and one that leaves it."""
    folder = tmp_path_factory.mktemp("home") / "my shots"
    generator = np.random.default_rng(0)
    for number in range(40):
        path = folder / ("left", "rechts ü")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    (folder / "left" / "again.png").symlink_to("0.png")
    (folder / ".hidden").write_text("not data")
    return folder


def state(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def built(name: str, project: Path) -> dict[str, int]:
    """Read and prepare the data of an experiment; return the number of examples of each split."""
    config = compose_config(project / "conf", name, []).config
    (project / "prepared").mkdir()
    source = choice("download", config["download"], "source", DOWNLOADS)
    listing = read(source, project / "data/raw", project / "scratch")
    summary = prepare(
        listing,
        project / "prepared",
        project / "scratch",
        section("prepare", config["prepare"], Prepare),
        LocalProcesses(),
    )
    return {split: counts["examples"] for split, counts in summary["splits"].items()}


def test_check_reports_and_writes_nothing(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    before = state(project), state(shots)
    done = sprout("check", shots)
    assert done.code == 0
    assert "images in folders, 41 examples, 2 classes" in done.out
    planned, command = done.out.splitlines()[-2:]
    assert planned.startswith("the model learns their classes; 41 labels are too few to hold some out, so 5-fold")
    assert command == f"this can be built: sprout new NAME --from '{shots}'"
    assert (state(project), state(shots)) == before


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda shots: shutil.rmtree(shots), "no such file or folder"),
        (lambda shots: [path.unlink() for path in (shots / "left").iterdir()], "no files in the class folder 'left'"),
        (lambda shots: (shots / "left" / "0.png").write_bytes(b""), "2 of 41 examples are faulty"),
        (lambda shots: [path.write_bytes(b"x") for path in shots.rglob("*.png")], "none of 41 examples"),
    ],
)
def test_check_ends_with_2_and_one_line_where_nothing_can_be_built(
    sprout: Callable[..., Ended], shots: Path, break_it: Callable[[Path], object], message: str
) -> None:
    break_it(shots)
    done = sprout("check", shots)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert re.search(message, done.err)


def test_new_makes_an_experiment_that_prepare_takes(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    done = sprout("new", "shots", "--from", shots)
    assert (done.code, done.err) == (0, "")
    command = "dvc exp run -S experiment=shots -S 'overrides=[]'"
    assert done.out.splitlines()[-1] == f"build it: {command}"
    head = read_head(project / "conf/experiment/shots.yaml")
    assert (head["command"], head["result"]) == (command, "not measured yet")
    assert built("shots", project) == {"train": 41, "val": 0, "unlabelled": 0, "test": 0}


def test_a_path_counts_from_the_folder_of_the_user_and_the_experiment_goes_to_the_workspace(
    project: Path, sprout: Callable[..., Ended], shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "conf" / "train")
    given = os.path.relpath(shots)
    assert sprout("check", given).code == 0
    monkeypatch.chdir(project / "conf" / "train")
    assert sprout("new", "shots", "--from", given).code == 0
    assert (project / "data/source/shots/left/0.png").samefile(shots / "left" / "0.png")
    assert sorted(path.name for path in (project / "conf").rglob("shots.yaml")) == ["shots.yaml"] * 2


def test_files_become_hard_links_and_links_become_their_targets(
    project: Path, sprout: Callable[..., Ended], shots: Path
) -> None:
    (shots / "left" / "passwd.png").symlink_to("/etc/passwd")
    done = sprout("new", "shots", "--from", shots)
    brought = project / "data/source/shots"
    assert (brought / "rechts ü" / "1.png").samefile(shots / "rechts ü" / "1.png")
    assert not (brought / "left" / "again.png").is_symlink()
    assert (brought / "left" / "again.png").samefile(shots / "left" / "0.png")
    assert not (brought / ".hidden").exists()
    assert not (brought / "left" / "passwd.png").is_symlink()
    assert "left out: left/passwd.png: a link that leads out" in done.out
    assert done.err == "", "what is left out does not end the build"


def test_another_file_system_gets_copies_with_their_times(
    project: Path, sprout: Callable[..., Ended], shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    assert sprout("new", "shots", "--from", shots).code == 0
    one, other = project / "data/source/shots/left/0.png", shots / "left" / "0.png"
    assert not one.samefile(other)
    assert (one.read_bytes(), one.stat().st_mtime_ns) == (other.read_bytes(), other.stat().st_mtime_ns)


@pytest.mark.parametrize("moment", ["link", "config", "last"])
def test_an_interrupted_attempt_leaves_no_experiment_and_is_completed(
    project: Path, sprout: Callable[..., Ended], shots: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    atomic_write, calls = create_experiment.atomic_write, []

    def killed(*_: object) -> None:
        raise UserError("killed")

    def killed_file(path: Path) -> object:
        calls.append(path)
        return killed() if len(calls) == (1 if moment == "config" else 2) else atomic_write(path)

    with monkeypatch.context() as patch:
        if moment == "link":
            patch.setattr(create_experiment, "link_files", killed)
        else:
            patch.setattr(create_experiment, "atomic_write", killed_file)
        assert sprout("new", "shots", "--from", shots).err == "error: killed\n"
    (project / "data/source/shots.tmp-new").mkdir(parents=True)
    (project / "data/source/shots.tmp-new/half.png").write_text("half")
    assert not (project / "conf/experiment/shots.yaml").exists()
    assert sprout("new", "shots", "--from", shots).code == 0
    assert not (project / "data/source/shots/half.png").exists()
    assert sum(built("shots", project).values()) == 41


@pytest.mark.parametrize("taken", ["conf/experiment/own.yaml", "conf/download/own.yaml", "data/source/own/1.png"])
def test_a_name_in_use_is_refused_and_nothing_is_changed(
    project: Path, sprout: Callable[..., Ended], shots: Path, taken: str
) -> None:
    (project / taken).parent.mkdir(parents=True, exist_ok=True)
    (project / taken).write_text("# mine\n")
    before = state(project)
    done = sprout("new", "own", "--from", shots)
    assert done.code == 2
    assert "choose another name" in done.err
    assert state(project) == before


def test_own_data_that_could_be_removed_is_named(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    assert sprout("new", "own", "--from", shots).code == 0
    again = sprout("new", "own", "--from", shots)
    named = "data/source/own, conf/download/own.yaml, conf/experiment/own.yaml"
    assert again.err.endswith(f"already exists; choose another name, or remove {named}\n")


@pytest.mark.parametrize("overrides", ["", "train.lr=0.5", "experiment=fashion_mnist"])
def test_the_command_builds_the_new_experiment_whatever_params_yaml_holds(
    project: Path, sprout: Callable[..., Ended], shots: Path, overrides: str
) -> None:
    """`dvc exp run -S` keeps what it does not set."""
    (project / "params.yaml").write_text(f"experiment: digits\noverrides: [{overrides}]\n")
    printed = sprout("new", "two", "--from", shots).out.splitlines()[-1]
    assert printed.removeprefix("build it: ") == read_head(project / "conf/experiment/two.yaml")["command"]
    then = params_after(printed.removeprefix("build it: "))
    assert compose_config(project / "conf", then.experiment, then.overrides).config["experiment"] == "two"
    assert then.overrides == []


@pytest.mark.parametrize("place", ["", "t.csv"])
def test_the_column_to_learn(project: Path, sprout: Callable[..., Ended], tmp_path: Path, place: str) -> None:
    folder = tmp_path / "patients"
    folder.mkdir()
    rows = [f"{'MB'[row % 2]},{row % 7},{row / 3:.3f},{row},5" for row in range(60)]
    (folder / "t.csv").write_text("\n".join(["finding,x,texture,id,weight", *rows]) + "\n")
    guessed = sprout("check", folder / place)
    assert "target: column 'weight', a class, as it has at most 20 whole numbers" in guessed.out
    assert "choose another with --target COLUMN" in guessed.out
    assert sprout("check", folder / place, "--target", "finding").code == 0
    assert sprout("new", "own", "--from", folder / place, "--target", "finding").code == 0
    form = yaml.safe_load((project / "conf/download/own.yaml").read_text())["format"]
    assert (form["target"], form["number"], form["columns"]) == ("finding", False, ["x", "texture", "weight"])
    unknown = sprout("check", folder / place, "--target", "found")
    assert unknown.code == 2
    assert "--target=found: t.csv has no such column; there are: 'finding', 'x'" in unknown.err


@pytest.mark.parametrize("name", ["../up", "a b", "", ".hidden", "2024", "1e3", "true", "null", "x.tmp-new", "x.yaml"])
def test_an_invalid_name_is_refused(sprout: Callable[..., Ended], shots: Path, name: str) -> None:
    done = sprout("new", name, "--from", shots)
    assert done.code == 2
    assert f"NAME={name}" in done.err


def test_data_in_its_own_place_is_not_linked(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    place = project / "data/source/shots"
    shutil.copytree(shots, place)
    before = state(place)
    assert sprout("new", "shots", "--from", "data/source/shots").code == 0
    assert state(place) == before
    assert built("shots", project) == {"train": 41, "val": 0, "unlabelled": 0, "test": 0}


def test_a_folder_that_holds_the_project_is_refused(project: Path, sprout: Callable[..., Ended]) -> None:
    assert "data is copied to" in sprout("new", "own", "--from", project).err


def test_a_table_comes_with_the_images_that_it_names(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    rows = [f"left/{number}.png,{number % 4 == 0}\n" for number in range(0, 40, 2)]
    (shots / "some.csv").write_text("Image,${weird}\n" + "".join(rows))
    done = sprout("new", "some", "--from", shots / "some.csv")
    assert done.err == ""
    assert "labels: column '${weird}'" in done.out
    assert len(state(project / "data/source/some")) == 21
    assert sum(built("some", project).values()) == 20


def test_an_archive_is_linked_as_it_is(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    (shots / "left" / "again.png").unlink()
    packed = Path(shutil.make_archive(str(shots.parent / "packed"), "zip", shots.parent, shots.name))
    assert sprout("new", "packed", "--from", packed).code == 0
    assert [*state(project / "data/source/packed")] == ["packed.zip"]
    assert sum(built("packed", project).values()) == 40


def test_arrays_keep_their_test_split(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 9, 9), np.uint8)
    np.savez(
        shots / "a.npz", x_train=images[:40], y_train=np.arange(40) % 4, x_test=images[40:], y_test=np.arange(20) % 4
    )
    assert sprout("new", "arrays", "--from", shots / "a.npz").code == 0
    assert built("arrays", project) == {"train": 40, "val": 0, "unlabelled": 0, "test": 20}
    assert compose_config(project / "conf", "arrays", []).config["prepare"]["size"] == [9, 9]


@pytest.mark.parametrize(
    "layout", [medical, on_the_hub, streamed, streamed_in_one, handwriting], ids=lambda it: it.__name__
)
def test_packed_data_becomes_an_experiment(
    project: Path, sprout: Callable[..., Ended], tmp_path: Path, layout: Callable[[Path], Learned]
) -> None:
    (tmp_path / "own").mkdir()
    expected = layout(tmp_path / "own")
    assert sprout("new", "packed", "--from", tmp_path / "own").code == 0
    assert sum(built("packed", project).values()) == len(expected)
    stores = [open_store(project / "prepared" / split) for split in ("train", "val", "unlabelled", "test")]
    assert {values(image) for store in stores for image in store.take(np.arange(len(store)))} == set(expected)


def test_images_of_12_bits_use_all_grey_levels(project: Path, sprout: Callable[..., Ended], tmp_path: Path) -> None:
    """The range of the images that are learned from is black to white; beyond it, a test image is clipped."""
    for number in range(40):
        split = "test" if number >= 30 else "train"
        path = tmp_path / "ct" / split / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.full((8, 8), 1000 + 10 * number, np.uint16)
        levels[:, 0] = (1000, 2275, 1010, 1020, 4095 if number == 30 else 1030, *range(2000, 2003))
        Image.fromarray(levels).save(path)
    checked = sprout("check", tmp_path / "ct")
    assert "more than 8 bits: 40 images with levels from 1000 to 4095, scaled from 1000 to 2275 (prepare.levels)" in (
        checked.out
    )
    assert sprout("new", "ct", "--from", tmp_path / "ct").code == 0
    config = compose_config(project / "conf", "ct", []).config
    assert config["prepare"]["levels"] == [1000, 2275]
    built("ct", project)
    train = open_store(project / "prepared" / "train").shard(0)
    test = open_store(project / "prepared" / "test").shard(0)
    assert train[0, :5, 0, 0].tolist() == [0, 255, 2, 4, 6]
    assert test[0, :5, 0, 0].tolist() == [0, 255, 2, 4, 255]
    assert train[1, 0, 1, 0] != train[0, 0, 1, 0]
    assert read_json(project / "prepared" / "summary.json")["levels"] == [1000, 2275]


@pytest.mark.parametrize(
    ("images", "levels"),
    [
        (np.float32(255), [0, 255]),
        (np.float64(1), None),
        (np.int64(255), [0, 255]),
        (np.int16(3000), [-3000, 3000]),
        (np.uint16(65535), None),
    ],
)
def test_levels_of_arrays(
    project: Path, sprout: Callable[..., Ended], tmp_path: Path, images: Any, levels: list[float] | None
) -> None:
    x = np.stack([np.linspace(0, 1, 64).reshape(8, 8) * images for _ in range(40)]).astype(images.dtype)
    x[:, 0, 1] = np.linspace(0, 1, 40) * images
    if images.dtype == np.int16:
        x[:, 0, 0] = -3000
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)
    assert sprout("new", "levels", "--from", tmp_path / "a.npz").code == 0
    assert compose_config(project / "conf", "levels", []).config["prepare"]["levels"] == levels
    built("levels", project)
    train = open_store(project / "prepared" / "train").shard(0)
    assert (train.min(), train.max()) == (0, 255)


@pytest.mark.parametrize(("bright", "hinted"), [(65000, True), (1500, False)])
def test_a_narrow_range_is_hinted_at(sprout: Callable[..., Ended], tmp_path: Path, bright: int, hinted: bool) -> None:
    """A few bright pixels leave few grey levels to all others."""
    x = np.random.default_rng(0).integers(1000, 1500, (40, 8, 8)).astype(np.uint16)
    x[:, 0, 0] = bright
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)
    said = sprout("check", tmp_path / "a.npz").out
    assert (
        "4 of 256 grey levels are used; 98.4% of the pixels to learn from lie in a narrower range" in said
    ) == hinted
    assert ("with which 256 would be: prepare.levels=[1000,1499]\n" in said) == hinted


def test_pages_are_counted(sprout: Callable[..., Ended], tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / "stacks" / "ab"[number % 2] / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        pages = [Image.fromarray(np.full((8, 8), 7 * number + page, np.uint8)) for page in range(3)]
        pages[0].save(path, save_all=True, append_images=pages[1 : 2 + number % 2])
    assert (
        "pages: 20 images have further pages or frames, up to 3 in all; page 0 is taken"
        in sprout("check", tmp_path / "stacks").out
    )


def test_a_target_that_is_a_number_is_learned(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    (shots / "t.csv").write_text("a,b,price\n" + "".join(f"{row},{row % 7},{row / 3}\n" for row in range(100)))
    done = sprout("new", "prices", "--from", shots / "t.csv")
    assert done.out.splitlines()[-2:] == [
        "the model learns their numbers",
        "build it: dvc exp run -S experiment=prices -S 'overrides=[]'",
    ]
    config = compose_config(project / "conf", "prices", []).config
    assert (config["model"]["name"], config["train"]["task"]["kind"]) == ("mlp", "regress")
    assert sum(built("prices", project).values()) == 100


def test_of_more_labels_some_are_held_out(
    project: Path, sprout: Callable[..., Ended], shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggest_settings, "FEW_LABELS", 41)
    assert sprout("new", "shots", "--from", shots).code == 0
    counts = built("shots", project)
    assert sum(counts.values()) == 41
    assert 5 <= counts["val"] <= counts["test"] <= 6


def test_few_labels_and_a_pool_are_learned_by_consistency_training(
    project: Path, sprout: Callable[..., Ended], shots: Path
) -> None:
    (shots / "unlabelled").mkdir()
    for number in range(30):
        image = np.random.default_rng(100 + number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(image).save(shots / "unlabelled" / f"{number}.png")
    done = sprout("new", "few", "--from", shots)
    assert done.code == 0
    assert "500 steps on 41 labels" in done.out
    assert "the unlabelled images (30)" in done.out
    config = compose_config(project / "conf", "few", []).config
    train, retrain = config["train"], config["retrain"]
    assert (config["pseudo_label"]["method"], retrain["method"]["kind"]) == ("none", "consistency")
    assert (train["method"]["kind"], train["optimizer"]["name"]) == ("supervised", "sgd")
    assert train["batch_size"] == retrain["batch_size"] == 32
    assert retrain["epochs"] * retrain["steps_per_epoch"] == 4_000
    assert (config["prepare"]["folds"], config["prepare"]["val"], config["prepare"]["test"]) == (5, None, None)
    assert {section[policy]["flip"] for section in (train, retrain) for policy in ("transforms", "weak", "strong")} == {
        0.5
    }
    assert built("few", project) == {"train": 41, "val": 0, "unlabelled": 30, "test": 0}


def test_without_a_pool_the_student_learns_as_the_teacher(
    project: Path, sprout: Callable[..., Ended], shots: Path
) -> None:
    assert sprout("new", "shots", "--from", shots).code == 0
    config = compose_config(project / "conf", "shots", []).config
    assert (config["model"]["name"], config["retrain"]["method"]["kind"]) == ("cnn", "supervised")


def test_check_and_new_load_nothing_heavy(project: Path, shots: Path) -> None:
    words = ["sprout", "new", "shots", "--from", str(shots)]
    code = f"import sys; sys.argv = {words}\nfrom sprout.cli import app\n"
    code += "app(standalone_mode=False)\nprint(*sorted(sys.modules))"
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert {"torch", "mlflow", "pytorch_lightning", "sklearn"} & set(done.stdout.splitlines()[-1].split()) == set()


def test_small_classes_are_left_out_by_an_option(sprout: Callable[..., Ended], project: Path, shots: Path) -> None:
    (shots / "rare").mkdir()
    Image.new("L", (8, 8), 77).save(shots / "rare/only.png")
    checked = sprout("check", shots, "--min-class-size=2")
    assert "rare 1; with test and val 1 example" in checked.out
    assert checked.out.endswith("--min-class-size=2\n")
    assert sprout("new", "own", "--from", shots, "--min-class-size=2").code == 0
    assert compose_config(project / "conf", "own", []).config["prepare"]["min_class_size"] == 2


def test_too_many_faults_are_reported_with_the_setting_that_allows_them(
    sprout: Callable[..., Ended], shots: Path
) -> None:
    for number in range(3):
        (shots / "left" / f"half{number}.png").write_bytes(b"no picture")
    checked, made = sprout("check", shots), sprout("new", "own", "--from", shots)
    assert (checked.code, made.code) == (2, 0)
    assert "more than prepare.max_faulty=0.01, so the build would fail" in checked.err
    assert made.err.endswith("raise prepare.max_faulty in conf/experiment/own.yaml\n")


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of two features, a class and, where they are given, splits."""

    def write(classes: list[str], splits: list[str] | None = None) -> Path:
        rows = [f"{row},{row % 7},{name}" for row, name in enumerate(classes)]
        rows = rows if splits is None else [f"{row},{split}" for row, split in zip(rows, splits, strict=True)]
        path = tmp_path / "table.csv"
        path.write_text("\n".join(["a,b,class" + ("" if splits is None else ",split"), *rows, ""]))
        return path

    return write


def test_a_class_that_no_training_row_has_is_refused(sprout: Callable[..., Ended], table: Callable[..., Path]) -> None:
    path = table(["x", "y"] * 20 + ["z"] * 10, ["train"] * 40 + ["test"] * 10)
    done = sprout("check", path)
    assert done.code == 2
    assert done.err.startswith("error: train: no labelled example of class 'z'; each class needs some: label some")


def test_rows_without_a_class_are_the_pool(sprout: Callable[..., Ended], table: Callable[..., Path]) -> None:
    done = sprout("check", table(["x", "y"] * 10 + [""] * 80))
    assert done.code == 0
    assert re.search(r"\(no label\) +80 +0\n", done.out)


def test_what_new_leaves_out_is_listed_in_quarantine(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    (shots / "left" / "passwd.png").symlink_to("/etc/passwd")
    os.mkfifo(shots / "left" / "pipe.png")
    assert sprout("check", shots).code == 0
    assert sprout("new", "shots", "--from", shots).code == 0
    built("shots", project)
    rows = read_rows(project / "prepared/quarantine.csv")
    assert {row["origin"]: row["reason"].partition(" that ")[0] for row in rows if "out" in row["reason"]} == {
        "left/passwd.png": "left out: a link",
        "left/pipe.png": "left out: not a regular file",
    }


def test_what_lies_in_place_is_not_left_out(project: Path, sprout: Callable[..., Ended], shots: Path) -> None:
    shutil.copytree(shots, project / "data/source/shots", symlinks=True)
    (project / "data/source/shots/left/passwd.png").symlink_to("/etc/passwd")
    done = sprout("new", "shots", "--from", "data/source/shots")
    assert "of 42 examples are faulty" in done.err
    assert "left out" not in done.out
