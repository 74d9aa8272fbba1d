"""Typed sections, and the errors for values that they do not accept."""

import ast
import dataclasses
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, CountOrZero, Name, NotNegative, Positive, Probability, Seed, Share
from sprout.config.sections import SECTIONS, check_names
from sprout.config.validate import choice, close, section, written
from sprout.runtime.errors import UserError

SETTINGS = Path(__file__).parents[1] / "src/sprout/config"


@dataclass(frozen=True, config=STRICT)
class Pot:
    size: Share
    colour: Literal["red", "green"]


@dataclass(frozen=True, config=STRICT)
class Garden:
    plants: Count
    depth: Positive
    pots: tuple[Count, ...]
    pot: Pot
    watered: bool
    owner: Name | None
    notes: dict[str, Any]


GOOD = {
    "plants": 3,
    "depth": 1,
    "pots": [1, 2],
    "pot": {"size": 0.5, "colour": "red"},
    "watered": True,
    "owner": None,
    "notes": {"a": {"b": [1, "c"]}},
}


def test_a_section_becomes_its_dataclass() -> None:
    garden = section("garden", GOOD, Garden)
    assert garden == Garden(3, 1.0, (1, 2), Pot(0.5, "red"), True, None, {"a": {"b": [1, "c"]}})
    assert isinstance(garden.depth, float)
    with pytest.raises(dataclasses.FrozenInstanceError):
        garden.plants = 4  # type: ignore[misc]


WRONG = [
    ({"plants": 0}, "garden.plants=0: should be greater than or equal to 1"),
    ({"plants": True}, "garden.plants=true: should be a valid integer"),
    ({"plants": 1.0}, "garden.plants=1.0: should be a valid integer"),
    ({"plants": 2**31}, "garden.plants=2147483648: should be less than 2147483648"),
    ({"plants": None}, "garden.plants=null: should be a valid integer"),
    ({"depth": "deep"}, 'garden.depth="deep": should be a valid number'),
    ({"depth": float("nan")}, "garden.depth=NaN: should be a finite number"),
    ({"pots": 3}, "garden.pots=3: should be a list"),
    ({"pots": [1, 0]}, "garden.pots.1=0: should be greater than or equal to 1"),
    ({"pot": 3}, "garden.pot=3: should be a section with keys"),
    ({"pot": {"size": 1.0, "colour": "red"}}, "garden.pot.size=1.0: should be less than 1"),
    ({"pot": {"size": 0, "colour": "blue"}}, "garden.pot.colour=\"blue\": should be 'red' or 'green'"),
    (
        {"pot": {"size": 0, "color": "red"}},
        'garden.pot.color="red": no such key (did you mean colour?); accepted: size, colour',
    ),
    ({"pot": {"size": 0}}, "garden.pot.colour: is missing; add it to the section's file in conf/garden/"),
    ({"watered": 1}, "garden.watered=1: should be true or false"),
    ({"owner": ""}, 'garden.owner="": string should have at least 1 character'),
    ({"owner": 3}, "garden.owner=3: should be a string"),
    ({"notes": []}, "garden.notes=[]: should be a section with keys"),
    (
        {"plant": {"ä": 1}},
        'garden.plant={"ä": 1}: no such key (did you mean plants?); accepted: '
        "plants, depth, pots, pot, watered, owner, notes",
    ),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_a_wrong_value_is_named_with_its_key_and_what_is_accepted(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as raised:
        section("garden", GOOD | change, Garden)
    assert str(raised.value) == said


@pytest.mark.parametrize("values", [None, 3, "x", ["plants"]])
def test_what_is_no_section_says_what_a_section_holds(values: Any) -> None:
    with pytest.raises(UserError, match=r"^garden=.*: is not a section; its keys are plants, depth, pots"):
        section("garden", values, Garden)


def test_a_value_that_no_setting_can_have() -> None:
    with pytest.raises(UserError, match=r"^garden=.*b'x'.*: only strings, numbers"):
        section("garden", GOOD | {"notes": {"a": b"x"}}, Garden)


KINDS: dict[str, type] = {"pot": Pot, "garden": Garden}


def test_a_choice_is_checked_against_the_kind_that_it_names() -> None:
    kinds = {"red": Pot}
    assert choice("pot", {"size": 0.25, "colour": "red"}, "colour", kinds) == Pot(0.25, "red")
    with pytest.raises(UserError, match=r"^pot\.size=2: should be less than 1$"):
        choice("pot", {"size": 2, "colour": "red"}, "colour", kinds)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "gardn"}, 'place.kind="gardn": unknown (did you mean garden?); accepted: pot, garden'),
        ({"kind": None}, "place.kind=null: unknown; accepted: pot, garden"),
        ({"kind": ["pot"]}, 'place.kind=["pot"]: unknown'),
        ({}, "place.kind=null: unknown; accepted: pot, garden"),
        (None, "place=null: is not a section; its key kind is one of pot, garden"),
        ("pot", 'place="pot": is not a section; its key kind is one of pot, garden'),
    ],
)
def test_an_unknown_choice_lists_those_that_there_are(values: Any, said: str) -> None:
    with pytest.raises(UserError) as raised:
        choice("place", values, "kind", KINDS)
    assert str(raised.value).startswith(said)


