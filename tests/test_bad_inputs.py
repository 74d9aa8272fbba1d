"""Bad inputs of every kind, through the real stages: exit code 2, one line with the reason, no partial output.

Each line names the file, the row, the key or the address. A set with few faults is none of these: they are left out.
"""

import gzip
import os
import re
import runpy
import stat
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import bad_inputs as make
from bad_inputs import CLASSES, FILES, IMAGES, LABELS, LARGE, PICTURES, Bad, Group, bad, every, faulty, put
from pictures import encoded
from servers import babble, hang_up, redirect, refuse, short, site
from sprout.config.cluster import CLUSTER
from sprout.config.workspace import BUILD
from sprout.data.formats import archive
from sprout.data.prepare import image_file
from sprout.data.sources import http
from sprout.runtime.signals import exit_codes
from sprout.runtime.stage import stage_lock
from sprout.runtime.workspace import PARAMS
from test_archive import moded, tar, zipped

Mains = dict[str, Callable[[], None]]
OUTSIDE = "../../../../params.yaml"
STAGES = ("compose", "download", "prepare")
SETTINGS = ["download=bad", "prepare.test=6", "prepare.val=6", "prepare.labels=null"]
PNG, JPEG = (encoded(LARGE, kind) for kind in ("PNG", "JPEG"))
BLACK = encoded(Image.new("L", (8, 8)), "PNG")
OWN = ("train", "test")
GIVEN = ("prepare.test=null", "prepare.val=null")
UNSEEN = [put(f"{('val', 'test')[at % 2]}/{name}", data) for at, (name, data) in enumerate(FILES.items())]
SPLIT = [put(f"{'test' if at % 2 else 'train'}/{name}", data) for at, (name, data) in enumerate(FILES.items())]

IMAGE_FILES = {
    "zero bytes": ("", "zero bytes"),
    "half a PNG": (make.halved(PNG), r"truncated: .* [\d,]+ bytes"),
    "half a JPEG": (make.halved(JPEG), r"truncated: .* [\d,]+ bytes"),
    "a changed byte": (make.changed(PNG, 600), "damaged"),
    "a page of the web": ("<html>not found</html>", "not an image in a known format"),
    "a drawing": ("<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image in a known format"),
    "a bomb": ("P5 99999 99999 255\n", "99999×99999 pixels, more than prepare.max_pixels=100000000"),
    "another size": (PNG, "64×64 pixels, not 8×8; resize=none, not fit, crop or stretch"),
    "pixels of 32 bits": (make.flat(70000, np.int32), "32-bit pixels from 70000 to 70000; accepted: 0 to 65535"),
    "pixels beyond 1": (make.flat(7, np.float32), "pixels from 7 to 7; accepted: 0 to 1"),
    "pixels of nan": (make.flat(np.nan, np.float32), "pixels from nan to nan; accepted: 0 to 1"),
}
FOLDERS = [
    *(bad(name, faulty(f"ant/a: ({says})"), put("ant/a", data)) for name, (data, says) in IMAGE_FILES.items()),
    bad("many pixels", faulty("ant/a: 64×64 pixels, more than"), put("ant/a", PNG), over="prepare.max_pixels=99"),
    bad("all are faulty", every("ant/0.png: 8×8 pixels, more than"), over="prepare.max_pixels=9"),
    bad("all may be faulty", "24 of 24 .*=1.0: ant/0.png: ", over=("prepare.max_pixels=9", "prepare.max_faulty=1.0")),
    bad("a pipe", faulty("ant/a: not a regular file"), make.pipe("ant/a")),
    bad("a link that leaves", faulty("ant/a: a link that leads out .*params"), make.link("ant/a", OUTSIDE)),
    bad("a folder that leaves", faulty("dog: a link that leads out .*conf"), make.link("dog", "../../../conf")),
    bad("a broken link", faulty("ant/a: a broken link .to 'gone'"), make.link("ant/a", "gone")),
    bad("a link to a folder", faulty("ant/a: a link to a folder, which is not"), make.link("ant/a", "../bee")),
    bad("a name that is no text", faulty(r"ant/\\xff: the name is not UTF-8"), put(os.fsdecode(b"ant/\xff"), PNG)),
    bad("a class that is no text", faulty(r"\\xff: the name is not UTF-8"), put(os.fsdecode(b"\xff/a"), PNG)),
    bad("a file beside classes", faulty("a.png: in no class folder"), put("a.png", PICTURES[0])),
    bad("splits beside classes", "data/source/bad: 'test', 'train' lie beside 'ant', 'bee', 'cat', so the", *SPLIT),
    bad("nothing to learn from", "prepare: no labelled example", make.clear, *UNSEEN, over=GIVEN),
    bad("no files", "data/source/bad: no files here, or only hidden ones", make.clear),
    bad("hidden files", "data/source/bad: no files here, or only hidden ones", make.clear, put(".a.png", PICTURES[0])),
    bad("an empty class", "data/source/bad: no files in the class folder 'dog' .'dog' 0, 'ant' 8", put("dog/.a", "")),
    bad("one class", "download: only one class .ant 2.;", make.clear, *(put(f"{x}/ant/1", BLACK) for x in OWN)),
    bad("a class of one", "prepare.test=6: a class has a single example, .*dog 1, ", put("dog/1.png", BLACK)),
    bad("no test part", "prepare.test=null: the source has no test split", over="prepare.test=null"),
    bad("no val part", "prepare.val=null: the source has no val split", over="prepare.val=null"),
    bad(
        "a picture in two parts",
        r"prepare.duplicates=refuse: 1 images .* train/cat/a \(train\), equal to test/bee/1.png \(test\)",
        *(make.clear, *SPLIT, put("train/cat/a", PICTURES[1])),
        over=("prepare.test=null", "prepare.duplicates=refuse"),
    ),
    bad("a bad archive", "data/source/bad/set: member '../a' contains", make.clear, put("set", zipped(("../a", b"")))),
]

