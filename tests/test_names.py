"""A task's and a method's name is a string only in `config/` and in its own files."""

import re
from pathlib import Path

import pytest

from sprout.methods import Consistency, Contrastive, ScikitLearn, Supervised
from sprout.methods.base import Method
from sprout.tasks import TASKS

SOURCE = Path(__file__).parents[1] / "src" / "sprout"
METHODS = [method.name for method in (Consistency, Contrastive, ScikitLearn, Supervised)]
FILES = [path for path in SOURCE.rglob("*") if path.suffix in (".py", ".j2")]


def own_files(room: str, name: str) -> set[Path]:
    """The files that are about this task or method."""
    pages = SOURCE / "report" / "pages"
    return {SOURCE / room / f"{name}.py", pages / f"{name}.py", pages / f"{name}.html.j2"}


def places(room: str, name: str) -> list[str]:
    """The lines of other files where the name stands in quotes."""
    quoted = re.compile(rf"""(['"]){name}\1""")
    others = [path for path in FILES if path not in own_files(room, name) and SOURCE / "config" not in path.parents]
    return [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in others
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if quoted.search(line)
    ]


@pytest.mark.parametrize("name", TASKS)
def test_a_tasks_name_stands_in_its_own_files(name: str) -> None:
    assert (SOURCE / "tasks" / f"{name}.py").is_file()
    assert places("tasks", name) == []


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_name_stands_in_its_own_files(name: str) -> None:
    assert (SOURCE / "methods" / f"{name}.py").is_file()
    assert places("methods", name) == []


def test_every_method_is_looked_for() -> None:
    files = {path.stem for path in (SOURCE / "methods").glob("*.py")} - {
        "__init__",
        "base",
        "thresholds",
        "label_record",
    }
    assert (
        files
        == set(METHODS)
        >= {method.name for method in Method.__subclasses__() if method.__module__.startswith("sprout.")}
    )
    assert {path.stem for path in (SOURCE / "tasks").glob("*.py")} >= set(TASKS)