@dataclass(frozen=True, config=STRICT)
class Ranges:
    count: Count = 1
    count_or_zero: CountOrZero = 0
    seed: Seed = 0
    positive: Positive = 1.0
    not_negative: NotNegative = 0.0
    probability: Probability = 0.0
    share: Share = 0.0
    name: Name = "a"


INF, NAN, TOP = float("inf"), float("nan"), 2**31


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("count", [1, TOP - 1], [0, TOP, 1.0, True]),
        ("count_or_zero", [0, TOP - 1], [-1, TOP, 0.5]),
        ("seed", [0, TOP - 1], [-1, TOP]),
        ("positive", [5e-324, 1e308, 1], [0, -1, INF, NAN, "1"]),
        ("not_negative", [0, 1e308], [-5e-324, INF, NAN]),
        ("probability", [0, 1, 0.5], [-0.001, 1.001, NAN]),
        ("share", [0, 0.999], [1, -0.001, NAN]),
        ("name", ["a", "ä b"], ["", None, 1]),
    ],
)
def test_the_ranges_end_where_they_say(key: str, inside: list[Any], outside: list[Any]) -> None:
    for value in inside:
        assert getattr(section("s", {key: value}, Ranges), key) == value
    for value in outside:
        with pytest.raises(UserError, match=rf"^s\.{key}="):
            section("s", {key: value}, Ranges)


def test_the_sections_are_those_of_a_config() -> None:
    whole: dict[str, Any] = dict.fromkeys(SECTIONS)
    check_names(whole)
    with pytest.raises(UserError, match=r"^trian=5: no such section \(did you mean train\?\); accepted: download, "):
        check_names(whole | {"trian": 5})
    del whole["report"]
    with pytest.raises(UserError, match=r"^report: this section is missing"):
        check_names(whole)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), ("a\nb", '"a\\nb"'), ([1, "ä"], '[1, "ä"]'), (b"x", "b'x'"), (0.5, "0.5")],
)
def test_a_value_is_written_on_one_line(value: Any, text: str) -> None:
    assert written(value) == text


def test_a_value_that_holds_itself_is_written_too() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert written(loop) == "[[...]]"


def test_only_a_near_word_is_proposed() -> None:
    assert close("ephocs", ["epochs", "lr"]) == " (did you mean epochs?)"
    assert close("zebra", ["epochs", "lr"]) == ""


def fields_without_docstring(source: str) -> list[str]:
    """`Class.field` of each annotated field of a dataclass that no text follows."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and any("STRICT" in ast.unparse(d) for d in node.decorator_list):
            for this, after in zip(node.body, [*node.body[1:], None], strict=True):
                text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                if isinstance(this, ast.AnnAssign) and not text:
                    found.append(f"{node.name}.{ast.unparse(this.target)}")
    return found


def test_every_setting_has_a_docstring_under_its_field() -> None:
    sources = [path.read_text(encoding="utf-8") for path in SETTINGS.glob("*.py")]
    assert sum("config=STRICT" in source for source in sources) >= 8
    assert [name for source in sources for name in fields_without_docstring(source)] == []


def test_a_setting_without_a_docstring_would_be_found() -> None:
    source = (
        '@dataclass(config=STRICT)\nclass A:\n    a: int\n    """Said."""\n    b: int\n    c: int\n    """Said."""\n'
    )
    assert fields_without_docstring(source) == ["A.b"]