PATHS_ROWS = {
    "no such picture": ("i/no.png,ant,", "i/no.png: no such file"),
    "a path that climbs": ("../u.png,ant,", "../u.png: a path that leads out of the data folder"),
    "an absolute path": ("/etc/hostname,ant,", "/etc/hostname: an absolute path; paths are relative"),
    "a folder": ("i,ant,", "i: a folder"),
    "a pipe": ("i/pipe,ant,", "i/pipe: not a regular file"),
    "a link that leaves": ("i/out,ant,", "i/out: a link that leads out of the data folder"),
    "a broken link": ("i/gone,ant,", "i/gone: a broken link"),
    "through a link": ("conf/config.yaml,ant,", "conf/config.yaml: a path that leads out of .* through a link"),
    "a picture that is none": ("i/text,ant,", "not an image in a known format"),
    "a picture of zero bytes": ("i/zero,ant,", "zero bytes"),
    "a picture twice": ("./i/0.png,ant,", "./i/0.png: same file as row 1"),
    "an empty label": ("i/24.png,,test", "i/24.png: no label in column label"),
    "an unknown class": ("i/24.png,dog,", "i/24.png: label 'dog' is none of the classes ant, bee, cat"),
    "an unknown split": ("i/24.png,ant,late", "i/24.png: split 'late' is none of train"),
}
TABLES = {
    "an empty file": ("", "an empty file; a table with a header is needed"),
    "a head alone": ("path,label,part\n", "a header without rows; add some"),
    "no head": ("\ni/0.png,ant,\n", "the first line does not name the columns; add a header such as path,label"),
    "a column twice": ("path,path,label,part\n", "the first line has 'path' twice"),
    "a field too many": ("path,label,part\ni/0.png,ant,,\n", "the header has 3 fields, but row 1 has 4"),
    "many ragged rows": (
        "path,label,part\n" + "x\n" * 9,
        "the header has 3 fields, .*row 5 has 1 and 4 more rows differ",
    ),
    "a quote left open": ('path,label,part\ni/0.png,ant,"\nx\n', "a text begins with a quote .* never closed"),
    "UTF-16": ("path,label,part\n".encode("utf-16"), "not UTF-8 text"),
    "Latin-1": (b"path,label,part\ni/0.png,caf\xe9,\n", "line 2 is not UTF-8; save the file as UTF-8"),
    "null bytes": ("path,label,part\ni/0.png,a\0nt,\n", "not UTF-8 text"),
    "a spreadsheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), "not UTF-8 text"),
    "JSON": ('[{"path": 1}]\n', "no column 'path'"),
    "a long row": (f'path,label,part\nx,"{"a" * (9 << 20)}",\n', "a row is longer than 4 MiB"),
}
PARQUETS = {
    "Parquet of junk": (put("t.parquet", b"PAR1" + bytes(99) + b"PAR1"), "damaged"),
    "Parquet that is CSV": (put("t.parquet", "path,label,part\n"), "not a Parquet file; write it again"),
    "Parquet without rows": (make.parquet(path=np.array([], "U")), "a header without rows"),
    "Parquet without a column": (
        make.parquet(file=["i/0.png"]),
        "no column 'path' .download.format.; there are: 'file'",
    ),
    "Parquet with a name twice": (make.named_twice, "has column 'path' twice; rename"),
    "Parquet with lists": (make.parquet(path=[["i/0.png"]]), "column 'path': list<.*> cannot be read; accepted: text"),
    "Parquet without images": (make.parquet(path=np.array([], "S1")), "no rows; add some"),
}
NO_USE = {"label": None, "split": None, "classes": None}
PATHS = [
    *make.rows("t.csv", PATHS_ROWS),
    *(bad(name, f"t.csv: {says}", put("t.csv", data)) for name, (data, says) in TABLES.items()),
    *(bad(name, f"t.parquet: {says}", spoil, file="t.parquet", **NO_USE) for name, (spoil, says) in PARQUETS.items()),
    bad("bytes", faulty("t.parquet row 1: not an", "1 of 1"), make.parquet(path=[b"\xff"]), file="t.parquet", **NO_USE),
    bad("half a Parquet", "t.parquet: damaged", make.parquet(path=["a"]), make.cut("t.parquet"), file="t.parquet"),
    bad("two labels", faulty("t.csv row 1: .*'ant', row 25 'bee'", "2 of 25"), make.row("t.csv", "i/0.png,bee,")),
    bad("no such column", r"t.csv: no column 'kind' \(download.format\); there are: 'path', 'label'", label="kind"),
    bad("no such table", "u.csv: no such file in data/source/bad; there are: t.csv", file="u.csv"),
    bad("a table outside", "../u.csv: leads out of data/source/bad", put("../u.csv", "a"), file="../u.csv"),
    bad("a table of the system", "/etc/hostname: leads out of data/source/bad", file="/etc/hostname"),
    bad("a folder for a table", "i: no such file in data/source/bad; there are: t.csv", file="i"),
    bad("a pipe for a table", "i/pipe: no such file in data/source/bad; there are: t.csv", file="i/pipe"),
    bad("a class without pictures", "download: no example of 'dog' .dog 0, ant 8", classes=[*CLASSES, "dog"]),
    bad("one class", "download: only one class .ant 1.", put("t.csv", "path,label,part\ni/0.png,ant,\n"), classes=None),
    bad("large groups", "prepare.test=6: every group, or set of equal images, is larger than that", group="label"),
    bad("no test part", "prepare.test=null: the source has no test split", over="prepare.test=null"),
]

