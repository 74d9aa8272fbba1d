"""The description of the prepared data, as later stages read it."""

import pytest

from sprout.data.description import Description, describe
from sprout.runtime.errors import UserError
from sprout.runtime.files import write_json

REST = {"splits": {}, "folds": None, "levels": None, "page": 0}


def test_names_and_figures(tmp_path):
    write_json(tmp_path / "classes.json", ["a", "b"])
    figures = {"mean": [0.5], "std": [0.25], "features": None, "min": None, "max": None}
    write_json(tmp_path / "summary.json", {"target": "class", **figures, **REST})
    assert describe(tmp_path) == Description("class", ["a", "b"], [0.5], [0.25], None, None, None)


def test_a_table_has_the_range_of_each_feature(tmp_path):
    write_json(tmp_path / "classes.json", [])
    figures = {"mean": [0.5, 2], "std": [0.25, 1], "features": ["a", "b"], "min": [0.0, -1], "max": [1.0, 9]}
    write_json(tmp_path / "summary.json", {"target": "number", **figures, **REST})
    assert describe(tmp_path) == Description("number", [], [0.5, 2], [0.25, 1], ["a", "b"], [0.0, -1], [1.0, 9])


def test_nothing_prepared_is_said(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}: no prepared data here; `dvc repro` makes it"):
        describe(tmp_path)
