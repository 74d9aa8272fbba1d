"""Which files of `src/` a script imports, directly or not, lazily or not."""

import ast
from pathlib import Path

SRC = Path("src")


def closure(script: Path) -> set[str]:
    """The files, relative to the project, that the script's imports reach; read from the code, not run."""
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        for found in imported(path) - seen:
            seen.add(found)
            waiting.append(found)
    return {path.as_posix() for path in seen}


def imported(path: Path) -> set[Path]:
    """The files of `src/` that this one names in its imports, with the packages they lie in."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {found for name in names if name.split(".")[0] == "sprout" for found in files(name)}


def files(module: str) -> set[Path]:
    """The module's own file and the `__init__.py` of each package above it."""
    parts = module.split(".")
    paths = [SRC.joinpath(*parts[: n + 1]) / "__init__.py" for n in range(len(parts))]
    return {path for path in [*paths, SRC.joinpath(*parts).with_suffix(".py")] if path.exists()}