ONES = ",1" * 63
WIDE_ROWS = {
    "pixels too few": ("ant,1,2", "2 pixels instead of 64"),
    "pixels too many": (f"ant{ONES},1,1", "65 pixels instead of 64"),
    "a pixel of 256": (f"ant{ONES},256", "pixel 64 is '256', not an integer in 0..255"),
    "a pixel of -1": (f"ant{ONES},-1", "pixel 64 is '-1', not an integer"),
    "a pixel of text": (f"ant{ONES},x", "pixel 64 is 'x', not an integer"),
    "an empty pixel": (f"ant{ONES},", "pixel 64 is '', not an integer"),
    "no label": (f"{ONES},1", "no label"),
}
PACKED_ROWS = {
    "packed, pixels too few": ("0,1 2,Training", "2 pixels instead of 64"),
    "packed, no pixels": ("0,,Training", "0 pixels instead of 64"),
    "packed, a pixel of 256": (f"0,{'1 ' * 63}256,Training", "pixel 64 is '256', not an integer in 0..255"),
    "packed, a field too few": ("0,1 2", "2 fields where the header has 3"),
    "packed, no label": (f",{'1 ' * 64},Training", "no label"),
    "packed, an unknown usage": (f"0,{'1 ' * 64},Holdout", "Usage 'holdout' is none of Training"),
}
WIDE_FILES = {
    "no head": ("5,0,1\n5,1,0\n", "the first line is '5', '0', '1'; accepted: a header label,pixel1"),
    "equal numbers for a head": ("5,0,0\n5,1,0\n", "the first line has '0' twice; add a header"),
    "no column with labels": ("p0,p1\n1,2\n", "the first line is 'p0', 'p1'; accepted: a header label"),
    "a head alone": ("label,a\n", "a header without rows; add some"),
    "not square": ("label,a,b,c\nant,1,2,3\n", "images of 3 pixels, but .* grey ones have .*; set shape"),
}
NEAR = "prepare.near_duplicates=true"
PACKED = {"train": "packed.csv"}
PIXELS = [
    *make.rows("wide.csv", WIDE_ROWS),
    *make.rows("packed.csv", PACKED_ROWS, **PACKED),
    *(bad(name, f"wide.csv: {says}", put("wide.csv", data)) for name, (data, says) in WIDE_FILES.items()),
    bad("another shape", "wide.csv: images of 64 pixels, but shape=.8, 8, 3. has 192; set shape", shape=[8, 8, 3]),
    bad("another size", every("wide.csv row 1: 8×8 pixels, not 9×8"), over="prepare.size=[8,9]"),
    bad("two channels", every("wide.csv row 1: 2 channels"), shape=[8, 4, 2], over="prepare.channels=3"),
    bad("two channels, compared", f"{NEAR}: .* not 2", shape=[8, 4, 2], over=NEAR),
    bad("no such file", "gone.csv: no such file in data/source/bad; there are: packed.csv, wide.csv", train="gone.csv"),
    bad("no such test file", "gone.csv: no such file in data/source/bad", test="gone.csv"),
    bad("a test file without labels", "a.csv: the first line is 'p', 'q'; ", put("a.csv", "p,q\n1,2\n"), test="a.csv"),
    bad("a test file of another size", "a.csv: images of 1 pixels", put("a.csv", "label,p\nant,1\n"), test="a.csv"),
    bad("an unknown label", faulty("packed.csv row 3: label '2' is none", "8 of 24"), **PACKED, classes=CLASSES[:2]),
    bad("a class too many", "download: no example of 'dog' .dog 0, ant 8", **PACKED, classes=[*CLASSES, "dog"]),
    bad("no test part", "prepare.test=null: the source has no test split", **PACKED, over="prepare.test=null"),
]

