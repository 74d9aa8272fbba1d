"""Further shapes of data that people have: which labels, splits and groups come of each, or what is asked."""

import json
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sprout.config.formats import Pixels, Table
from sprout.data.formats import read_format
from sprout.data.importing.detect_format import detect_format
from sprout.data.importing.related_images import related_notes
from sprout.data.importing.table_sample import UNSAID, Columns
from sprout.data.listing import Files, Listing
from sprout.runtime.errors import UserError
from test_layouts import BREEDS, Found, images, labelled, numbered, text, workbook


def read(root: Path, columns: Columns = UNSAID) -> tuple[Listing, list[str]]:
    """Return the examples of data, and all notes."""
    scratch = root.parent / f"{root.name}-scratch"
    (scratch / "arrays").mkdir(parents=True, exist_ok=True)
    detected = detect_format(root, scratch, columns)
    listing = read_format(detected.root, scratch / "arrays", detected.format)
    assert not listing.faults
    return listing, [*detected.notes, *listing.notes]


def found_in(listing: Listing) -> Found:
    """Return label and split of each image."""
    assert isinstance(listing.examples, Files)
    assert listing.label is not None
    splits = [None] * len(listing) if listing.split is None else listing.split.to_pylist()
    return dict(
        zip(listing.examples.paths.to_pylist(), zip(listing.label.to_pylist(), splits, strict=True), strict=True)
    )


def in_classes(root: Path, pattern: str, split: str | None = None, labels: tuple[str, ...] = BREEDS) -> Found:
    """Write two images for each class, and return what is expected of them.

    Args:
        root: the data folder.
        pattern: of their paths, with {name} and {n}.
        split: theirs.
        labels: the classes.
    """
    found: Found = {pattern.format(name=name, n=n): (name, split) for name in labels for n in (1, 2)}
    images(root, *found)
    return found


def pool(root: Path, *paths: str) -> Found:
    """Write images without a label."""
    images(root, *paths)
    return dict.fromkeys(paths, (None, "unlabelled"))


def food(root: Path) -> Found:
    """Food-101 and DTD: lists in a folder beside that of the classes."""
    for name in ("train.txt", "test.txt", "classes.txt"):
        text(root, f"meta/{name}", "beagle/1")
    text(root, "license_agreement.txt", "x")
    return in_classes(root, "images/{name}/{n}.jpg")


def birds_of_caltech(root: Path) -> Found:
    """CUB-200-2011: numbered class folders, and lists."""
    text(root, "attributes/certainties.txt", "1 guess")
    text(root, "parts/part_locs.txt", "1 2")
    text(root, "train_test_split.txt", "1 0")
    return in_classes(root, "images/{name}/{n}.jpg", labels=("001.Albatross", "002.Auklet"))


def objects_of_caltech(root: Path) -> Found:
    """Caltech-101: outlines of the same names beside the images."""
    for name in BREEDS:
        text(root, f"Annotations/{name}/annotation_1.mat", "MATLAB")
    return in_classes(root, "101_ObjectCategories/{name}/image_{n}.jpg")


def tiny_imagenet(root: Path) -> Found:
    """Boxes in the class folders, val in a list that is not read, test without labels."""
    found = in_classes(root, "train/{name}/images/{n}.JPEG", "train")
    for name in BREEDS:
        text(root, f"train/{name}/{name}_boxes.txt", "1.JPEG 0 0 62 62")
    text(root, "val/val_annotations.txt", "1.JPEG n01")
    text(root, "words.txt", "n01 beagle")
    return found | pool(root, "test/images/1.JPEG", "val/images/1.JPEG")


def traffic_signs(root: Path) -> Found:
    """GTSRB as published: a table in each class folder."""
    for name in ("00000", "00001"):
        text(root, f"Final_Training/Images/{name}/GT-{name}.csv", "Filename;Width;ClassId", f"1.ppm;4;{int(name)}")
    return in_classes(root, "Final_Training/Images/{name}/{n}.ppm", labels=("00000", "00001"))


def network_drive(root: Path) -> Found:
    """What Synology, Windows, Jupyter and training programs leave behind."""
    junk = ["@eaDir/1.jpg", "beagle/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/S-1/2.jpg"]
    images(root, *junk, "pug/.ipynb_checkpoints/1-checkpoint.jpg", "pug/.thumbnails/1.jpg")
    for folder in ("System Volume Information", "lost+found"):
        (root / folder).mkdir()
    text(root, "beagle/Thumbs.db", "x")
    text(root, "labels.cache", "x")
    return in_classes(root, "{name}/{n}.jpg")


def labelled_and_not(root: Path) -> Found:
    """Semi-supervised data: classes in one folder, the rest in another."""
    return in_classes(root, "labeled/{name}/{n}.jpg", "train") | pool(root, "unlabeled/1.jpg", "unlabeled/2.jpg")


def labelled_and_not_in_train(root: Path) -> Found:
    found = in_classes(root, "train/labelled/{name}/{n}.jpg", "train") | in_classes(root, "val/{name}/{n}.jpg", "val")
    return found | pool(root, "train/unlabelled/1.jpg")


