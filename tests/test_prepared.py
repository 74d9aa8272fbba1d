"""The description of the prepared data, as later stages read it."""

import subprocess

import pytest

from sprout.data.description import Description, describe, write_description
from sprout.runtime.errors import UserError

REST = {"splits": {}, "folds": None, "levels": None, "page": 0, "columns": None}


def test_names_and_figures(tmp_path):
    figures = {"mean": [0.5], "std": [0.25], "features": None, "min": None, "max": None}
    write_description(tmp_path, ["a", "b"], {"target": "class", **figures, **REST})
    assert describe(tmp_path) == Description("class", ["a", "b"], [0.5], [0.25], None, None, None)


def test_a_table_has_the_range_of_each_feature(tmp_path):
    figures = {"mean": [0.5, 2], "std": [0.25, 1], "features": ["a", "b"], "min": [0.0, -1], "max": [1.0, 9]}
    write_description(tmp_path, [], {"target": "number", **figures, **REST})
    assert describe(tmp_path) == Description("number", [], [0.5, 2], [0.25, 1], ["a", "b"], [0.0, -1], [1.0, 9])


def test_nothing_prepared_is_said(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}: no prepared data here; `dvc repro` makes it"):
        describe(tmp_path)


@pytest.mark.parametrize("name", ["classes.json", "summary.json"])
@pytest.mark.parametrize(("old", "new"), [("0.5", "0.6"), ('"a"', '"c"'), ("[", "")])
def test_a_changed_digit_or_name_is_noticed(tmp_path, name, old, new):
    figures = {"mean": [0.5], "std": [0.25], "features": ["a"], "min": [0.0], "max": [1.0]}
    write_description(tmp_path, ["a", "0.5"], {"target": "class", **figures, **REST})
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=rf"{name}: damaged or changed: .*SHA256SUMS has .*`dvc repro`"):
        describe(tmp_path)


def test_a_description_without_checksums_is_refused_with_what_writes_them(tmp_path):
    figures = {"mean": [0.5], "std": [0.25], "features": None, "min": None, "max": None}
    write_description(tmp_path, ["a"], {"target": "class", **figures, **REST})
    sums = (tmp_path / "SHA256SUMS").read_bytes()
    (tmp_path / "SHA256SUMS").unlink()
    with pytest.raises(UserError) as refused:
        describe(tmp_path)
    advice = str(refused.value).partition("as they are: ")[2]
    subprocess.run(["sh", "-c", advice], check=True)
    assert (tmp_path / "SHA256SUMS").read_bytes() == sums
    assert describe(tmp_path).classes == ["a"]