EXAMPLES = {
    "truths": (IMAGES > 9, "shape .24, 8, 8., bool; accepted: images"),
    "two channels": (IMAGES.reshape(24, 8, 4, 2), "shape .24, 8, 4, 2., uint8; accepted: images"),
    "one axis": (IMAGES.ravel(), "shape .1536,., uint8; accepted: images"),
    "no axis": (np.uint8(3), "shape .., uint8; accepted: images"),
    "no examples": (IMAGES[:0], "shape .0, 8, 8., so it is empty; add examples"),
    "Python objects": (np.array([{}], object), "an array of Python objects, which is not read"),
}
EXAMPLE_FILES = {
    "a pickle": (b"\x80\x04]\x94.", "not a NumPy array"),
    "an empty file": ("", "not a NumPy array"),
    "a damaged head": (b"\x93NUMPY\x01\x00\x04\x00{'d'", "not a NumPy array"),
    "a shape that wraps": (make.head(f"({2**32}, {2**32})"), ".* it is truncated"),
    "a shape without end": (make.head(f"({2**63}, 2)"), "not a NumPy array .shape"),
    "a shape of nothing": (make.head(f"(0, {2**70})"), "not a NumPy array .shape"),
    "a shape of truth": (make.head("(True, 8, 8)"), "not a NumPy array .shape"),
    "a version to come": (make.head("(1, 8, 8)", b"\x09\x09"), "not a NumPy array .version"),
}
EXAMPLE_VALUES = {
    "a pixel of nan": ((IMAGES / 255, np.nan), "pixels from nan to nan; accepted: 0 to 1; others with prepare.levels"),
    "a pixel below 0": ((IMAGES / 255, -1.0), "pixels from -.*; accepted: 0 to 1"),
    "a feature of inf": ((IMAGES[:, 0] / 255, np.inf), "a value is inf, not a finite number"),
    "a feature too large": ((IMAGES[:, 0] / 255, 1e300), "a value is inf, not a finite number"),
}
ARRAY_LABELS = {
    "labels too few": (LABELS[1:], "23 labels for the 24 examples of x.npy"),
    "labels too many": ([*LABELS, "ant"], "25 labels for the 24 examples of x.npy"),
    "labels with a fraction": (np.full(24, 0.5), "label 0 is 0.5; accepted for classes: whole numbers"),
    "several labels": (np.ones((24, 3), int), "shape .24, 3., and row 0 is .1, 1, 1., not one-hot"),
    "labels of objects": (np.array(LABELS, object), "an array of Python objects"),
    "labels of other bytes": (np.array([b"\xff"] * 24), "a label is not UTF-8"),
}
OTHER_ARRAYS = {
    "no such array": ({"train": "gone.npy"}, "gone.npy: no such file in data/source/bad; there are: set.npz, x.npy"),
    "an array outside": ({"train": "../x.npy"}, "../x.npy: no such file in data/source/bad"),
    "no such key": ({"train": "set.npz:z"}, "set.npz:z: no such array; there are: 'objects', 'x', 'y'; write FILE"),
    "no key": ({"train": "set.npz"}, "set.npz: no such array; there are: 'objects', 'x', 'y'; write FILE.npz:KEY"),
    "objects in an archive": ({"train": "set.npz:objects"}, "set.npz:objects: an array of Python objects"),
    "test labels alone": ({"test_labels": "y.npy"}, "download.format.test_labels=y.npy: there is no `test`"),
    "a test without labels": ({"test": "x.npy"}, "download.format.test_labels=null: the other split has labels"),
}
OTHER_TESTS = {
    "a test of another shape": (
        np.zeros((1, 9, 9), np.uint8),
        "t.npy: shape .1, 9, 9., uint8, but x.npy has .24, 8, 8.",
    ),
    "a test of another kind": (np.zeros((1, 8, 8)), "t.npy: shape .1, 8, 8., float64, but x.npy has .24, 8, 8., uint8"),
}
ARRAYS = [
    *(bad(name, f"x.npy: {says}", make.save("x.npy", array)) for name, (array, says) in EXAMPLES.items()),
    *(bad(name, f"x.npy: {says}", put("x.npy", data)) for name, (data, says) in EXAMPLE_FILES.items()),
    *(
        bad(name, faulty(rf"x.npy\[24\]: {says}"), make.save("x.npy", good), make.one_more(good[0] * value))
        for name, ((good, value), says) in EXAMPLE_VALUES.items()
    ),
    *(bad(name, f"y.npy: {says}", make.save("y.npy", labels)) for name, (labels, says) in ARRAY_LABELS.items()),
    *(bad(name, says, **changes) for name, (changes, says) in OTHER_ARRAYS.items()),
    bad("half a file", r"x.npy: \d+ bytes where its header states \d+; it is truncated", make.cut("x.npy")),
    bad(
        "levels of floats",
        every(r"x.npy\[0\]: pixels from .*; accepted: 0 to 1; others with"),
        make.save("x.npy", IMAGES.astype(float)),
    ),
    bad("integers", every(r"x.npy\[0\]: pixels of type int64"), make.save("x.npy", IMAGES.astype(np.int64))),
    bad("an unknown label", faulty(r"x.npy\[24\]: label 'a' is"), make.one_more(IMAGES[0], "a"), classes=CLASSES),
    bad("an index too large", every(r"x.npy\[0\]: label '3' is none"), make.save("y.npy", [3] * 24), classes=CLASSES),
    bad("one class", "download: only one class .7 24.", make.save("y.npy", [7] * 24)),
    *(
        bad(name, says, make.save("t.npy", test), make.save("u.npy", [1]), test="t.npy", test_labels="u.npy")
        for name, (test, says) in OTHER_TESTS.items()
    ),
    bad("half an archive", "set.npz:x: damaged or not an .npz file", make.cut("set.npz"), train="set.npz:x"),
    bad("a changed archive", "set.npz:x: .*Bad CRC-32", make.flip("set.npz", 900), train="set.npz:x"),
    bad("no archive", "set.npz:x: damaged or not an .npz file", put("set.npz", "text"), train="set.npz:x"),
]

