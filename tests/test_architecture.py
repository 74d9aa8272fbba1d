"""The shape of the code: no cycle of files, no untyped settings, few arguments."""

import ast
from pathlib import Path

import pytest

from imports import SRC, files

FILES = sorted(SRC.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
MOST_ARGUMENTS = 10


def imports(path: Path) -> set[Path]:
    """The files that a file imports, in functions and for the type checker too."""
    names = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sprout":
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = {name for name in modules if SRC.joinpath(*name.split(".")).with_suffix(".py").exists()}
            names |= inner | ({node.module} if len(inner) < len(modules) else set())
    return {
        found
        for name in names
        if name
        for found in files(name)
        if found.stem == name.rpartition(".")[2] or last(found, name)
    }


def last(path: Path, name: str) -> bool:
    """Whether this is the package's own file of a name."""
    return path.name == "__init__.py" and path.parent == SRC.joinpath(*name.split("."))


def test_no_files_import_each_other_in_a_circle() -> None:
    """Whatever is left when files that import none of the rest are taken away, again and again.

    The package itself hands on names for notebooks; the files in it read no more from there than the version.
    """
    face = SRC / "sprout" / "__init__.py"
    left = {path: imports(path) - {path, face} for path in FILES}
    while leaves := [path for path, needed in left.items() if not needed & left.keys()]:
        for path in leaves:
            del left[path]
    assert {str(path): sorted(map(str, needed & left.keys())) for path, needed in left.items()} == {}


def functions() -> list[tuple[str, ast.FunctionDef]]:
    return [
        (f"{path}:{node.lineno} {node.name}", node)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]


def test_no_function_takes_more_arguments_than_a_reader_can_hold() -> None:
    counts = {name: len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]) for name, node in functions()}
    assert {name: count for name, count in counts.items() if count > MOST_ARGUMENTS} == {}


def test_settings_are_never_keyword_arguments_of_any_name() -> None:
    taken = [name for name, node in functions() if node.args.kwarg and node.args.kwarg.arg in ("settings", "options")]
    assert taken == []


def test_what_every_process_stands_on_imports_no_other_room() -> None:
    found = {path: [str(each) for each in imports(path) if "runtime" not in each.parts] for path in FILES}
    assert {str(path): others for path, others in found.items() if "runtime" in path.parts and others} == {}


@pytest.mark.parametrize("room", ["tasks", "methods"])
def test_a_task_and_a_method_know_nothing_of_the_engine(room: str) -> None:
    found = {
        path: [str(each) for each in imports(path) if "engine" in each.parts] for path in FILES if room in path.parts
    }
    assert {str(path): engine for path, engine in found.items() if engine} == {}
