"""The digits that come with scikit-learn."""

import gzip
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sprout import sources
from sprout.core.errors import UserError
from sprout.sources import digits
from sprout.sources.raw import checksum, verify, write_manifest


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    sources.fetch(folder, source="digits")
    return folder


def test_they_are_scikit_learns(fetched):
    raw, reference = sources.read(fetched, source="digits"), load_digits()
    assert raw.images.dtype == np.uint8
    assert raw.images.shape == (1797, 8, 8, 1)
    # Grey levels 0..16 become 0..255, to the nearest whole number.
    assert np.abs(raw.images[..., 0] - reference.images * 255 / 16).max() <= 0.5
    assert raw.images.max() == 255
    np.testing.assert_array_equal(raw.labels, reference.target)
    assert raw.labels.dtype == np.int64
    assert raw.classes == [str(name) for name in reference.target_names]


def test_what_else_is_told(fetched):
    raw = sources.read(fetched, source="digits")
    assert raw.official_test.shape == (1797,)
    assert not raw.official_test.any()
    assert (raw.origin[0], raw.origin[-1]) == ("digits.csv.gz:1", "digits.csv.gz:1797")
    assert len(set(raw.origin)) == 1797


def test_the_origin_is_the_line(fetched):
    raw = digits.read(fetched)
    name, line = raw.origin[1234].split(":")
    with gzip.open(fetched / name, "rt") as file:
        numbers = file.read().splitlines()[int(line) - 1].split(",")
    assert int(numbers[-1]) == raw.labels[1234]


def test_only_the_one_file_comes(fetched):
    assert [path.name for path in fetched.iterdir()] == [digits.FILE]
    assert checksum(fetched / digits.FILE) == digits.SHA256


def installed(monkeypatch, root):
    spec = ModuleSpec("sklearn", None, is_package=True)
    spec.submodule_search_locations = [str(root)]
    monkeypatch.setattr(digits, "find_spec", lambda name: spec)
    return root / "datasets" / "data" / digits.FILE


def test_another_file_in_the_package_is_refused(tmp_path, monkeypatch, fetched):
    path = installed(monkeypatch, tmp_path / "sklearn")
    path.parent.mkdir(parents=True)
    path.write_bytes((fetched / digits.FILE).read_bytes() + b"\0")
    (tmp_path / "raw").mkdir()
    with pytest.raises(UserError) as refused:
        digits.fetch(tmp_path / "raw")
    expected = f"{path}: expected SHA-256 {digits.SHA256}, found {checksum(path)}; "
    assert str(refused.value).startswith(expected)
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_package_without_the_file_is_refused(tmp_path, monkeypatch):
    path = installed(monkeypatch, tmp_path / "sklearn")
    with pytest.raises(UserError, match=f"{path}: expected SHA-256 {digits.SHA256}, found no file"):
        digits.fetch(tmp_path)


def test_without_the_package_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="found no file; install the locked scikit-learn"):
        digits.fetch(tmp_path)


def test_damage_after_fetching_is_noticed(tmp_path):
    digits.fetch(tmp_path)
    write_manifest(tmp_path, "digits")
    (tmp_path / digits.FILE).write_bytes((tmp_path / digits.FILE).read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{digits.FILE}: expected SHA-256 {digits.SHA256}"):
        verify(tmp_path)