TABLE_ROWS = {
    **{f"a feature of {x}": (f"{x},1,long,ant,", f"column 'age' is '{x}', not a finite number") for x in ("old", "NA")},
    **{f"a feature of {x}": (f"{x},1,long,ant,", f"column 'age' is '{x}', not a finite") for x in ("nan", "-inf")},
    **{f"a feature of {x}": (f"{x},1,long,ant,", f"column 'age' is '{x}', not a finite") for x in ("1e300", "1e400")},
    "an empty number": (",1,long,ant,", "column 'age' is empty"),
    "an empty category": ("1,1,,ant,", "column 'fur' is empty"),
    "no target": ("1,1,long,,test", "no target in column 'kind'"),
    "several faults": ("x,1,,,test", "column 'age' is 'x', .*; column 'fur' is empty; no target in column 'kind'"),
    "an unknown class": ("1,1,long,dog,", "label 'dog' is none of the classes ant, bee, cat"),
    "an unknown split": ("1,1,long,ant,late", "split 'late' is none of train"),
}
NUMBER_ROWS = {
    "a target of text": ("old,1,long,ant,", "target 'age' is 'old', not a finite number"),
    "a target of inf": ("inf,1,long,ant,", "target 'age' is 'inf', not a finite number"),
    "an empty target": (",1,long,ant,", "no target in column 'age'"),
}
NUMBER = {"target": "age", "number": True, "columns": ["size"]}
NOTES = "".join(f"1,1,n{at},ant,\n" for at in range(150))
TABLE_FILES = {
    "a feature twice": ("age,age,kind,part\n", "the first line has 'age' twice"),
    "a field too few": ("age,size,fur,kind,part\n1,1\n", "the header has 5 fields, but row 1 has 2"),
    "free text": ("age,size,fur,kind,part\n" + NOTES, "column 'fur': text with 150 distinct values, such as 'n0'"),
}
ONE_CLASS = "age,size,fur,kind,part\n" + "1,1,long,ant,\n" * 2
TABLE_PARQUETS = {
    "Parquet with lists": (make.parquet(age=[[1.0]], kind=["ant"]), "t.parquet: column 'age': list<.*> cannot be read"),
    "Parquet with records": (make.parquet(age=[{"y": 1}], kind=["ant"]), "t.parquet: column 'age': struct<.*> cannot"),
    "a target of lists": (make.parquet(age=[1], kind=[["ant"]]), "t.parquet: column 'kind': list<.*> cannot be read"),
    "missing numbers": (
        make.parquet(age=[1.0, np.nan, None], kind=CLASSES),
        faulty("t.parquet row 2: column 'age' is empty; t.parquet row 3: column 'age' is empty", "2 of 3"),
    ),
}
TABLE = [
    *make.rows("t.csv", TABLE_ROWS),
    *make.rows("t.csv", NUMBER_ROWS, **NUMBER),
    *(bad(name, f"t.csv: {says}", put("t.csv", data)) for name, (data, says) in TABLE_FILES.items()),
    *(
        bad(name, says, spoil, file="t.parquet", columns=["age"], split=None)
        for name, (spoil, says) in TABLE_PARQUETS.items()
    ),
    bad("no such target", "t.csv: no column 'class' .download.format.; there are: 'age', 'size'", target="class"),
    bad("no such feature", "t.csv: no column 'weight' .download.format.", columns=["age", "weight"]),
    bad("a feature in use", "t.csv: column 'kind' is a feature .* and has another use", columns=["age", "kind"]),
    bad("a feature named twice", "t.csv: a column twice in `columns`", columns=["age", "age"]),
    bad("an empty feature", every("t.csv row 1: column 'part' is empty"), columns=["age", "part"], split=None),
    bad("one class", "download: only one class .ant 2.", put("t.csv", ONE_CLASS), classes=None),
    bad("labels of numbers", "prepare.labels=6: the data has no classes", **NUMBER, over="prepare.labels=6"),
    bad("labels of nothing", "prepare.labels=6: the data has no classes", target=None, over="prepare.labels=6"),
    bad("unknown strata", "prepare.strata.a: no such feature; .*fur=long", over="prepare.strata={a: [1]}"),
]

MEMBERS = {
    "a name that climbs": (make.in_tar("../a"), "member '../a' contains .."),
    "a name that climbs within": (make.in_zip("ant/../../a"), "member 'ant/../../a' contains .."),
    "an absolute name": (make.in_tar("/tmp/a"), "member '/tmp/a' is absolute"),
    "a backslash": (make.in_tar("..\\a"), r"member '\.\.\\\\a' contains a backslash"),
    "a drive": (make.in_zip("C:/a"), "member 'C:/a' begins with a drive"),
    "a long name": (make.in_tar("a" * 300), "member 'a+': File name too long"),
    "a link": (make.in_tar("a", tarfile.SYMTYPE), "member 'a' is a symbolic link"),
    "a link in a zip": (make.in_zip(moded("a", stat.S_IFLNK | 0o777)), "member 'a' is a symbolic link"),
    "a hard link": (make.in_tar("a", tarfile.LNKTYPE), "member 'a' is a hard link; `tar --hard-dereference`"),
    "a device": (make.in_tar("a", tarfile.CHRTYPE), "member 'a' is a special file"),
    "a name twice": (make.in_tar("ant/0.png"), "member 'ant/0.png' has the name of another member"),
    "a file as a folder": (make.in_zip("ant/0.png/a"), "member 'ant/0.png/a' has the name of another member"),
    "a password": (make.encrypted(), "member 'secret' is encrypted; pack it without a password"),
    "an unknown packing": (make.in_zip("a", 12), r"member '.*' has compression method 12; accepted: deflate"),
    "half a tar": (make.halved(tar(*FILES.items())), "damaged at member '.*'"),
    "half a packed tar": (make.halved(gzip.compress(tar(*FILES.items()))), "damaged at "),
    "half a zip": (make.halved(zipped(*FILES.items())), "damaged at the beginning"),
    "a wrong checksum": (make.changed(zipped(*FILES.items(), method=0), 60), "damaged at member .*: Bad CRC-32"),
    "a changed head": (make.changed(make.in_tar("a"), 1024), "damaged at member 'ant/0.png': bad checksum"),
    "a page of the web": ("<html>not found</html>", "the server has sent a web page"),
    "an empty file": ("", "not an archive; accepted: zip, or tar"),
    "another kind of archive": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "not an archive; accepted: zip, or tar"),
    "two in one": (tar(*FILES.items()) * 2, "data follows the end of the archive"),
    "a bomb": (make.bomb(), "member 'ant/bomb' is too large"),
}
ARCHIVE = [
    *(
        Bad(name, f"file://HERE/away/set: {says}", (put("set", data),), stage="download")
        for name, (data, says) in MEMBERS.items()
    ),
    bad("a picture that is none", faulty("dog/a: not an image in a known format"), put("set", make.in_zip("dog/a"))),
]

