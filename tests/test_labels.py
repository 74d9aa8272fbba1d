"""Order and meaning of class names."""

import pyarrow as pa
import pytest

from sprout.data.formats.labels import class_names, natural_order


@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "10"],
        ["-1", "0", "0.5", "1", "cat"],
        ["grade 2", "grade 10", "grade 10b"],
        ["2", "10", "2 wheels", "10 wheels", "car"],
        ["01", "1", "9007199254740992", "9007199254740993"],
        ["B", "a", "é"],
        [],
    ],
)
def test_natural_order(names: list[str]) -> None:
    assert natural_order(reversed(names)) == names


def test_a_label_is_a_name_or_an_index() -> None:
    labels, faults = class_names(pa.array(["1", "cat", None, "2", "-1", "01"]), ["cat", "dog"])
    assert labels.to_pylist() == ["dog", "cat", None, None, None, None]
    assert list(faults) == [3, 4, 5]
    assert faults[3] == "label '2' is none of the classes cat, dog"


def test_a_number_is_a_name_if_classes_are_named_like_numbers() -> None:
    labels, faults = class_names(pa.array(["1", "0"]), ["1", "2"])
    assert labels.to_pylist() == ["1", None]
    assert list(faults) == [1]


def test_without_classes_every_label_is_a_name() -> None:
    labels, faults = class_names(pa.array(["NA", None]), None)
    assert labels.to_pylist() == ["NA", None]
    assert not faults


def test_numbers_of_any_length_are_sorted() -> None:
    """int() reads at most 4,300 digits."""
    short, long = "grade 10", "grade 1" + "0" * 5000
    assert natural_order([long, short]) == [short, long]
