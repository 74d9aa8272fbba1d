"""Files that are not read: of which kind they are, and how to convert them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sprout.data.formats.archive import is_packed
from sprout.data.formats.file_tree import IMAGE_SUFFIXES, holds_documents_alone, is_document, visible_entries, walk
from sprout.data.formats.folder_names import split_of
from sprout.runtime.errors import UserError, listed, printable

SAMPLE_FILES = 1000
"""Files by which a folder is judged."""
LISTS = (".txt", ".json", ".xml", ".mat", ".npy", ".npz")
"""Endings of files that may say what images show, and are not read."""
ARRAYS = "save its arrays under names such as x_train and y_train by numpy.savez('data.npz', x_train=…)"


class Kind(NamedTuple):
    """A kind of files that is not read."""

    name: str
    suffixes: tuple[str, ...]
    remedy: str


KINDS = (
    Kind("an HDF5 file", (".h5", ".hdf5", ".hdf", ".he5"), f"open it by h5py and {ARRAYS}"),
    Kind(
        "a pickle",
        (".pkl", ".pickle", ".joblib", ".pt", ".pth"),
        f"opening it could run any code; if you trust it, open it in Python and {ARRAYS}",
    ),
    Kind(
        "a DICOM file", (".dcm", ".dicom"), "write each image as PNG of 16 bits (pydicom, Pillow), in the same folders"
    ),
    Kind(
        "a volume of a scanner",
        (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd"),
        "write its slices as PNG of 16 bits (nibabel, Pillow), and a table path,label,group with the patients",
    ),
    Kind(
        "a TFRecord", (".tfrecord", ".tfrecords", ".tfrec"), "write its images as files in class folders (tensorflow)"
    ),
    Kind("a database of LMDB", (".mdb", ".lmdb"), "write its images as files in class folders (the package lmdb)"),
    Kind("an ARFF file", (".arff",), "save it as CSV, in Weka or by scipy.io.arff.loadarff and pandas"),
    Kind(
        "a table of sparse rows",
        (".libsvm", ".svm", ".svmlight"),
        "x, y = sklearn.datasets.load_svmlight_file(…); numpy.savez('data.npz', x_train=x.toarray(), y_train=y)",
    ),
    Kind("sound", (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac"), "write spectrograms as images (librosa)"),
    Kind(
        "a video", (".mp4", ".avi", ".mov", ".mkv", ".webm"), "write frames as images (ffmpeg), a folder for each video"
    ),
    Kind("data of R", (".rds", ".rda", ".rdata"), "save the table by write.csv(…, row.names = FALSE)"),
    Kind("a table of Arrow", (".feather", ".arrow"), "save it as Parquet: pandas.read_feather(…).to_parquet(…)"),
    Kind("a drawing", (".svg",), "write it as PNG (Inkscape)"),
    Kind("a raw photograph", (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf"), "develop it as JPEG or TIFF"),
    Kind(
        "a compressed file",
        (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"),
        "unpack it into a folder of its own; zip and tar archives are read where one is all that there is",
    ),
    Kind("bytes without a description", (".bin", ".raw"), f"open it by numpy.fromfile and {ARRAYS}"),
    Kind(
        "one of several arrays",
        (".npy", ".npz"),
        "join them: numpy.savez('data.npz', x_train=numpy.stack(…), y_train=…)",
    ),
    Kind("text", (".txt", ".xml", ".json", ".html"), "only images, arrays and tables are learned from"),
)
MAGIC = {b"\x89HDF": KINDS[0], b"DICM": KINDS[2], **{bytes([0x80, number]): KINDS[1] for number in range(2, 6)}}
"""How files of some kinds begin, DICOM after 128 bytes."""


def kind_of(path: Path) -> Kind | None:
    """Return the kind of a file that is not read, by its name or else its first bytes; None for any other."""
    name = path.name.lower()
    if found := next((kind for kind in KINDS if name.endswith(kind.suffixes)), None):
        return found
    with path.open("rb") as file:
        start = file.read(132)
    return next((kind for magic, kind in MAGIC.items() if start.startswith(magic) or start[128:] == magic), None)


def refuse_unread(root: Path) -> None:
    """Refuse a folder that holds no images and mostly files of a kind that is not read.

    Raises:
        UserError: it does.
    """
    real = str(root.resolve())
    found = walk(real, len(real.rstrip("/")) + 1, visible_entries(real))
    names = [name for name, fault in islice(found, SAMPLE_FILES) if fault is None]
    if any(name.lower().endswith(IMAGE_SUFFIXES) for name in names):
        return
    names = [name for name in names if not is_document(name)] or names
    kinds = [(kind, name) for name in names if (kind := kind_of(root / name))]
    if kinds and 2 * len(kinds) >= len(names):
        kind, name = kinds[0]
        raise UserError(f"{root}: {printable(name)} is {kind.name}, which is not read; {kind.remedy}")


def refuse_unread_file(path: Path) -> None:
    """Refuse a single file of a kind that is not read; not an archive, nor a document, which may be a table.

    Raises:
        UserError: it is.
    """
    if not is_document(path.name) and not is_packed(path) and (kind := kind_of(path)):
        raise UserError(f"{path} is {kind.name}, which is not read; {kind.remedy}")


def list_notes(root: Path) -> list[str]:
    """Return which documents beside class folders may say more of the images, and are not read."""
    lists = lists_beside(root)
    if not lists:
        return []
    return [
        f"not read: {listed(lists)}; the folders define the labels. If splits, other labels or groups are in there, "
        "write them as a table path,label,split,group"
    ]


def lists_beside(root: Path) -> list[str]:
    """Return the lists in a data folder, in its splits, in its only folder and in those that hold documents alone."""
    return [name for name in find_lists(root) if not Path(name.lower()).stem.startswith(("readme", "license"))]


def find_lists(root: Path, folder: str = "") -> Iterator[str]:
    """Yield what `lists_beside` returns, and readme files."""
    entries = visible_entries(str(root / folder))
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    for entry in entries:
        path = f"{folder}{entry.name}"
        if entry.is_file() and Path(entry.name.lower()).suffix in LISTS:
            yield path
        elif entry in folders and (len(folders) == 1 or split_of(entry.name) or holds_documents_alone(entry.path)):
            yield from find_lists(root, f"{path}/")