def reviews(root: Path) -> Found:
    """The folders of aclImdb, with pictures in them."""
    found = in_classes(root, "train/{name}/{n}.jpg", "train", ("neg", "pos"))
    return found | in_classes(root, "test/{name}/{n}.jpg", "test", ("neg", "pos")) | pool(root, "train/unsup/3.jpg")


def extra_split(root: Path) -> Found:
    found = in_classes(root, "train/{name}/{n}.jpg", "train") | in_classes(root, "test/{name}/{n}.jpg", "test")
    return found | pool(root, "train_unlabeled/1.jpg")


def annotated(root: Path) -> Found:
    """The export `ImageNet` of CVAT, where some images have no label."""
    text(root, "synsets.txt", *BREEDS)
    return in_classes(root, "{name}/{n}.jpg") | pool(root, "no_label/1.jpg")


def naturalists(root: Path) -> Found:
    """iNaturalist 2021, of which there is a small training split."""
    return in_classes(root, "train_mini/{name}/{n}.jpg", "train") | in_classes(root, "val/{name}/{n}.jpg", "val")


def radiographs(root: Path) -> Found:
    """COVID-19 Radiography: masks of the lungs within each class folder."""
    images(root, *(f"{name}/masks/{n}.png" for name in BREEDS for n in (1, 2)))
    return in_classes(root, "{name}/images/{n}.png")


def camera_days(root: Path) -> Found:
    """The same days within each class."""
    return in_classes(root, "{name}/2024-05-01/{n}.jpg") | in_classes(root, "{name}/2024-05-02/{n}.jpg")


def classes_by_day(root: Path) -> Found:
    """Days, on some of which a class was not seen."""
    return in_classes(root, "2024-05-01/{name}/{n}.jpg") | in_classes(
        root, "2024-05-02/{name}/{n}.jpg", None, BREEDS[:2]
    )


def magnifications(root: Path) -> Found:
    """BreakHis: the same magnifications within each class."""
    return in_classes(root, "{name}/40X/{n}.png") | in_classes(root, "{name}/100X/{n}.png")


def patients(root: Path) -> Found:
    """IDC: a folder for each patient, with one class or several in it."""
    return (
        in_classes(root, "10253/{name}/{n}.png", None, ("0", "1"))
        | in_classes(root, "10254/{name}/{n}.png", None, ("0",))
        | in_classes(root, "10255/{name}/{n}.png", None, ("1",))
    )


def genera(root: Path) -> Found:
    """Species within a genus, of which the outer folder is the class."""
    images(root, "Rosa/canina/1.jpg", "Rosa/rubiginosa/1.jpg", "Bellis/perennis/1.jpg")
    found: Found = {f"Rosa/{name}/1.jpg": ("Rosa", None) for name in ("canina", "rubiginosa")}
    return found | {"Bellis/perennis/1.jpg": ("Bellis", None)}


def signs(root: Path) -> Found:
    """ASL alphabet: the folder of a split holds one of the same name, and the test split has no classes."""
    images(root, "asl_test/asl_test/A_test.jpg")
    found = in_classes(root, "asl_train/asl_train/{name}/{n}.jpg", "train", ("A", "B"))
    return {**found, "asl_test/asl_test/A_test.jpg": (None, "unlabelled")}


def domains(root: Path) -> Found:
    """Office-31: a folder `images` between the camera and the classes."""
    return in_classes(root, "amazon/images/{name}/{n}.jpg") | in_classes(root, "webcam/images/{name}/{n}.jpg")


def initials(root: Path) -> Found:
    """SUN397: classes by their first letters."""
    found = in_classes(root, "a/{name}/{n}.jpg", None, ("abbey", "alley"))
    return found | in_classes(root, "b/{name}/{n}.jpg", None, ("bar",))


def capitals(root: Path) -> Found:
    """Classes that are spelled otherwise in another split are not taken for other things."""
    return in_classes(root, "train/{name}/{n}.jpg", "train", ("Cat", "Dog")) | in_classes(
        root, "val/{name}/{n}.jpg", "val", ("cat", "dog")
    )


IN_FOLDERS: tuple[Callable[[Path], Found], ...] = (
    *(food, birds_of_caltech, objects_of_caltech, tiny_imagenet, traffic_signs, network_drive, labelled_and_not),
    *(labelled_and_not_in_train, reviews, extra_split, annotated, naturalists, radiographs, camera_days),
    *(classes_by_day, magnifications, patients, genera, signs, domains, initials, capitals),
)