ANSWERS = {
    **{f"HTTP {status}": ([refuse(status)], rf"HTTP {status} \w+.*; set download.urls") for status in (403, 404)},
    **{f"HTTP {status} throughout": ([refuse(status)] * 5, f"HTTP {status} ") for status in (500, 503)},
    "a file that stays short": ([short(100), *[short(0)] * 5], "IncompleteRead"),
    "a server that hangs up": ([hang_up] * 5, "Remote end closed connection"),
    "a server of another kind": ([babble] * 5, "220 mail.example"),
    "redirects in a circle": ([redirect("/x")] * 40, "Exceeded 30 redirects"),
    "a redirect to this disk": ([redirect("file:///etc/passwd")], "No connection adapters .*file:///etc/passwd"),
}
ADDRESSES = {
    "http://127.0.0.1:1/x": ("x", r"\[Errno 111\] Connection refused"),
    "http://localhost:99999/x": ("x", "Failed to parse"),
    "nonsense://y/x": ("x", ".*Protocol not known: nonsense"),
    "file://y/x": ("x", ".*a file: URL of another machine, y"),
    "file://HERE/gone.zip": ("gone.zip", "No such file or directory; set download.urls to where the file is"),
    "HERE/gone.zip": ("gone.zip", "No such file or directory"),
    "file://HERE/conf": ("conf", "Is a directory"),
    "file:///a%00b": ("a_b", ".*embedded null byte"),
}
URL_FETCHED = {
    "all mirrors": (
        {"urls": ["/no/a", "/no/b"]},
        "a cannot be downloaded from /no/a: No such file .*; /no/b: No such file",
    ),
    "a wrong checksum": (
        {"sha256": "0" * 64},
        "data.bin .* from SITE/data.bin: expected SHA-256 0{64}, found .*sha256",
    ),
    "a name above": ({"file": ".."}, "download.file=..: SITE/data.bin would be saved as '..'; set download.file"),
    "a name in use": ({"file": "manifest.json"}, "download.file=manifest.json: .* set download.file to another name"),
}
URL_CHECKED = {
    "an unset address": ({"urls": "???"}, "download.urls: is not set; add an override"),
    "an address alone": ({"urls": "SITE/a"}, 'download.urls="SITE/a": should be a list'),
    "an empty address": ({"urls": [""]}, 'download.urls.0="": string should have at least 1 character'),
    "a short checksum": ({"sha256": "abc"}, 'download.sha256="abc": '),
    "a checksum of capitals": ({"sha256": "A" * 64}, 'download.sha256="A{64}": '),
    "a key of no use": ({"url": "a"}, 'download.url="a": no such key .did you mean urls'),
}
URL = [
    *(
        Bad(name, f"data.bin cannot be downloaded from SITE/data.bin: {says}", answers=tuple(answers), stage="download")
        for name, (answers, says) in ANSWERS.items()
    ),
    *(
        Bad(url, f"{name} cannot be downloaded from {url}: {says}", changes={"urls": [url]}, stage="download")
        for url, (name, says) in ADDRESSES.items()
    ),
    *(Bad(name, says, changes=changes, stage="download") for name, (changes, says) in URL_FETCHED.items()),
    *(Bad(name, says, changes=changes, stage="compose") for name, (changes, says) in URL_CHECKED.items()),
]
SECTIONS = {
    "an unknown source": ({"source": "locl"}, 'download.source="locl": unknown .did you mean local.*; accepted: local'),
    "no source": ({"source": None}, "download.source=null: unknown; accepted: local, url, s3, torchvision"),
    "a name that climbs": ({"name": "../raw"}, r'download.name="\.\./raw": '),
    "a number for a name": ({"name": 5}, "download.name=5: should be a string"),
    "a reference to nothing": ({"name": "${no}"}, r'download.name="\$\{no\}": Interpolation key .no. not found'),
    "an unknown format": ({"format": {"kind": "a"}}, 'download.format.kind="a": unknown; accepted: folders, paths'),
    "no kind of format": ({"format": {}}, "download.format.kind: is missing"),
    "a text for a format": ({"format": "folders"}, 'download.format="folders": should be a section with keys'),
    "another format's key": (
        {"format": {"kind": "folders", "file": "a"}},
        'download.format.file="a": no such key; accepted',
    ),
    "a key misspelt": ({"format": {"kind": "table", "fil": "a"}}, 'download.format.fil="a": .*did you mean file'),
    "a key left out": ({"format": {"kind": "table", "file": "a"}}, "download.format.target: is missing"),
    "a key of no use": ({"format_": 1}, "download.format_=1: no such key .did you mean format"),
}
FETCHED = {
    "no such folder": ({"name": "dog"}, "download.name=dog: no folder data/source/dog; there are: bad; `sprout new"),
    "a file for a folder": ({"name": "file"}, "download.name=file: no folder data/source/file; there are: bad"),
}
NAMES = [
    *(Bad(name, says, changes=changes, stage="compose") for name, (changes, says) in SECTIONS.items()),
    *(Bad(name, says, (put("../file", ""),), changes, stage="download") for name, (changes, says) in FETCHED.items()),
]

