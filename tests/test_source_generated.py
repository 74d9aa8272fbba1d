"""The synthetic data sets: the documented values, in an order that depends on the seed."""

import csv
from typing import get_args, get_type_hints

import numpy as np
import pytest

from sprout.config.download import Generated
from sprout.data.sources import generated


def made(folder, name, seed=0):
    folder.mkdir(exist_ok=True)
    settings = Generated("generated", name, seed)
    generated.fetch(settings, folder, folder)
    return generated.read(settings, folder, folder)


def test_the_line(tmp_path):
    found = made(tmp_path, "line")
    assert (found.examples.shape, found.examples.dtype, found.features) == ((1000, 1), np.float32, ["x"])
    x, y = found.examples[:, 0].astype(float), found.value.to_numpy()
    np.testing.assert_allclose(y, 2 * x + 1, atol=1e-6)
    np.testing.assert_allclose(np.sort(x), np.linspace(1, 2, 1000), atol=1e-6)
    assert (found.label, found.classes, found.split) == (None, None, None)


def test_the_drug_trial(tmp_path):
    found = made(tmp_path, "side_effects")
    assert (found.examples.shape, found.examples.dtype, found.features) == ((2100, 1), np.float32, ["age"])
    ages, ill = found.examples[:, 0], np.array(found.label.to_pylist()) == "side_effects"
    assert set(ages) == set(range(13, 101))
    old = ages >= 65
    assert (old.sum(), (old & ill).sum(), (~old & ill).sum()) == (1050, 998, 52)
    assert ill[old].mean() == pytest.approx(0.95, abs=1 / 1050)
    assert set(found.label.to_pylist()) == set(found.classes)
    assert found.value is None


@pytest.mark.parametrize("name", generated.SETS)
def test_the_seed_changes_the_order(tmp_path, name):
    for folder, seed in (("one", 1), ("again", 1), ("two", 2)):
        made(tmp_path / folder, name, seed)
    one, again, two = ((tmp_path / folder / f"{name}.csv").read_bytes() for folder in ("one", "again", "two"))
    assert one == again
    assert one != two
    assert sorted(one.splitlines()) == sorted(two.splitlines())


@pytest.mark.parametrize("name", generated.SETS)
def test_the_origin_is_a_line_number(tmp_path, name):
    found = made(tmp_path, name)
    file, line = found.origin[123].as_py().split(":")
    with (tmp_path / file).open(newline="") as opened:
        feature, target = list(csv.reader(opened))[int(line) - 1]
    assert np.float32(feature) == found.examples[123, 0]
    assert target == str((found.label if found.value is None else found.value)[123].as_py())


def test_the_settings_list_every_set():
    assert set(get_args(get_type_hints(Generated)["name"])) == set(generated.SETS)
