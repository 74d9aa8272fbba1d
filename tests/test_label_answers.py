"""What people say of images: the file, and what `prepare` makes of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sprout.config.download import Local, Sklearn, Target, Torchvision, Url
from sprout.config.formats import Folders
from sprout.data.listing import SPLITS
from sprout.data.prepare.answers import COLUMNS, Answer, answers_file, decoded_as, holding, read_answers
from sprout.data.prepare.parts import digest
from sprout.data.store import open_store
from sprout.label.answers import AnswerFile, now, refuse_read_only, to_csv
from sprout.runtime.disk import DiskError
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, read_rows
from test_prepare import CLASSES, LABELS, LISTING, bytes_of, make_listing, run, settings_with

DECODED = decoded_as((4, 3, 3), settings_with())
FOLDS = {"val": None, "folds": 4, "test": None, "labels": None, "labels_per_class": 5}


def answer(row: int, label: str = "", *, listing: Any = LISTING, **changes: Any) -> Answer:
    """What somebody says of an example: a class, or without one none of them."""
    pixels = np.ascontiguousarray(listing.examples[row])
    said = Answer(f"file:{row}", digest(pixels).hex(), DECODED, "class" if label else "none", label, "ann", "")
    return replace(said, **changes)


def undo(row: int) -> Answer:
    return answer(row, answer="undone")


def other(row: int) -> str:
    """Another class than the true one."""
    return CLASSES[(LABELS[row] + 1) % 4]


def built(folder: Path, *answers: Answer, listing: Any = LISTING, **settings: Any) -> dict[str, dict[str, Any]]:
    """Origin → label and fold, by split."""
    from sprout.data.prepare.prepare import prepare

    (folder / "scratch").mkdir(parents=True)
    (folder / "prepared").mkdir()
    prepare(listing, folder / "prepared", folder / "scratch", settings_with(**settings), LocalProcesses(), answers)
    return {name: rows_of(folder / "prepared" / name) for name in SPLITS}


def rows_of(store: Path) -> dict[str, Any]:
    table = open_store(store).labels
    columns = (table[name].to_pylist() for name in ("origin", "label", "fold"))
    return {origin: (label, fold) for origin, label, fold in zip(*columns, strict=True)}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return built(tmp_path_factory.mktemp("before") / "build")


@pytest.fixture(scope="module")
def with_folds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return built(tmp_path_factory.mktemp("folds") / "build", **FOLDS)


def numbers(split: dict[str, Any], count: int) -> list[int]:
    """The rows of the first examples of a split."""
    return [int(origin.removeprefix("file:")) for origin in list(split)[:count]]


# What prepare makes of them.


def test_without_answers_all_files_are_the_same(tmp_path: Path) -> None:
    run(tmp_path / "one", labels=40)
    built(tmp_path / "other", labels=40)
    assert bytes_of(tmp_path / "one/prepared") == bytes_of(tmp_path / "other/prepared")
    assert "answers" not in read_json(tmp_path / "one/prepared/summary.json")


def test_a_labelled_example_of_the_pool_moves_to_train_and_nothing_else_changes(
    tmp_path: Path, before: dict[str, dict[str, Any]]
) -> None:
    right, wrong = numbers(before["unlabelled"], 2)
    after = built(tmp_path / "b", answer(right, CLASSES[LABELS[right]]), answer(wrong, other(wrong)))
    assert after["val"] == before["val"]
    assert after["test"] == before["test"]
    moved = {f"file:{right}": (LABELS[right], None), f"file:{wrong}": ((LABELS[wrong] + 1) % 4, None)}
    assert after["train"] == before["train"] | moved
    assert after["unlabelled"] == {name: each for name, each in before["unlabelled"].items() if name not in moved}
    assert list(after["train"]) == sorted(after["train"], key=lambda name: int(name[5:])), "in the source's order"
    truth = pq.read_table(tmp_path / "b/prepared/truth.parquet")["label"].to_pylist()
    assert truth == [LABELS[row] for row in numbers(after["unlabelled"], 400)]
    pixels = open_store(tmp_path / "b/prepared/train").take(np.array([list(after["train"]).index(f"file:{wrong}")]))
    np.testing.assert_array_equal(pixels[0], LISTING.examples[wrong])
    notes = read_json(tmp_path / "b/prepared/summary.json")["notes"]
    assert "answers of people: 2 labelled in the pool" in notes
    assert any("retrain.method.alignment=uniform" in note for note in notes)


def test_a_label_of_train_is_corrected(tmp_path: Path, before: dict[str, dict[str, Any]]) -> None:
    wrong, kept = numbers(before["train"], 2)
    after = built(tmp_path / "b", answer(wrong, other(wrong)), answer(kept, CLASSES[LABELS[kept]]))
    assert after == before | {"train": before["train"] | {f"file:{wrong}": ((LABELS[wrong] + 1) % 4, None)}}
    summary = read_json(tmp_path / "b/prepared/summary.json")
    assert (summary["answers"]["corrected"], summary["answers"]["confirmed"]) == (1, 1)
    assert "answers of people: 1 corrected in train, 1 confirmed in train" in summary["notes"]
    assert not any("alignment" in note for note in summary["notes"])


def test_the_last_answer_holds_and_an_undone_one_does_not(tmp_path: Path, before: dict[str, dict[str, Any]]) -> None:
    changed, undone, restored = numbers(before["unlabelled"], 3)
    after = built(
        tmp_path / "b",
        *(answer(changed, "ant"), answer(undone, "ant"), answer(restored, "dog"), answer(restored, "bee")),
        *(answer(changed, "cat"), undo(undone), undo(restored)),
    )
    new = {f"file:{changed}": (2, None), f"file:{restored}": (3, None)}
    assert after["train"] == before["train"] | new
    assert f"file:{undone}" in after["unlabelled"]


def test_none_of_these_is_quarantined(tmp_path: Path, before: dict[str, dict[str, Any]]) -> None:
    (pool,), (train,) = numbers(before["unlabelled"], 1), numbers(before["train"], 1)
    after = built(tmp_path / "b", answer(pool), answer(train), max_faulty=0.0)
    gone = {f"file:{pool}", f"file:{train}"}
    assert not gone & {name for split in after.values() for name in split}
    assert sum(map(len, after.values())) == sum(map(len, before.values())) - 2
    listed = read_rows(tmp_path / "b/prepared/quarantine.csv")
    assert {row["origin"] for row in listed} == gone
    assert {row["reason"] for row in listed} == {"left out: none of the classes, as somebody has answered"}
    assert read_json(tmp_path / "b/prepared/summary.json")["faulty"] == 0


def test_val_and_test_keep_their_labels_and_it_is_said(
    tmp_path: Path, before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    (val,), (test, same) = numbers(before["val"], 1), numbers(before["test"], 2)
    after = built(tmp_path / "b", answer(val, other(val)), answer(test), answer(same, CLASSES[LABELS[same]]))
    assert after == before
    said = "prepare: answers that are not taken, as val and test keep their labels: 2 ("
    assert said in capsys.readouterr().err
    assert read_json(tmp_path / "b/prepared/summary.json")["answers"]["held_out"] == 2


def test_images_that_are_gone_are_counted(tmp_path: Path, before: dict[str, dict[str, Any]]) -> None:
    one, two, three = numbers(before["unlabelled"], 3)
    lost = answer(one, "ant", image="file:gone", digest="00" * 16)
    changed = answer(two, "ant", digest="11" * 16)
    otherwise = answer(three, "ant", digest="22" * 16, decoded="64x64x3 fit page 0")
    unused = answer(399, "ant")  # of the source's own test split, which is not used
    after = built(tmp_path / "b", lost, changed, otherwise, unused)
    assert after["train"] == before["train"] | {f"file:{three}": (0, None)}, "decoded otherwise, the origin decides"
    assert read_json(tmp_path / "b/prepared/summary.json")["answers"]["lost"] == 3


def test_a_renamed_file_keeps_its_answer(tmp_path: Path, before: dict[str, dict[str, Any]]) -> None:
    (row,) = numbers(before["unlabelled"], 1)
    after = built(tmp_path / "b", answer(row, "dog", image="an/old/name.png"))
    assert after["train"] == before["train"] | {f"file:{row}": (3, None)}


def test_an_unknown_class_is_named_with_its_line(tmp_path: Path, before: dict[str, dict[str, Any]]) -> None:
    (row,) = numbers(before["unlabelled"], 1)
    path = tmp_path / "x.labels.csv"
    rows = [answer(row, "ant"), answer(row, "eel")]
    path.write_bytes(to_csv([COLUMNS, *([getattr(each, name) for name in COLUMNS] for each in rows)]))
    with pytest.raises(UserError, match=r"x\.labels\.csv:3: label='eel': no such class; accepted: ant, bee, cat, dog"):
        built(tmp_path / "b", *read_answers(path))


def test_new_labels_get_folds_and_no_earlier_one_moves(tmp_path: Path, with_folds: dict[str, dict[str, Any]]) -> None:
    pool = numbers(with_folds["unlabelled"], 13)
    said = [answer(row, "dog") for row in pool[:12]]
    after = built(tmp_path / "b", *said, **FOLDS)
    assert {name: after["train"][name] for name in with_folds["train"]} == with_folds["train"]
    assert after["test"] == with_folds["test"]
    new = [after["train"][f"file:{row}"] for row in pool[:12]]
    assert {label for label, _ in new} == {3}
    dogs = [fold for label, fold in after["train"].values() if label == 3]
    assert sorted(np.bincount(dogs, minlength=4)) == [4, 4, 4, 5], "the class is spread evenly"
    later = built(tmp_path / "c", *said, undo(pool[0]), answer(pool[1], "ant"), answer(pool[12], "bee"), **FOLDS)
    kept = [f"file:{row}" for row in pool[1:12]]
    assert [later["train"][name][1] for name in kept] == [after["train"][name][1] for name in kept]
    assert f"file:{pool[0]}" not in later["train"]


def test_a_new_label_joins_the_fold_of_its_group(tmp_path: Path) -> None:
    people = make_listing(group=pa.array([f"person {row // 2}" for row in range(400)]), official=0)
    settings = {"val": None, "folds": 4, "test": 40, "labels": 60}
    first = built(tmp_path / "a", listing=people, **settings)
    labelled = numbers(first["train"], 400)
    groups = {row // 2 for row in labelled}
    # A pair of the pool shares a fold, too.
    pair = next(row for row in numbers(first["unlabelled"], 400) if row % 2 == 0 and row // 2 not in groups)
    said = [answer(row, "dog", listing=people) for row in (pair, pair + 1)]
    after = built(tmp_path / "b", *said, listing=people, **settings)
    assert after["train"][f"file:{pair}"] == after["train"][f"file:{pair + 1}"]
    assert {name: after["train"][name] for name in first["train"]} == first["train"]


# The file.


def test_where_the_answers_of_a_source_lie() -> None:
    url = Url("url", ("https://example.org/a/flowers.zip",), None, None, Folders(kind="folders"))
    files = [Sklearn("sklearn", "digits"), Torchvision("torchvision", "MNIST", None), url, Target("target", "a.B", {})]
    assert [answers_file(each).name for each in files] == [
        "sklearn-digits.labels.csv",
        "torchvision-MNIST.labels.csv",
        "url-flowers.zip.labels.csv",
        "target-a.B.labels.csv",
    ]
    assert answers_file(Local("local", "pets", Folders(kind="folders"))) == Path("data/source/pets.labels.csv")


def test_git_takes_the_file_and_neither_git_nor_dvc_a_half_written_one(tmp_path: Path) -> None:
    ignored = ["git", "check-ignore", "--no-index"]
    for name, code in (("x.labels.csv", 1), ("x.labels.csv.tmp-new", 0), ("x/1.png", 0)):
        done = subprocess.run([*ignored, f"data/source/{name}"], check=False, capture_output=True)
        assert done.returncode == code, name
    assert "data/source/*.tmp-*" in Path(".dvcignore").read_text().split()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnswerFile:
    monkeypatch.chdir(tmp_path)
    return AnswerFile(tmp_path / "data/source/x.labels.csv")


def add(file: AnswerFile, *answers: Answer) -> Sequence[Answer]:
    return file.add(lambda _: answers)


def test_what_is_written_is_read(file: AnswerFile) -> None:
    odd = answer(1, 'a, "b"\nc\'é', image="日本/1.png", at=now(), replaces="none")
    add(file, odd)
    add(file, answer(2))
    fresh = AnswerFile(file.path).read()
    assert [replace(each, place="") for each in fresh] == [odd, answer(2)]
    assert file.path.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)


def test_rows_of_others_and_a_last_line_without_its_end_are_kept(file: AnswerFile) -> None:
    add(file, answer(1, "ant"))
    with file.path.open("ab") as opened:
        opened.write(to_csv([[getattr(answer(2, "bee"), name) for name in COLUMNS]]).rstrip(b"\n"))
    add(file, answer(3, "cat"))
    assert [each.label for each in AnswerFile(file.path).read()] == ["ant", "bee", "cat"]


def test_an_answer_that_holds() -> None:
    one, two = answer(1, "ant"), answer(1, "bee")
    assert holding([one, two]) == two
    assert holding([one, two, undo(1)]) == one
    assert holding([one, two, undo(1), undo(1)]) is None
    assert holding([undo(1), one]) == one


HEAD = ",".join(COLUMNS)
DAMAGED = {
    "head": ("a,b\n", r"1: \['a', 'b'\] should be the line image,digest"),
    "empty": ("", r"1: None should be the line"),
    "cells": (f"{HEAD}\na.png,x\n", r"2: 2 cells, not 8; correct or remove the line"),
    "merge": (f"{HEAD}\na,,,class,ant,me,,\n<<<<<<< HEAD\n", r"3: 1 cells, not 8"),
    "kind": (f"{HEAD}\na,,,maybe,ant,me,,\n", r"2: answer='maybe'; accepted: class, none, undone"),
    "no label": (f"{HEAD}\na,,,class,,me,,\n", r"2: needs an image, and a label"),
    "quote": (f'{HEAD}\n"a,,,class,ant,me,,\n', r"2: damaged \(unexpected end of data\)"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_with_the_line_and_stays_as_it_is(file: AnswerFile, name: str) -> None:
    text, says = DAMAGED[name]
    file.path.parent.mkdir(parents=True)
    file.path.write_text(text)
    with pytest.raises(UserError, match=rf"x\.labels\.csv:{says}"):
        add(file, answer(1))
    assert file.path.read_text() == text


def test_a_file_that_is_not_utf_8(file: AnswerFile) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(HEAD.encode() + b"\na,,,class,ant,me,,\n\xff\n")
    with pytest.raises(UserError, match=r"x\.labels\.csv:3: is not UTF-8"):
        file.read()


def test_a_file_saved_by_a_spreadsheet_is_read(file: AnswerFile) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(b"\xef\xbb\xbf" + f"{HEAD}\r\na,,,class,ant,me,,\r\n".encode())
    assert [each.label for each in file.read()] == ["ant"]


def test_a_full_disk_leaves_the_file_as_it_was(file: AnswerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    add(file, answer(1, "ant"))
    before = file.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"x\.labels\.csv.*free some space"):
        add(file, answer(2, "bee"))
    assert file.path.read_bytes() == before
    assert [each.label for each in file.read()] == ["ant"]
    assert [path.name for path in file.path.parent.iterdir()] == ["x.labels.csv"]


def test_a_folder_that_cannot_be_written_is_refused(file: AnswerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file.path.parent)
    with pytest.raises(UserError, match=r"data/source: not writable"):
        refuse_read_only(file.path)


WRITES = """
from pathlib import Path
from sprout.data.prepare.answers import Answer
from sprout.label.answers import AnswerFile
file, name = AnswerFile(Path("data/source/x.labels.csv")), "NAME"
print("ready", flush=True)
for number in range(10_000):
    file.add(lambda _: [Answer(f"{name}{number}", "", "", "class", "ant" * 50, name, "")])
"""


@pytest.mark.slow
def test_two_writers_lose_nothing_and_a_kill_leaves_whole_lines(file: AnswerFile, tmp_path: Path) -> None:
    file.path.parent.mkdir(parents=True)
    commands = ([sys.executable, "-c", WRITES.replace("NAME", name)] for name in ("one", "two"))
    writers = [subprocess.Popen(each, cwd=tmp_path, stdout=subprocess.PIPE) for each in commands]
    for each in writers:
        assert each.stdout is not None
        assert each.stdout.readline() == b"ready\n"
    while len(AnswerFile(file.path).read()) < 60:
        pass
    for each in writers:
        each.send_signal(signal.SIGKILL)
        each.communicate()
    images = [each.image for each in AnswerFile(file.path).read()]
    for name in ("one", "two"):
        own = [image for image in images if image.startswith(name)]
        assert own == [f"{name}{number}" for number in range(len(own))]
    add(file, answer(1, "bee"))
    assert AnswerFile(file.path).read()[-1].label == "bee"