@pytest.mark.parametrize("layout", IN_FOLDERS, ids=lambda layout: layout.__name__)
def test_what_folders_mean(tmp_path: Path, layout: Callable[[Path], Found]) -> None:
    expected = layout(tmp_path / "data")
    assert found_in(read(tmp_path / "data")[0]) == expected


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (food, "not read: meta/classes.txt, meta/test.txt, meta/train.txt; the folders define"),
        (birds_of_caltech, "not read: attributes/certainties.txt, parts/part_locs.txt, train_test_split.txt;"),
        (tiny_imagenet, "not read: val/val_annotations.txt, words.txt;"),
        (radiographs, "'masks' in the class folders: not read, as only classes are learned"),
        (patients, "If they are patients, places or the like, .*: --pattern '{group}/{label}/\\*'"),
        (genera, "folders within the classes, such as 'Bellis/perennis', are joined; .*--pattern '{label}/\\*'"),
    ],
)
def test_what_is_said_of_folders(tmp_path: Path, layout: Callable[[Path], Found], said: str) -> None:
    layout(tmp_path / "data")
    notes = read(tmp_path / "data")[1]
    assert [note for note in notes if re.search(said, note)], notes


def test_what_is_said_of_folders_can_be_done(tmp_path: Path) -> None:
    """The patterns that the notes name."""
    patients(tmp_path / "idc")
    listing, _ = read(tmp_path / "idc", Columns(pattern="{group}/{label}/*"))
    assert listing.group is not None
    assert sorted(set(listing.group.to_pylist())) == ["10253", "10254", "10255"]
    assert {label for label, _ in found_in(listing).values()} == {"0", "1"}
    genera(tmp_path / "plants")
    listing, _ = read(tmp_path / "plants", Columns(pattern="{label}/*"))
    assert {label for label, _ in found_in(listing).values()} == {"canina", "rubiginosa", "perennis"}


def refused() -> Iterator[tuple[str, list[str], dict[str, bytes], str]]:
    """Yield a name, images, other files, and what is said."""
    hdf, dicom = b"\x89HDF\r\n\x1a\n", bytes(128) + b"DICM"
    batch = pickle.dumps({"data": np.zeros(3)})
    yield "h5", [], {"train.h5": hdf, "test.h5": hdf}, "test.h5 is an HDF5 file, which is not read; open it by h5py"
    yield "h5_of_another_name", [], {"signs": hdf}, "signs is an HDF5 file, which is not read"
    files = {"data_batch_1": batch, "test_batch": batch, "batches.meta": batch, "readme.html": b"x"}
    yield "cifar", [], files, "batches.meta is a pickle, which is not read; opening it could run any code"
    files = {f"train_images/{n}.dcm": dicom for n in "abc"} | {"labels.csv": b"patientId,Target\na,0\nb,1\n"}
    yield "rsna", [], files, "train_images/a.dcm is a DICOM file, which is not read; write each image as PNG"
    yield "no_suffix", [], {f"{name}/IM{n}": dicom for name in BREEDS for n in (1, 2)}, "beagle/IM1 is a DICOM file"
    yield "sound", [], {f"{name}/{n}.wav": b"RIFF" for name in BREEDS for n in (1, 2)}, "sound, which is not read"
    yield "texts", [], {f"{name}/{n}.txt": b"x" for name in BREEDS for n in (1, 2)}, "beagle/1.txt is text, which"
    yield "records", [], {f"{name}/1.tfrec": b"x" for name in BREEDS}, "beagle/1.tfrec is a TFRecord, which is not"
    files = {"train_X.bin": bytes(9), "train_y.bin": bytes(9), "unlabeled_X.bin": bytes(9)}
    yield "stl10", [], files, "train_X.bin is bytes without a description, which is not read"
    files = {"train.zip": b"PK\3\4", "test.zip": b"PK\3\4", "labels.csv": b"id,breed\n1,pug\n2,collie\n"}
    yield "kaggle", [], files, "test.zip is a compressed file, which is not read; unpack it into a folder"
    files = {"a.arff": b"@RELATION a"}
    yield "weka", [], files, "a.arff is an ARFF file, which is not read; save it as CSV"
    files = {"imagelabels.mat": b"MATLAB", "setid.mat": b"MATLAB"}
    yield "flowers", ["jpg/1.jpg", "jpg/2.jpg"], files, "what lies beside them is not read: imagelabels.mat, setid.mat"
    yield "labels", ["images/1.jpg", "images/2.jpg"], {"labels.npy": b"x"}, "is not read: labels.npy"
    yield "labelled", ["labeled/1.jpg", "unlabeled/2.jpg"], {}, "no folder in there names a class"
    pictures = ["cars_train/1.jpg", "cars_train/2.jpg", "cars_test/1.jpg"]
    yield "cars", pictures, {"devkit/cars_train_annos.mat": b"MATLAB"}, "is not read: devkit/cars_train_annos.mat"
    pictures = ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg", "chest/train/cat/1.jpg", "chest/test/cat/1.jpg"]
    yield "chest", pictures, {}, "'test', 'train' lie beside 'chest'"
    pictures = ["cells/images/TRAIN/a/1.jpg", "cells/images/TEST/a/1.jpg", "boxes/JPEGImages/1.jpg"]
    yield "cells", pictures, {}, "'cells' holds 'TEST', 'TRAIN', and 'boxes' no splits"
    pictures = [f"{part}/{name}/1.jpg" for part in ("val", "rest") for name in BREEDS]
    yield "rest", pictures, {}, "'val' holds classes, and 'rest' is no split that is known; rename the folders to train"
    pictures = [*(f"images_evaluation/Latin/{n}/1.jpg" for n in "ab"), "images_evaluation/Greek/a/1.jpg"]
    yield "omniglot", [*pictures, "images_background/Thai/a/1.jpg"], {}, "'images_evaluation' holds classes, and"
    files = {f"data/{name}": b"x" for name in ("variants.txt", "images_variant_train.txt")} | {"evaluation.m": b"x"}
    yield "fgvc", ["data/images/1.jpg", "data/images/2.jpg"], files, "is not read: data/images_variant_train.txt, data/"


