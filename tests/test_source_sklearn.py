"""The data sets of scikit-learn equal what its own loaders return."""

import gzip
import subprocess
import sys
from importlib.machinery import ModuleSpec
from typing import get_args, get_type_hints

import numpy as np
import pytest
from sklearn import datasets

from sprout.config.download import Sklearn
from sprout.data.manifest import checksum
from sprout.data.sources import sklearn
from sprout.runtime.errors import UserError

CLASSED = ("iris", "wine", "breast_cancer")
FILES = [(name, file) for name, files in sklearn.FILES.items() for file in files]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    for name in sklearn.FILES:
        sklearn.fetch(Sklearn("sklearn", name), folder, folder)
    return folder


def test_digits(fetched):
    found, reference = sklearn.read(Sklearn("sklearn", "digits"), fetched, fetched), datasets.load_digits()
    assert (found.examples.dtype, found.examples.shape) == (np.uint8, (1797, 8, 8, 1))
    # Grey levels 0..16 become 0..255, to the nearest whole number.
    assert np.abs(found.examples[..., 0] - reference.images * 255 / 16).max() <= 0.5
    assert found.examples.max() == 255
    assert found.label.to_pylist() == [str(digit) for digit in reference.target]
    assert found.classes == [str(name) for name in reference.target_names]
    assert (found.split, found.value, found.features) == (None, None, None)


@pytest.mark.parametrize("name", CLASSED)
def test_tables_with_classes(fetched, name):
    found, reference = sklearn.read(Sklearn("sklearn", name), fetched, fetched), getattr(datasets, f"load_{name}")()
    assert found.examples.dtype == np.float32
    np.testing.assert_array_equal(found.examples, reference.data.astype(np.float32))
    assert found.classes == list(reference.target_names)
    assert found.label.to_pylist() == list(reference.target_names[reference.target])
    assert found.features == list(reference.feature_names)
    assert found.value is None


def test_diabetes(fetched):
    found, reference = (
        sklearn.read(Sklearn("sklearn", "diabetes"), fetched, fetched),
        datasets.load_diabetes(scaled=False),
    )
    np.testing.assert_array_equal(found.examples, reference.data.astype(np.float32))
    assert found.value.to_pylist() == list(reference.target)
    assert found.features == list(reference.feature_names)
    assert (found.label, found.classes) == (None, None)


@pytest.mark.parametrize("name", sklearn.FILES)
def test_the_origin_is_a_line_number(fetched, name):
    found = sklearn.read(Sklearn("sklearn", name), fetched, fetched)
    assert len(found) == len(found.origin) == len(set(found.origin.to_pylist()))
    file, line = found.origin[123].as_py().split(":")
    with gzip.open(fetched / file, "rt") if file.endswith("gz") else (fetched / file).open() as opened:
        numbers = opened.read().splitlines()[int(line) - 1].replace(",", " ").split()
    first = np.float32(numbers[0]) * (255 / 16 if name == "digits" else 1)
    assert np.rint(first) == np.rint(found.examples[123].ravel()[0])


def test_scikit_learn_itself_is_not_imported(tmp_path):
    """Nor are torch and torchvision, by any source."""
    code = (
        "import sys; from pathlib import Path;"
        "from sprout.config.download import Generated, Sklearn;"
        "from sprout.data.sources import generated, sklearn, torchvision;"
        f"folder = Path({str(tmp_path)!r}); sklearn.fetch(Sklearn('sklearn', 'iris'), folder, folder);"
        "sklearn.read(Sklearn('sklearn', 'iris'), folder, folder);"
        "generated.fetch(Generated('generated', 'line', 0), folder, folder);"
        "print({'torch', 'torchvision', 'sklearn', 'scipy'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_only_the_files_of_the_set_are_copied(tmp_path):
    sklearn.fetch(Sklearn("sklearn", "diabetes"), tmp_path, tmp_path)
    assert {path.name: checksum(path) for path in tmp_path.iterdir()} == sklearn.FILES["diabetes"]


def test_the_settings_list_every_set():
    assert set(get_args(get_type_hints(Sklearn)["name"])) == set(sklearn.FILES)


def installed(monkeypatch, root, file):
    """An installed scikit-learn without files."""
    spec = ModuleSpec("sklearn", None, is_package=True)
    spec.submodule_search_locations = [str(root)]
    monkeypatch.setattr(sklearn, "find_spec", lambda name: spec)
    return root / "datasets" / "data" / file


@pytest.mark.parametrize(("name", "file"), FILES)
def test_another_file_in_the_package_is_refused(tmp_path, monkeypatch, fetched, name, file):
    path = installed(monkeypatch, tmp_path / "sklearn", file)
    path.parent.mkdir(parents=True)
    for other in sklearn.FILES[name]:
        path.with_name(other).write_bytes((fetched / other).read_bytes())
    path.write_bytes((fetched / file).read_bytes() + b"\0")
    (tmp_path / "raw").mkdir()
    with pytest.raises(UserError) as refused:
        sklearn.fetch(Sklearn("sklearn", name), tmp_path / "raw", tmp_path / "raw")
    expected = f"{path}: expected SHA-256 {sklearn.FILES[name][file]}, found {checksum(path)}; "
    assert str(refused.value).startswith(expected)
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_package_without_the_file_is_refused(tmp_path, monkeypatch):
    path = installed(monkeypatch, tmp_path / "sklearn", "iris.csv")
    with pytest.raises(UserError, match=f"{path}: expected SHA-256 [0-9a-f]*, found no file"):
        sklearn.fetch(Sklearn("sklearn", "iris"), tmp_path, tmp_path)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sklearn, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="found no file; install the locked scikit-learn"):
        sklearn.fetch(Sklearn("sklearn", "digits"), tmp_path, tmp_path)
