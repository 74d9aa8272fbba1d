"""What later stages read of `prepare`'s description."""

import pytest

from sprout.core.errors import UserError
from sprout.core.prepared import Description, describe
from sprout.core.records import write_json


def test_names_and_figures(tmp_path):
    write_json(tmp_path / "classes.json", ["a", "b"])
    write_json(tmp_path / "summary.json", {"target": "class", "mean": [0.5], "std": [0.25], "splits": {}})
    assert describe(tmp_path) == Description("class", ["a", "b"], [0.5], [0.25])


def test_nothing_prepared_is_said(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}: no prepared data here; `dvc repro` makes it"):
        describe(tmp_path)