@pytest.mark.parametrize(("name", "pictures", "files", "said"), list(refused()), ids=[case[0] for case in refused()])
def test_what_is_refused(tmp_path: Path, name: str, pictures: list[str], files: dict[str, bytes], said: str) -> None:
    root = tmp_path / name
    images(root, *pictures)
    for file, content in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(root)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["train.pkl", "model.pt", "a.h5", "t.arff", "a.dcm", "t.csv.gz"])
def test_a_single_file_that_is_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b or the like")
    with pytest.raises(UserError, match=f"{name} is an? .*, which is not read; "):
        detect_format(tmp_path / name, tmp_path / "scratch")


def rows(names: list[str], pattern: str, *more: str) -> list[str]:
    """Return rows of a table: {name}, {n}, {label}, whose labels take turns."""
    return [pattern.format(name=name, n=n, label=BREEDS[n % 3]) for n, name in enumerate(names)] + list(more)


def fastai(root: Path) -> Found:
    """A column `is_valid`, and a folder that says otherwise."""
    names = numbered("train/{}.png", 6)
    images(root, *names)
    text(root, "labels.csv", "name,label,is_valid", *rows(names[:3], "{name},{label},False"))
    with (root / "labels.csv").open("a") as file:
        file.writelines(f"{line}\n" for line in rows(names[3:], "{name},{label},True"))
    return labelled(names[:3], "train") | labelled(names[3:], "val")


def held_out(root: Path) -> Found:
    """A column that is 1 for training images."""
    names = numbered("{}.png", 6)
    images(root, *names)
    lines = [f"{row},{int(n < 3)}" for n, row in enumerate(rows(names, "{name},{label}"))]
    text(root, "t.csv", "path,label,is_training_image", *lines)
    return labelled(names[:3], "train") | labelled(names[3:], "test")


def retinas(root: Path) -> Found:
    """APTOS: ids without suffix in a column of another name, and a table of the test split without labels."""
    names = numbered("train_images/{:06x}.png", 6)
    images(root, *names, "test_images/f.png")
    text(root, "train.csv", "id_code,diagnosis", *rows([Path(name).stem for name in names], "{name},{label}"))
    text(root, "test.csv", "id_code", "f")
    return labelled(names, "train") | {"test_images/f.png": (None, "unlabelled")}


def skin(root: Path) -> Found:
    """ISIC 2019: one column of 0.0 and 1.0 for each class, and another table of the same images."""
    names = numbered("ISIC_2019_Training_Input/ISIC_{}.jpg", 6)
    images(root, *names)
    stems = [Path(name).stem for name in names]
    lines = [f"{stem},{','.join(str(float(n % 3 == k)) for k in range(3))}" for n, stem in enumerate(stems)]
    text(root, "ISIC_2019_Training_GroundTruth.csv", f"image,{','.join(BREEDS)}", *lines)
    text(root, "ISIC_2019_Training_Metadata.csv", "image,age,sex,lesion_id", *(f"{stem},50,f,{stem}" for stem in stems))
    return labelled(names)


def of_another_machine(root: Path) -> Found:
    names = numbered("im/{}.png", 6)
    images(root, *names, "other/0.png")
    text(root, "t.csv", "path,label", *rows(names, "/home/ann/data/{name},{label}"))
    return labelled(names)


def of_windows(root: Path) -> Found:
    """A drive of Windows, and endings in capitals."""
    names = numbered("im/{}.png", 6)
    images(root, *names)
    text(root, "t.csv", "path,label", *rows(names, "C:\\Data\\pets\\{n}.PNG,{label}"))
    return labelled(names)


def addresses(root: Path) -> Found:
    names = numbered("{} a.png", 6)
    images(root, *names)
    text(root, "t.csv", "image,label", *rows(names, "https://example.org/pets/{n}%20a.png?token=x.y,{label}"))
    return labelled(names)


def from_the_folder_above(root: Path) -> Found:
    """Paths that begin with the name of the data folder itself, as in CheXpert."""
    names = numbered("train/{}.png", 6)
    images(root, *names)
    text(root, "train.csv", "Path,label", *rows(names, "CheXpert-small/{name},{label}"))
    return labelled(names, "train")


def label_studio(root: Path) -> Found:
    """The export as CSV: many columns, one of which is the choice."""
    names = numbered("images/{}.png", 6)
    images(root, *names)
    head = "annotation_id,annotator,choice,id,image,lead_time"
    text(root, "project.csv", head, *rows(names, "{n},1,{label},{n},/data/upload/1/{n}.png,2.5"))
    return labelled(names)


