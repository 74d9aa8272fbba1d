"""What the names of folders and tables say: whether they are splits or parts of a data set, and not its classes."""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
    "unsup": "unlabelled",
    "unsupervised": "unlabelled",
    "nolabel": "unlabelled",
    "pred": "unlabelled",
    "labelled": "train",
    "labeled": "train",
}
"""A word in a folder's name → the split that it stands for."""
PHRASES: dict[tuple[str, ...], str] = {
    ("public", "test"): "val",
    ("private", "test"): "test",
    ("no", "label"): "unlabelled",
    ("no", "labels"): "unlabelled",
    ("not", "labelled"): "unlabelled",
    ("not", "labeled"): "unlabelled",
}
"""How competitions name the test split that they publish, and the one by which they judge; and how tools for
annotation name what nobody has labelled."""
VARIANTS = {"mini", "small", "tiny", "large", "full", "clean", "cleaned", "raw", "resized", "cropped", "new", "orig"}
"""Words by which a split differs from another version of it: train_mini."""
PART_WORDS = {"part", "batch", "chunk", "shard", "fold", "volume", "vol", "subset", "blobs", "snapshots"}
"""Words by which a data set is divided for size or by measurement, not by class."""
THINGS = {
    *("image", "images", "img", "imgs", "picture", "pictures", "pics", "photo", "photos", "file", "files"),
    *("data", "dataset", "set", "split", "folder", "sample", "samples", "seg", "jpg", "jpeg", "png"),
}
"""Words for what is in a folder, which say nothing of a class."""
TARGETS = {
    *("label", "labels", "annotation", "annotations", "mask", "masks", "gt", "groundtruth", "bboxes", "boxes"),
    *("segmentation", "segmentations", "depth", "xml", "xmls"),
}
"""Words for what is learned of each image in other tasks than classification."""
PART = re.compile(r"[-_.]?\d+-of-\d+(-[0-9a-f]{16})?$")
"""How Hugging Face numbers the files of a table: train-00000-of-00002, once with a checksum."""
DATE = re.compile(r"(19|20)\d\d[-_. ]?\d\d([-_. ]?\d\d)?|\d\d[-_. ]\d\d[-_. ](19|20)\d\d")
"""A month or a day, such as 2024-05 and 31.05.2024."""
SIZE = re.compile(r"\d+ ?[xX×]( ?\d+)?( ?px)?|\d+ ?px")
"""The size of images, or a magnification: 64x64, 100px, 40X."""
WORD = re.compile(r"[^\W\d_]+|\d+")
CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
JOINED = re.compile(rf"({'|'.join(sorted(SPLIT_WORDS, key=len, reverse=True))})(set|data|images|imgs)")
"""Two words written as one, such as trainset."""


def words_of(name: str) -> list[str]:
    """The words and numbers of a name, in lower case: `seg_train2` → seg, train, 2."""
    found = [word.lower() for word in WORD.findall(CAPITAL.sub(" ", name))]
    return [part for word in found for part in taken_apart(word)]


def taken_apart(word: str) -> Sequence[str]:
    """A word, or both words that are written as one."""
    both = JOINED.fullmatch(word)
    return both.groups() if both else (word,)


def split_of(name: str, shared: Collection[str] = ()) -> str | None:
    """The split that a name stands for, None if it has words of its own beside the split's.

    Args:
        name: of a folder, or an entry of a table.
        shared: words that say nothing, because all names beside this one have them.
    """
    words = words_of(name)
    if tuple(words) in PHRASES:
        return PHRASES[tuple(words)]
    splits = [word for word in words if word in SPLIT_WORDS]
    others = [word for word in words if word not in splits]
    if not all(is_filler(word) or word in shared or word in VARIANTS for word in others):
        return None
    meant = {SPLIT_WORDS[word] for word in splits}
    return "unlabelled" if len(meant) == 2 and "unlabelled" in meant else meant.pop() if len(splits) == 1 else None


def split_of_question(column: str) -> tuple[str, str] | None:
    """Return the splits of rows where a column such as `is_valid` is true, and where it is false; None for others."""
    first, *rest = words_of(column) or [""]
    split = split_of(" ".join(rest)) if first == "is" and rest[:1] != ["labelled"] and rest[:1] != ["labeled"] else None
    return (split, "test" if split == "train" else "train") if split not in (None, "unlabelled") else None


def split_of_path(file: str) -> str | None:
    """Return the split that a folder of a path names, the outermost one of several."""
    return split_of_folder(os.path.dirname(file))


@lru_cache(maxsize=100_000)
def split_of_folder(folder: str) -> str | None:
    """Return the split that one of these folders names."""
    return next((split for part in folder.split("/") if (split := split_of(part))), None)


def table_stem(file: str) -> str:
    """Return what a table's name says, without its number: train-00000-of-00002.parquet → train."""
    return PART.sub("", Path(file).name.partition(".")[0])


def splits_of(names: Collection[str]) -> dict[str, str] | None:
    """The split of each of these folders that lie side by side, None if not all of them are splits."""
    found = {name: split_of(name, shared_words(names)) for name in names}
    splits = {name: split for name, split in found.items() if split is not None}
    return splits if splits and len(splits) == len(found) and set(splits.values()) != {"unlabelled"} else None


def are_parts(names: Collection[str]) -> bool:
    """Whether all of these folders that lie side by side are parts: part_1 and part_2, or days."""
    shared = shared_words(names)
    return bool(names) and all(is_part(words_of(name), shared) or DATE.fullmatch(name) for name in names)


def is_part(words: list[str], shared: Collection[str]) -> bool:
    """Whether these are the words of a part: one that stands for parts, or for things that are numbered."""
    own = [word for word in words if word not in PART_WORDS]
    numbered = any(word.isdecimal() for word in words) and any(word in THINGS for word in words)
    return (len(own) < len(words) or numbered) and all(is_filler(word) or word in shared for word in own)


def is_filler(word: str) -> bool:
    """Whether a word says nothing of a class or a split."""
    return word.isdecimal() or word in THINGS


def shared_words(names: Collection[str]) -> set[str]:
    """The words that all of several names have."""
    return set.intersection(*(set(words_of(name)) for name in names)) if len(names) > 1 else set()


def says_nothing(name: str) -> bool:
    """Whether a folder that lies alone is only a wrapper: images in train, or seg_train in seg_train."""
    words = words_of(name)
    known = [word for word in words if word in THINGS or word in SPLIT_WORDS or word in PART_WORDS]
    return bool(known) and all(word.isdecimal() or word in known for word in words)


def tells_apart(name: str) -> bool:
    """Whether the name of a folder within another may be a class, a person or a place, not only a day or a size."""
    return not (says_nothing(name) or DATE.fullmatch(name) or SIZE.fullmatch(name))


def are_targets(name: str) -> bool:
    """Whether a folder holds masks, boxes and the like, judging by its name."""
    words = set(words_of(name))
    return bool(words & TARGETS) and words <= TARGETS | THINGS


def hold_targets(names: Collection[str]) -> bool:
    """Whether these folders that lie side by side are images and their masks, boxes and the like, not classes."""
    several = [words_of(name) for name in names]
    return any(map(are_targets, names)) and any(words and set(words) <= THINGS for words in several)


def splits_among(names: Iterable[str]) -> list[str]:
    """Those of these names that stand for a split to learn from or to measure on."""
    return [name for name in names if split_of(name) not in (None, "unlabelled")]