MNIST: dict[str, Any] = {"source": "torchvision", "name": "MNIST"}
UNKNOWN_SETS = {
    "of scikit-learn": ({"source": "sklearn", "name": "a"}, "download.name=\"a\": should be 'digits', 'iris'"),
    "that is made": ({"source": "generated", "name": "a", "seed": 0}, "download.name=\"a\": should be 'line'"),
    "without a mirror": (MNIST, "download.mirror: is missing; add it to the section's file in conf/download/"),
}
MIRRORS = {
    "of torchvision": (MNIST | {"name": "MNSIT", "mirror": None}, "download.name=MNSIT: not .*did you mean MNIST"),
    "no such mirror": (MNIST | {"mirror": "no"}, "MNIST: .* from no/.*: No such file .*; set download.mirror"),
    "another file": (MNIST | {"mirror": "HERE/away"}, "MNIST: .* from HERE/away/.*: expected MD5 .*, found .*mirror"),
    "no use for it": (
        MNIST | {"name": "DTD", "mirror": "a"},
        "download.mirror=a: torchvision downloads .* of DTD itself",
    ),
}
TRAIN = put("train-images-idx3-ubyte.gz", "")
SETS = [
    *(Bad(name, says, changes=changes, stage="compose") for name, (changes, says) in UNKNOWN_SETS.items()),
    *(Bad(name, says, (TRAIN,), changes, stage="download") for name, (changes, says) in MIRRORS.items()),
]

SETTING = {
    "test=0": "test=0: should be a count from 1, a fraction between 0 and 1, or null",
    "val='6'": 'val="6": should be a count from 1, a fraction',
    "labels_per_class=0": "labels_per_class=0: should be greater than or equal to 1",
    "size=8": "size=8: should be a list",
    "size=[8]": "size.1: is missing; the list has too few values",
    "size=[0,8]": "size.0=0: should be greater than or equal to 1",
    "size=[9000,8]": "size.0=9000: should be less than or equal to 8192",
    "strata={age: [.nan]}": "strata.age.0=",
    "channels=2": "channels=2: should be 1 or 3",
    "resize=squash": "resize=\"squash\": should be 'fit', 'crop', 'stretch' or 'none'",
    "max_pixels=0": "max_pixels=0: should be greater than or equal to 1",
    "max_faulty=2": "max_faulty=2: should be less than or equal to 1",
    "duplicates=remove": "duplicates=\"remove\": should be 'move', 'refuse' or 'keep'",
    "seed=-1": "seed=-1: should be greater than or equal to 0",
    "strata={age: 5}": "strata.age=5: should be a list",
    "tset=6": "tset=6: no such key .did you mean test.*; accepted: first, test",
}
WANTED = {
    "test=25": "test=25: 24 examples are left .ant 8, bee 8, cat 8.; accepted: 3 to 21",
    "test=0.99": "test=0.99: 24 examples are left",
    "test=0.01": "test=0.01: 24 examples are left",
    "val=16": "val=16: 18 examples are left .ant 6, bee 6, cat 6.; accepted: 3 to 15",
    "labels=15": "labels=15: that is 5 of class '.*', which has 4 training examples",
    "labels=2": "labels=2: that is 0 of class '.*', which has 4 training examples",
    "labels_per_class=5": "labels_per_class=5: that is 5 of class 'ant', which has 4 training examples",
    "first=25": "first=25: .* 24 examples",
    "first=6": "first=6: none of class 'bee', 'cat' is among the first examples",
    "strata={age: [1]}": "strata.age: no such feature; .* images",
}
BOTH = ("prepare.labels=6", "prepare.labels_per_class=2")
PREPARE = [
    *(Bad(over, f"prepare.{says}", over=(f"prepare.{over}",), stage="compose") for over, says in SETTING.items()),
    *(Bad(over, f"prepare.{says}", over=(f"prepare.{over}",)) for over, says in WANTED.items()),
    Bad("labels twice", "prepare.labels=6, prepare.labels_per_class=2: only one of them can be set", over=BOTH),
]