def label_studio_short(root: Path) -> Found:
    """The export JSON-MIN: a list of objects."""
    names = numbered("{}.png", 6)
    images(root, *names)
    records = [{"image": name, "id": n, "choice": BREEDS[n % 3], "box": [1, 2]} for n, name in enumerate(names)]
    text(root, "project.json", json.dumps(records))
    return labelled(names)


def names_to_labels(root: Path) -> Found:
    names = numbered("{}.png", 6)
    images(root, *names)
    text(root, "labels.json", json.dumps({name: n % 3 for n, name in enumerate(names)}))
    return labelled(names, None, ("0", "1", "2"))


def a_table_for_each_split(root: Path) -> Found:
    names = numbered("im/{}.png", 9)
    images(root, *names)
    for start, split in enumerate(("train", "valid", "test")):
        text(root, f"pets_{split}.csv", "path,label", *rows(names[3 * start :][:3], "{name},{label}"))
    return labelled(names[:3], "train") | labelled(names[3:6], "val") | labelled(names[6:], "test")


def german_signs(root: Path) -> Found:
    """GTSRB as Kaggle has it: classes in train, none in test, a table for each, and pictures of the classes."""
    train, test = numbered("Train/{}/1.png", 3), numbered("Test/{}.png", 3)
    images(root, *train, *test, *numbered("Meta/{}.png", 3))
    for split, names in (("Train", train), ("Test", test), ("Meta", numbered("Meta/{}.png", 3))):
        text(root, f"{split}.csv", "Width,Height,ClassId,Path", *rows(names, "4,4,{label},{name}"))
    return labelled(train, "train") | labelled(test, "test")


def folds(root: Path) -> Found:
    """Folds of a cross-validation are neither labels nor splits."""
    names = numbered("{}.png", 6)
    images(root, *names)
    text(root, "train_folds.csv", "image,breed,kfold", *rows(names, "{name},{label},{n}"))
    return labelled(names)


BY_TABLES: tuple[Callable[[Path], Found], ...] = (
    *(fastai, held_out, retinas, skin, of_another_machine, of_windows, addresses, from_the_folder_above, label_studio),
    *(label_studio_short, names_to_labels, a_table_for_each_split, german_signs, folds),
)


@pytest.mark.parametrize("layout", BY_TABLES, ids=lambda layout: layout.__name__)
def test_what_tables_of_images_mean(tmp_path: Path, layout: Callable[[Path], Found]) -> None:
    expected = layout(tmp_path / "data")
    assert found_in(read(tmp_path / "data")[0]) == expected


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (fastai, "splits: column 'is_valid', true is val, false is train"),
        (held_out, "splits: column 'is_training_image', true is train, false is test"),
        (of_another_machine, "paths: '/home/ann/data/im' is taken for the folder 'im' here"),
        (from_the_folder_above, "paths: 'CheXpert-small/train' is taken for the folder 'train' here"),
        (label_studio, "paths: '/data/upload/1' is left off"),
        (a_table_for_each_split, "splits: the names of the tables pets_train.csv, pets_valid.csv, pets_test.csv"),
        (german_signs, "not read: Meta.csv"),
    ],
)
def test_what_is_said_of_tables(tmp_path: Path, layout: Callable[[Path], Found], said: str) -> None:
    layout(tmp_path / "data")
    assert said in read(tmp_path / "data")[1]


def test_a_path_of_another_machine_may_be_missing_here(tmp_path: Path) -> None:
    """An image of another class with the same name does not take its place."""
    images(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png")
    text(
        tmp_path,
        "t.csv",
        "path,label",
        *(f"/mnt/a/{name},{name[:3]}" for name in ("cat/1.png", "cat/2.png", "dog/2.png")),
    )
    detected = detect_format(tmp_path, tmp_path / "scratch")
    listing = read_format(detected.root, tmp_path, detected.format)
    assert [(row, fault.partition(";")[0]) for row, fault in listing.faults.items()] == [(2, "an absolute path")]


def test_masks_do_not_take_the_place_of_images(tmp_path: Path) -> None:
    """The folder that the table names is not here, and another holds files of the same names."""
    images(tmp_path, *numbered("masks/{}.png", 3))
    text(tmp_path, "t.csv", "path,label", *rows(numbered("images/{}.png", 3), "{name},{label}"))
    with pytest.raises(UserError, match=r"names image files such as 'images/0.png': no such file"):
        read(tmp_path)


def test_a_column_that_is_true_for_all_is_no_split(tmp_path: Path) -> None:
    names = numbered("{}.png", 3)
    images(tmp_path / "data", *names)
    text(tmp_path / "data", "t.csv", "path,label,is_valid", *rows(names, "{name},{label},True"))
    assert found_in(read(tmp_path / "data")[0]) == labelled(names)


def test_two_images_in_a_row(tmp_path: Path) -> None:
    names = numbered("{}_left.png", 6)
    images(tmp_path / "data", *names, *numbered("{}_right.png", 6))
    lines = rows(names, "{n},{n}_left.png,{n}_right.png,{label}")
    text(tmp_path / "data", "eyes.csv", "ID,Left-Fundus,Right-Fundus,kind", *lines)
    listing, notes = read(tmp_path / "data")
    assert found_in(listing) == labelled(names)
    assert [note for note in notes if note.startswith("column 'Right-Fundus' names images, too")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"images": [], "annotations": []},
            "JSON of another shape with the keys 'images', 'annotations'; accepted: a list",
        ),
        ([1, 2], "JSON of another shape; accepted: a list of objects"),
        ([{"data": {"image": "1.png"}, "id": 1}], "JSON of another shape; accepted"),
    ],
)
def test_json_of_another_shape(tmp_path: Path, value: object, message: str) -> None:
    text(tmp_path, "a.json", json.dumps(value))
    with pytest.raises(UserError, match=f"a.json: {message}"):
        detect_format(tmp_path / "a.json", tmp_path)


