"""Archives are unpacked completely, or refused with one line that says why."""

import bz2
import errno
import gc
import gzip
import io
import lzma
import re
import stat
import sys
import tarfile
import unicodedata
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sprout.data.formats import archive, archive_members
from sprout.data.formats.archive import is_archive, unpack
from sprout.runtime import progress
from sprout.runtime.errors import UserError

NOISE = np.random.default_rng(0).bytes(1_500_000)
FILES = {
    "set/a cat/1 (copy).png": b"one",
    "set/a cat/" + unicodedata.normalize("NFC", "é.png"): b"composed",
    "set/a cat/" + unicodedata.normalize("NFD", "é.png"): b"decomposed",
    "set/dog/Case": b"upper",
    "set/dog/case": b"lower",
    "set/dog/new\nline": b"line",
    "set/dog/..hidden": b"dots",
    "set/dog/a:b": b"colon",
    "set/犬/" + "x" * 150: b"long",
    "set/" + "deep/" * 40 + "file": b"deep",
    "empty": b"",
    "large": NOISE,
}
PACKINGS = {"tar": bytes, "tar.gz": partial(gzip.compress, mtime=0), "tar.bz2": bz2.compress, "tar.xz": lzma.compress}


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def tar(*entries: tuple[str | tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of members and their bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as out:
        for info, data in entries:
            header = member(info) if isinstance(info, str) else info
            if header.isreg():
                header.size = len(data)
            out.addfile(header, io.BytesIO(data))
    return file.getvalue()


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of members and their bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for info, data in entries:
            out.writestr(info, data, method)
    return file.getvalue()


def moded(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def put(tmp_path):
    """Write an archive under a neutral name and return its path."""

    def put(data: bytes) -> Path:
        (tmp_path / "set.bin").write_bytes(data)
        return tmp_path / "set.bin"

    return put


@pytest.fixture
def refusal(put, tmp_path):
    """Unpack a bad archive and return the message; no file may be left behind."""

    def refusal(data: bytes, **caps: int) -> str:
        path = put(data)
        with pytest.raises(UserError) as refused:
            unpack(path, tmp_path / "in" / "to", **caps)
        said = str(refused.value)
        assert said.startswith(f"{path}: ")
        assert "\n" not in said
        assert [p.name for p in tmp_path.rglob("*")] in (["set.bin"], ["set.bin", "in"], ["in", "set.bin"])
        return said.removeprefix(f"{path}: ")

    return refusal


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_tar(put, tmp_path, packing, format):
    path = put(PACKINGS[packing](tar(*FILES.items(), format=format)))
    assert is_archive(path)
    unpack(path, tmp_path / "to")
    assert content(tmp_path / "to") == FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip(put, tmp_path, method):
    path = put(zipped(*FILES.items(), method=method))
    assert is_archive(path)
    unpack(path, tmp_path / "to")
    assert content(tmp_path / "to") == FILES


def test_a_zip_with_names_in_code_page_437(put, tmp_path):
    """The encoding of names without the flag for UTF-8."""
    data = zipped(("caf_.txt", b"1")).replace(b"caf_", b"caf\x82")
    unpack(put(data), tmp_path / "to")
    assert content(tmp_path / "to") == {"café.txt": b"1"}


def test_a_zip_with_backslashes(put, tmp_path):
    """Some tools for Windows write them for folders; beside slashes they are refused."""
    folder = zipfile.ZipInfo()
    folder.filename = folder.orig_filename = "set\\empty\\"
    data = zipped(*((name.replace("/", "\\"), data) for name, data in FILES.items()), (folder, b""))
    unpack(put(data), tmp_path / "to")
    assert content(tmp_path / "to") == FILES
    assert (tmp_path / "to" / "set" / "empty").is_dir()


@pytest.mark.parametrize(
    ("name", "why"),
    [("..\\up.png", "contains .."), ("\\top.png", "is absolute"), ("C:\\a.png", "begins with a drive")],
)
def test_backslashes_lead_nowhere_else(refusal, name, why):
    assert f"{why}; pack the folder again" in refusal(zipped((name, b"x"), ("a\\b.png", b"x")))


def test_folders(put, tmp_path):
    """Empty folders are kept; a folder may come before or after its files."""
    entries = [("./", True), ("b/c", False), ("b", True), ("./a/empty", True), ("./a//f", False)]
    packed = {
        "tar": tar(*((member(name, tarfile.DIRTYPE if folder else tarfile.REGTYPE), b"") for name, folder in entries)),
        "zip": zipped(*((name.rstrip("/") + "/" * folder, b"") for name, folder in entries)),
    }
    for kind, data in packed.items():
        unpack(put(data), tmp_path / kind)
        there = sorted(str(p.relative_to(tmp_path / kind)) for p in (tmp_path / kind).rglob("*"))
        assert there == ["a", "a/empty", "a/f", "b", "b/c"]


@pytest.mark.parametrize("make", [tar, zipped])
def test_existing_content_is_replaced(put, tmp_path, make):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "old").write_text("old")
    unpack(put(make(("new", b"1"))), tmp_path / "to")
    assert content(tmp_path / "to") == {"new": b"1"}


def test_modes_are_ignored(put, tmp_path):
    data = tar((member("d", tarfile.DIRTYPE, mode=0), b""), (member("d/f", mode=0o7777, uid=12345), b"1"))
    unpack(put(data), tmp_path / "to")
    plain = tmp_path / "plain"
    plain.touch()
    made = (tmp_path / "to/d/f").stat()
    assert (made.st_mode, made.st_uid) == (plain.stat().st_mode, plain.stat().st_uid)


def test_sparse_files(put, tmp_path):
    """GNU tar's sparse files."""
    header = member("f", tarfile.GNUTYPE_SPARSE, size=512).tobuf(tarfile.GNU_FORMAT)
    spans = b"%011o\0%011o\0" % (1000, 512) + b"%011o\0%011o\0" % (2000, 0)
    header = header[:386] + spans + header[386 + len(spans) : 483] + b"%011o\0" % 2000 + header[495:]
    checksum = sum(header[:148]) + 256 + sum(header[156:])
    header = header[:148] + b"%06o\0 " % checksum + header[156:]
    unpack(put(header + b"x" * 512 + bytes(10240)), tmp_path / "to")
    assert content(tmp_path / "to") == {"f": bytes(1000) + b"x" * 512 + bytes(488)}


@pytest.mark.parametrize("packing", ["tar", "tar.xz", "zip"])
def test_progress(put, tmp_path, monkeypatch, capsys, packing):
    """Of a tar, the archive's MiB; of a zip, its members."""
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    data = zipped(*FILES.items()) if packing == "zip" else PACKINGS[packing](tar(*FILES.items()))
    unpack(put(data), tmp_path / "to")
    total = len(FILES) if packing == "zip" else -(-len(data) // 2**20)
    what = "unpack set.bin" if packing == "zip" else "unpack set.bin (MiB)"
    assert capsys.readouterr().err.splitlines() == [f"{what}: {done}/{total}" for done in range(total + 1)]


ZEROS = [pack(bytes(2048)) for pack in PACKINGS.values()]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"label,pixel1\n",
        b"\x89PNG\r\n\x1a\n" + bytes(1000),
        b"\x93NUMPY" + bytes(1000),
        b"PAR1" + bytes(1000),
        *(pack(b"label,pixel1\n" * 100) for pack in PACKINGS.values()),
        gzip.compress(b"a" * 1000, mtime=0)[:20],
        lzma.compress(b"a" * 1000)[:20],
        b"BZh9" + bytes(1000),
        *ZEROS,
    ],
)
def test_other_files_are_not_archives(put, refusal, data):
    assert not is_archive(put(data))
    # Zeros alone are also what tar writes of no files.
    assert data in ZEROS or refusal(data).startswith("damaged at the beginning: ")


BAD_NAMES = {
    "/etc/passwd": "is absolute",
    "//host/x": "is absolute",
    "..": "contains ..",
    "../x": "contains ..",
    "a/../../x": "contains ..",
    "a/..": "contains ..",
    "a/../x": "contains ..",
    "..\\x": "contains a backslash",
    "a\\b": "contains a backslash",
    "\\\\host\\x": "contains a backslash",
    "C:/x": "begins with a drive",
    "c:x": "begins with a drive",
    "x" * 300: "File name too long",
    "x/" * 3000 + "x": "File name too long",
}


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name(refusal, make, name, folder):
    kind = tarfile.DIRTYPE if folder else tarfile.REGTYPE
    bad = member(name, kind) if make is tar else name + "/" * folder
    assert re.match(
        rf"member '{re.escape(repr(name)[1:-1])}/?':? {BAD_NAMES[name]}", refusal(make(("a/good", b"1"), (bad, b"")))
    )


def test_a_null_byte_in_a_name(refusal):
    assert refusal(zipped(("a_b", b"1")).replace(b"a_b", b"a\0b")).startswith(r"member 'a\x00b' contains a null byte;")
    header = member("plain", pax_headers={"path": "a\0b"})
    assert refusal(tar((header, b"1"))).startswith(r"member 'a\x00b' contains a null byte;")


def test_a_name_that_is_not_utf_8(refusal):
    data = tar(("caf\udce9", b"1"), format=tarfile.GNU_FORMAT)
    assert refusal(data).startswith(r"member 'caf\udce9' is not valid Unicode;")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link; `tar --hard-dereference` packs the file itself"),
        (tarfile.CHRTYPE, "a special file"),
        (tarfile.BLKTYPE, "a special file"),
        (tarfile.FIFOTYPE, "a special file"),
        (b"Z", "a special file"),
    ],
)
def test_special_files_in_a_tar(refusal, kind, said):
    assert refusal(tar(("good", b"1"), (member("bad", kind, linkname="good"), b""))) == f"member 'bad' is {said}"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_special_files_in_a_zip(refusal, kind):
    said = "a symbolic link" if kind == stat.S_IFLNK else "a special file"
    assert refusal(zipped(("good", b"1"), (moded("bad", kind | 0o777), b"/etc"))) == f"member 'bad' is {said}"


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("a", "a", "'a' has the name of another member"),
        ("a", "./a", "'./a' has the name of another member"),
        ("a/b", "a//b", "'a//b' has the name of another member"),
        ("a", "a/b", "'a/b' has the name of another member"),
        ("a/b", "a", "'a' has the name of another member"),
        ("a", "a/b/c/d", "'a/b/c/d' has the name of another member"),
        ("a", ".", "'.' has the name of another member"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(refusal, make, first, second, said):
    assert refusal(make((first, b"1"), (second, b"2"))) == f"member {said}"


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_and_a_folder_of_one_name(refusal, order):
    said = "has the name of another member"
    assert said in refusal(tar(*[("a", b"1"), (member("a", tarfile.DIRTYPE), b"")][::order]))
    assert said in refusal(zipped(*[("a", b"1"), ("a/", b"")][::order]))


def test_an_encrypted_zip(refusal):
    data = bytearray(zipped(("secret", b"1")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(data)) == "member 'secret' is encrypted; pack it without a password"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_cannot_be_unpacked_in_bounded_memory(refusal, method):
    said = f"member 'a' has compression method {method}; accepted: deflate, none"
    assert refusal(zipped(("a", b"1"), method=method)) == said


@pytest.mark.parametrize("make", [tar, zipped])
def test_too_many_members(refusal, make):
    data = make(*((f"d{at}/f", b"") for at in range(4)))
    assert refusal(data, max_members=3) == "member 'd3/f' is one too many; accepted: 3 members"


def test_as_many_members_as_are_allowed(put, tmp_path):
    unpack(put(tar(*FILES.items())), tmp_path / "to", max_members=len(FILES), max_bytes=sum(map(len, FILES.values())))
    assert content(tmp_path / "to") == FILES


@pytest.mark.parametrize("make", [tar, zipped])
def test_too_many_bytes(refusal, make):
    said = "member 'b' is too large: the archive unpacks to more bytes than allowed"
    assert refusal(make(("a", b"12"), ("b", b"345"), ("c", b"")), max_bytes=4) == said


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_decompression_bomb(refusal, monkeypatch, make):
    monkeypatch.setattr(archive, "ALWAYS_ALLOWED", 10_000)
    data = lzma.compress(make(("bomb", bytes(10_000_000)))) if make is tar else zipped(("bomb", bytes(10_000_000)))
    assert "'bomb' is too large" in refusal(data, max_ratio=100)


def test_a_small_archive_may_exceed_the_ratio(put, tmp_path):
    unpack(put(lzma.compress(tar(("blank", bytes(10_000_000))))), tmp_path / "to", max_ratio=2)
    assert (tmp_path / "to" / "blank").stat().st_size == 10_000_000


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_refused_archive_is_closed(put, monkeypatch, tmp_path, make):
    """A traceback that is kept must not hold the file open."""
    opened = []
    real = open

    def noted(*args, **kwargs):
        opened.append(real(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(io, "open", noted)
    path = put(make(("../a", b"1")))
    with pytest.raises(UserError) as refused:
        unpack(path, tmp_path / "to")
    assert opened
    assert all(file.closed for file in opened)
    assert refused.tb


def test_a_zip_with_wrong_sizes(refusal, monkeypatch):
    """The bytes count, not the header."""
    monkeypatch.setattr(archive, "ALWAYS_ALLOWED", 10_000)
    data = zipped(("bomb", bytes(1_000_000)))
    lying = data.replace((1_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != data
    assert "damaged at member 'bomb': Bad CRC-32" in refusal(lying)


def test_a_header_that_would_fill_the_memory(refusal, monkeypatch):
    monkeypatch.setattr(archive_members, "MAX_HEADER", 100_000)
    header = member("a", pax_headers={"comment": "x" * 1_000_000})
    assert "accepted: up to 100000" in refusal(gzip.compress(tar(("first", NOISE), (header, b"1"))))


def test_written_members_are_not_kept_in_memory(put, monkeypatch, tmp_path):
    """tarfile keeps every header that it reads."""
    alive = []

    def write(*_):
        # By type, not isinstance: that would ask the lazy objects of other libraries for their class.
        alive.append(sum(type(each) is archive_members.StrictHeader for each in gc.get_objects()))
        return 0

    monkeypatch.setattr(archive, "write", write)
    gc.collect()  # the headers of earlier tests
    unpack(put(tar(*((str(at), b"") for at in range(20)))), tmp_path / "to")
    assert len(alive) == 20
    assert max(alive) <= 3


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_truncated_tar(refusal, packing):
    """Also when it is cut between two members."""
    data = PACKINGS[packing](tar(("a", NOISE[:1000]), ("b", NOISE[1000:2000])))
    members_end = 2 * (512 + 1024)
    cuts = range(512, members_end + 1, 256) if packing == "tar" else [*range(len(data) // 2, len(data), 100), -1]
    for cut in cuts:
        assert refusal(data[:cut]).startswith("damaged at ")


@pytest.mark.parametrize("cut", [10, 100, 500, 1])
def test_a_truncated_zip(refusal, cut):
    assert refusal(zipped(("a", NOISE[:1000]))[:-cut]).startswith("damaged at the beginning: ")


@pytest.mark.parametrize("packing", [*PACKINGS, "zip"])
def test_a_changed_byte_never_raises_another_error(put, tmp_path, packing):
    """It is detected, or nothing depends on it."""
    entries = [(f"d/{at}", NOISE[at * 300 : at * 300 + 300]) for at in range(5)]
    good = zipped(*entries) if packing == "zip" else PACKINGS[packing](tar(*entries))
    generator = np.random.default_rng(0)
    refused = 0
    for at in generator.choice(len(good), 60):
        bad = bytearray(good)
        bad[at] ^= 1 << int(generator.integers(8))
        try:
            unpack(put(bytes(bad)), tmp_path / "to")
        except UserError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("packing", PACKINGS)
def test_data_after_the_end_is_refused(refusal, packing):
    first, second = (PACKINGS[packing](tar((name, b"1"))) for name in "ab")
    assert refusal(first + second) == "data follows the end of the archive; pack it as one archive"


def test_a_broken_header_is_not_the_end(refusal):
    data = bytearray(tar(("a", b"1"), ("b", b"2")))
    data[1024] ^= 1
    assert refusal(bytes(data)) == "damaged at member 'a': bad checksum; download or pack it again"


def test_zstandard(put, tmp_path):
    if sys.version_info < (3, 14):
        pytest.skip("tarfile reads zstandard from Python 3.14 on")
    from compression import zstd

    unpack(put(zstd.compress(tar(*FILES.items()))), tmp_path / "to")
    assert content(tmp_path / "to") == FILES


@pytest.mark.parametrize("fault", [KeyboardInterrupt("stop"), OSError(errno.ENOSPC, "stop")])
@pytest.mark.parametrize("make", [tar, zipped])
def test_errors_of_the_disk_pass_through(put, tmp_path, monkeypatch, make, fault):
    def full(*_):
        raise fault

    monkeypatch.setattr(archive, "write_file", full)
    with pytest.raises(type(fault), match=r"stop|No space left"):
        unpack(put(make(("a", b"1"))), tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]