PATHS_FORM = {"file": "t.csv", "path": "path", "label": "label", "split": "part", "group": None, "classes": CLASSES}
PATHS_FORM |= {"missing": None, "folder_splits": False, "unlisted": "ignored"}
PIXELS_FORM = {"train": "wide.csv", "test": None, "shape": None, "classes": None}
ARRAYS_FORM = {"train": "x.npy", "train_labels": "y.npy", "val": None, "val_labels": None, "unlabelled": None}
ARRAYS_FORM |= {"test": None, "test_labels": None, "number": False, "missing": None, "classes": None}
TABLE_FORM = {"file": "t.csv", "target": "kind", "number": False, "columns": ["age", "size", "fur"]}
TABLE_FORM |= {"split": "part", "group": None, "classes": CLASSES, "missing": None, "empty": "faulty"}
GROUPS = {
    "folders": make.local(make.write_folders, "folders", {}, FOLDERS),
    "paths": make.local(make.write_paths, "paths", PATHS_FORM, PATHS),
    "pixels": make.local(make.write_pixels, "pixels", PIXELS_FORM, PIXELS),
    "arrays": make.local(make.write_arrays, "arrays", ARRAYS_FORM, ARRAYS),
    "table": make.local(make.write_table, "table", TABLE_FORM, TABLE),
    "prepare": make.local(make.write_folders, "folders", {}, PREPARE),
    "archive": make.from_url(put("set", tar(*FILES.items())), "file://HERE/away/set", ARCHIVE),
    "url": make.from_url(make.nothing, "SITE/data.bin", URL),
    "names": make.of_section(make.write_folders, NAMES),
    "sets": make.Group(make.nothing, "away", {}, SETS),
}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for a server, no proxy, and small archives are bombs already."""
    image_file.resolved.cache_clear()  # of folders in another test's working folder
    monkeypatch.setattr(http, "BACKOFF", 0.001)
    monkeypatch.setattr(archive, "ALWAYS_ALLOWED", 1 << 20)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def mains() -> Mains:
    """What each stage's script does. Composing takes the most time: of the same settings, it is done once."""
    folder = Path(__file__).parents[1] / "pipelines"
    real = {stage: runpy.run_path(str(folder / f"{stage}.py"))["main"] for stage in STAGES}
    known: dict[tuple[str, str], list[str]] = {}

    def compose() -> None:
        given = PARAMS.read_text(), Path("conf/download/bad.yaml").read_text()
        if given not in known:
            real["compose"]()
            known[given] = [path.read_text() for path in (BUILD, CLUSTER)]
        for path, text in zip((BUILD, CLUSTER), known[given], strict=True):
            path.write_text(text)

    return real | {"compose": compose}


def run_all(mains: Mains) -> tuple[str, object]:
    """Run the stages until one fails: the last one that ran, and its exit code."""
    for stage, main in mains.items():
        try:
            # As `run_stage`, but for the watch over the parent, which would outlive the test.
            with exit_codes(), stage_lock():
                main()
        except SystemExit as ended:
            return stage, ended.code
    return stage, 0


def configure(project: Path, section: dict[str, Any], overrides: tuple[str, ...], places: dict[str, str]) -> None:
    """Write the settings; each place stands for a name in them."""
    (project / "conf/download/bad.yaml").write_text(with_places(yaml.safe_dump(section, allow_unicode=True), places))
    (project / "params.yaml").write_text(yaml.safe_dump({"experiment": "digits", "overrides": [*SETTINGS, *overrides]}))


def with_places(text: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def tree(folder: Path) -> dict[str, Any]:
    """Everything below a folder, with its content."""

    def content(path: Path) -> Any:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return os.readlink(path)
        return path.read_bytes() if stat.S_ISREG(mode) else stat.S_IFMT(mode)

    return {str(path.relative_to(folder)): content(path) for path in folder.rglob("*")}


MADE = {
    "compose": r"build|build/stage\.lock",
    "download": r"data|build|build/(stage\.lock|(config|cluster)\.yaml|downloads(/.*)?)",
    "prepare": (
        r"data|data/raw(/.*)?|build"
        r"|build/(stage\.lock|(config|cluster)\.yaml|quarantine\.csv|downloads(/.*)?|parts(/[0-9a-f]{32}(/part-\d{6})?)?)"
    ),
}
"""What there may be once a stage has failed: nothing of its own but a list of faults, what has come of a file, and
whole parts of decoded images."""


@pytest.mark.parametrize("name", [name for name in GROUPS if name != "sets"])
def test_a_good_set(project: Path, mains: Mains, name: str) -> None:
    """What spoils it is all that is wrong."""
    group = GROUPS[name]
    (project / group.folder).mkdir(parents=True)
    group.write(project / group.folder)
    with site(zipped(*FILES.items())) as server:
        configure(project, group.section({}), (), {"HERE": str(project), "SITE": server.address})
        assert run_all(mains) == ("prepare", 0)
    assert not (project / "build/scratch").exists()
    assert (project / "data/prepared/summary.json").is_file()


CASES = [
    pytest.param(group, case, id=f"{name}-{case.name}".replace(" ", "-"))
    for name, group in GROUPS.items()
    for case in group.cases
]


@pytest.mark.parametrize(("group", "case"), CASES)
def test_a_bad_input(project: Path, mains: Mains, capfd: pytest.CaptureFixture[str], group: Group, case: Bad) -> None:
    (project / group.folder).mkdir(parents=True)
    for write in (group.write, *case.spoil):
        write(project / group.folder)
    section = group.section(case.changes)
    asks = "SITE" in str(section)
    with site(zipped(*FILES.items()), *case.answers) if asks else nullcontext() as server:
        places = {"HERE": str(project), "SITE": server.address if server else ""}
        configure(project, section, case.over, places)
        before = tree(project)
        ended = run_all(mains)
    out, err = capfd.readouterr()
    assert ended == (case.stage, 2), err
    *others, line = err.splitlines()
    assert line.startswith("error: ")
    says = with_places(case.says, {name: re.escape(place) for name, place in places.items()})
    assert re.match(says, line.removeprefix("error: ")), f"{line}\n{says}"
    assert "Traceback" not in err
    assert not any(other.startswith("error: ") for other in others)
    assert out == ""
    after = tree(project)
    assert {path: after.get(path) for path in before} == before, "what was there is not as it was"
    new = set(after) - set(before)
    assert [path for path in new if ".tmp-" in path or not re.fullmatch(MADE[case.stage], path)] == []