def test_folders_of_patients_in_splits(tmp_path: Path) -> None:
    """CheXpert without its table."""
    images(
        tmp_path,
        *(f"{split}/patient{n}/1.png" for split, start in (("train", 0), ("valid", 5)) for n in (start, start + 1)),
    )
    with pytest.raises(
        UserError, match="the folders of val, such as 'patient5', 'patient6', are others than those of train"
    ):
        read(tmp_path)


Rows = dict[str, list[float] | list[str | None]]
"""The features by name, and what is learned as `learned`; NaN is -1."""


def read_rows(root: Path, columns: Columns = UNSAID) -> Rows:
    """Return the rows of a table of features."""
    listing, _ = read(root, columns)
    assert isinstance(listing.examples, np.ndarray)
    assert listing.features is not None
    learned = listing.label if listing.value is None else listing.value
    assert learned is not None
    features = dict(zip(listing.features, np.nan_to_num(listing.examples, nan=-1).T.tolist(), strict=True))
    return {**features, "learned": learned.to_pylist()}


def table(root: Path, name: str, *lines: str, repeat: int = 10) -> None:
    """Write a table whose rows are repeated, with {n} for their number."""
    head, *body = lines
    text(root, name, head, *(line.replace("{n}", str(n)) for n in range(repeat) for line in body))


def unknown_entries(root: Path) -> Rows:
    """UCI: `?` where an entry is missing, in numbers and in categories."""
    table(root, "heart.csv", "age,chol,thal,class", "50,?,normal,0", "60,233,?,1")
    return {
        "age": [50.0, 60.0] * 10,
        "chol": [-1.0, 233.0] * 10,
        "chol is empty": [1.0, 0.0] * 10,
        "thal=?": [0.0, 1.0] * 10,
        "thal=normal": [1.0, 0.0] * 10,
        "learned": ["0", "1"] * 10,
    }


def breast_cancer(root: Path) -> Rows:
    """The target has a usual name, and the last column neither a name nor entries, as a comma ends each line."""
    table(root, "data.csv", "id,diagnosis,radius,", "1{n},M,7.5,", "2{n},B,3.5,")
    return {"radius": [7.5, 3.5] * 10, "learned": ["M", "B"] * 10}


def penguins(root: Path) -> Rows:
    table(root, "penguins.csv", "species,mass,sex", "Adelie,3700.5,male", "Gentoo,5000.5,female")
    return {
        "mass": [3700.5, 5000.5] * 10,
        "sex=female": [0.0, 1.0] * 10,
        "sex=male": [1.0, 0.0] * 10,
        "learned": ["Adelie", "Gentoo"] * 10,
    }


def of_excel(root: Path) -> Rows:
    """A first line that tells Excel the separator."""
    table(root, "t.csv", "sep=;", "a;b;label", repeat=1)
    with (root / "t.csv").open("a") as file:
        file.write("1,5;7;cat\n2,5;8;dog\n" * 10)
    return {"a": [1.5, 2.5] * 10, "b": [7.0, 8.0] * 10, "learned": ["cat", "dog"] * 10}


def titanic(root: Path) -> Rows:
    """The table of the test split lacks the target, which is neither the last column nor of a usual name."""
    table(root, "train.csv", "PassengerId,Survived,Sex,Fare", "1{n},1,f,7.5", "2{n},0,m,3.5")
    table(root, "test.csv", "PassengerId,Sex,Fare", "9{n},f,7.5")
    text(root, "gender_submission.csv", "PassengerId,Survived", "90,0")
    count = 10
    return {
        "Sex=f": [1.0, 0.0] * count + [1.0] * count,
        "Sex=m": [0.0, 1.0] * count + [0.0] * count,
        "Fare": [7.5, 3.5] * count + [7.5] * count,
        "learned": ["1", "0"] * count + [None] * count,
    }


