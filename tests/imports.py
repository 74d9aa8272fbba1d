"""Which files of `src/` a script imports, directly or not, lazily or not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SRC = Path("src")
CLASS = re.compile(r"sprout(\.\w+)+\.[A-Z]\w*")


def closure(*scripts: Path, lazy: bool = True, strings: bool = True, closed: tuple[str, ...] = ()) -> set[str]:
    """The files, relative to the project, that the scripts' imports reach; read from the code, not run.

    An import for the type checker alone does not count.

    Args:
        scripts: where to begin.
        lazy: whether imports inside of functions count.
        strings: whether a class that a string names counts, as it may be imported by that name.
        closed: files and folders whose own imports do not count.
    """
    seen: set[Path] = set()
    waiting = [*scripts]
    while waiting:
        path = waiting.pop()
        for found in imported(path, lazy, strings) - seen:
            seen.add(found)
            waiting += [found] if not found.as_posix().startswith(closed) else []
    return {path.as_posix() for path in seen}


def imported(path: Path, lazy: bool, strings: bool) -> set[Path]:
    """The files of `src/` that this one names in its imports, with the packages they lie in.

    A package that imports its modules by name, with `import_module`, reaches all of them; but for `sprout` itself,
    which does so for notebooks alone.
    """
    text = path.read_text(encoding="utf-8")
    by_name = path.name == "__init__.py" and path.parent != SRC / "sprout" and "import_module(" in text
    found = set(path.parent.glob("*.py")) if by_name else set()
    names = set()
    for node in nodes(ast.parse(text), lazy):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif strings and isinstance(node, ast.Constant) and CLASS.fullmatch(str(node.value)):
            names.add(str(node.value).rpartition(".")[0])
    return found | {file for name in names if name.split(".")[0] == "sprout" for file in files(name)}


def nodes(tree: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """All nodes but those that only the type checker reads, and, unless lazy, those inside of functions."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        typing = isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"
        if not typing and (lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from nodes(child, lazy)


def files(module: str) -> set[Path]:
    """The module's own file and the `__init__.py` of each package above it."""
    parts = module.split(".")
    paths = [SRC.joinpath(*parts[: n + 1]) / "__init__.py" for n in range(len(parts))]
    return {path for path in [*paths, SRC.joinpath(*parts).with_suffix(".py")] if path.exists()}