def signs_in_numbers(root: Path) -> Rows:
    """Shares are numbers; days, and prices whose thousands are not three digits, are no categories."""
    lines = [f'"1,{n}00.5",{n}%,2024-01-{n},Jan {n} 2024,{n}.5,{BREEDS[n % 3]}' for n in range(10, 31)]
    text(root, "t.csv", "price,share,day,date,width,label", *lines)
    numbers = range(10, 31)
    shares, widths = [float(n) for n in numbers], [n + 0.5 for n in numbers]
    return {"share": shares, "width": widths, "learned": [BREEDS[n % 3] for n in numbers]}


def ranges(root: Path) -> Rows:
    """A few of them are a category."""
    table(root, "t.csv", "age,label", "20-29,cat", "30-39,dog")
    return {"age=20-29": [1.0, 0.0] * 10, "age=30-39": [0.0, 1.0] * 10, "learned": ["cat", "dog"] * 10}


def folds_of_rows(root: Path) -> Rows:
    """The last column is a fold, and no target; nor is it a feature."""
    table(root, "t.csv", "a,kind,fold_id", "1.5,cat,{n}", "2.5,dog,{n}")
    return {"a": [1.5, 2.5] * 10, "learned": ["cat", "dog"] * 10}


BY_ROWS: tuple[Callable[[Path], Rows], ...] = (
    *(unknown_entries, breast_cancer, penguins, of_excel, titanic, signs_in_numbers, ranges, folds_of_rows),
)


@pytest.mark.parametrize("layout", BY_ROWS, ids=lambda layout: layout.__name__)
def test_what_tables_of_features_mean(tmp_path: Path, layout: Callable[[Path], Rows]) -> None:
    expected = layout(tmp_path / "data")
    assert read_rows(tmp_path / "data") == expected


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (titanic, "target: column 'Survived', a class"),
        (titanic, "splits: the names of the tables train.csv, test.csv"),
        (breast_cancer, "left out: 'id', '' (identifies rows)"),
        (signs_in_numbers, "left out: 'price' (numbers or times with signs in them, such as '1,1000.5'; write plain"),
    ],
)
def test_what_is_said_of_features(tmp_path: Path, layout: Callable[[Path], Rows], said: str) -> None:
    layout(tmp_path / "data")
    notes = read(tmp_path / "data")[1]
    assert [note for note in notes if note.startswith(said)], notes


def test_pixels_whose_test_split_is_secret(tmp_path: Path) -> None:
    """The digit recognizer of Kaggle."""
    pixels = [f"pixel{n}" for n in range(16)]
    text(
        tmp_path,
        "train.csv",
        ",".join(["label", *pixels]),
        *(f"{n},{','.join(map(str, range(n, n + 16)))}" for n in (3, 5)),
    )
    text(tmp_path, "test.csv", ",".join(pixels), ",".join(["0"] * 16))
    text(tmp_path, "sample_submission.csv", "ImageId,Label", "1,0")
    found = detect_format(tmp_path, tmp_path)
    assert isinstance(found.format, Pixels)
    assert (found.format.train, found.format.test) == ("train.csv", None)
    assert found.notes[-1] == "not read: test.csv, which has no column 'label'"
    listing = read_format(tmp_path, tmp_path, found.format)
    assert isinstance(listing.examples, np.ndarray)
    assert listing.examples.reshape(2, 16).tolist() == [[*range(3, 19)], [*range(5, 21)]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["39, State-gov, 77516, <=50K", "50, Private, 83311, >50K", "28, Private, 33840, <=50K"],
            "its first line is a row",
        ),
        (
            ["5.1,3.5,0.2,setosa", "6.1,2.5,1.2,virginica", "4.9,3.9,0.1,setosa"],
            "its first line is a row (5.1, 3.5, 0.2",
        ),
        (["a b label", "1 2 cat", "3 4 dog"], "a single column, 'a b label'; separate columns by commas"),
        (
            ["measured 2024", "a,b,label", "1,2,cat", "3,4,dog"],
            "if the first line ('measured 2024') is a title, remove it",
        ),
        (
            ["a,label", "1.5,x", "2.5,?", "3.5,y"],
            "has ? beside other labels: if it stands for a missing label, add --missing='?'",
        ),
        (
            ["target,a", *(f"$1{n},{n}.5" for n in range(25))],
            "the target 'target' has numbers or times with signs in them",
        ),
        (
            ["day,label", *(f"2024-05-{n},cat" for n in range(10, 32))],
            "no column can be a feature beside the target 'label'; left out: 'day'",
        ),
    ],
)
def test_tables_that_are_asked_about(tmp_path: Path, lines: list[str], said: str) -> None:
    text(tmp_path, "t.data", *lines)
    for path in (tmp_path, tmp_path / "t.data"):
        with pytest.raises(UserError) as caught:
            read(path)
        assert said in str(caught.value)


def test_columns_may_be_numbered_or_wavelengths(tmp_path: Path) -> None:
    """Numbers as names are no row where they count the columns, or lie beyond the entries."""
    for head in ("label,0,1,2", "label,1000.5,1001.5,1003.5"):
        text(tmp_path, "t.csv", head, "cat,0.5,0.1,9.5", "dog,0.5,3.1,0.5")
        found = detect_format(tmp_path / "t.csv", tmp_path)
        assert isinstance(found.format, Table)
        assert found.format.target == "label"


def test_a_missing_label_can_be_said(tmp_path: Path) -> None:
    text(tmp_path / "data", "t.csv", "a,label", "1.5,x", "2.5,?", "3.5,y")
    listing, _ = read(tmp_path / "data", Columns(missing="?"))
    assert listing.label is not None
    assert listing.label.to_pylist() == ["x", None, "y"]


def test_a_title_above_a_sheet(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", a=[["Measurements", None, None], ["a", "b", "label"], [1, 2, "cat"]])
    with pytest.raises(
        UserError, match=r"a.xlsx: its first row names 1 of 3 columns; name each, and remove what lies above"
    ):
        detect_format(tmp_path, tmp_path)


def test_patients_of_another_name(tmp_path: Path) -> None:
    names = numbered("{}.png", 6)
    images(tmp_path / "data", *names)
    text(tmp_path / "data", "t.csv", "image,diagnosis,participant", *rows(names, "{name},{label},{n}"))
    listing, notes = read(tmp_path / "data")
    assert listing.group is not None
    assert listing.group.to_pylist() == ["0", "1", "2", "3", "4", "5"]
    assert "groups: column 'participant'" in notes


@pytest.mark.parametrize(
    ("head", "numbers"), [("file,age", range(20, 50)), ("file,label", [n + 0.5 for n in range(30)])]
)
def test_numbers_of_images_are_asked_about(tmp_path: Path, head: str, numbers: list[float]) -> None:
    names = numbered("{}.png", 30)
    images(tmp_path / "data", *names)
    lines = [f"{name},{number}" for name, number in zip(names, numbers, strict=True)]
    text(tmp_path / "data", "t.csv", head, *lines)
    column = head.split(",")[1]
    with pytest.raises(UserError, match=f"column '{column}' has 30 different numbers.* --target {column}=class"):
        read(tmp_path / "data")
    found = found_in(read(tmp_path / "data", Columns(f"{column}=class"))[0])
    assert found == {name: (str(number), None) for name, number in zip(names, numbers, strict=True)}


def test_many_classes_may_be_numbers(tmp_path: Path) -> None:
    """In a column with a usual name."""
    names = numbered("{}.png", 30)
    images(tmp_path / "data", *names)
    text(tmp_path / "data", "t.csv", "file,label", *(f"{name},{n}" for n, name in enumerate(names)))
    assert found_in(read(tmp_path / "data")[0]) == {name: (str(n), None) for n, name in enumerate(names)}


def test_arrays_beside_a_table_are_not_left_out(tmp_path: Path) -> None:
    """The table has a feature of its own, so that it could be learned from alone."""
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "images.npy", np.zeros((4, 4, 4), np.uint8))
    table(tmp_path / "data", "labels.csv", "age,label", "1.5,cat", "2.5,dog")
    with pytest.raises(UserError, match=r"images\.npy is one of several arrays, which is not read"):
        read(tmp_path / "data")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["{label}/video1_frame{n}.jpg", "{label}/video2_frame{n}.jpg"], "--pattern '{label}/{group}_frame*'"),
        (["{label}/1_jpg.rf.a{n}.jpg", "{label}/2_jpg.rf.b{n}.jpg"], "--pattern '{label}/{group}.rf*'"),
        (["{label}/{n}.jpg", "{label}/{n}_flip.jpg"], "a table with a column `group`"),
        (["{label}/{n}.jpg", "{label}/frame_{n}.jpg"], None),
    ],
)
def test_images_that_belong_together(tmp_path: Path, names: list[str], said: str | None) -> None:
    paths = [name.format(label=label, n=n) for name in names for label in BREEDS for n in (1, 2, 3)]
    images(tmp_path / "data", *paths)
    listing, _ = read(tmp_path / "data")
    notes = related_notes(listing)
    assert [said in note for note in notes] == ([] if said is None else [True])
    if said and said.startswith("--pattern"):
        grouped, _ = read(tmp_path / "data", Columns(pattern=said.removeprefix("--pattern ").strip("'")))
        assert grouped.group is not None
        assert len(set(grouped.group.to_pylist())) == 2
        assert found_in(grouped) == found_in(listing)
        assert not related_notes(grouped)


@pytest.mark.parametrize(
    ("features", "said"), [(784, "x.reshape(-1, 28, 28)"), (3072, "x.reshape(-1, 32, 32, 3)"), (301, None), (16, None)]
)
def test_rows_of_pixels_in_an_array(tmp_path: Path, features: int, said: str | None) -> None:
    """Features are what they are without their shape; it is said that they may be images."""
    (tmp_path / "data").mkdir()
    x = np.arange(4 * features).reshape(4, features).astype(np.uint8)
    np.savez(tmp_path / "data" / "a.npz", x=x, y=np.arange(4) % 2)
    listing, notes = read(tmp_path / "data")
    assert isinstance(listing.examples, np.ndarray)
    assert listing.examples.tolist() == x.tolist()
    assert [said in note for note in notes if "features" in note] == ([True] if said else [])
