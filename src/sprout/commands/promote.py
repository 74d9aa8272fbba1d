"""`sprout promote`: moves an alias of the model registry by hand."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from sprout.tracking.registry.promote import Moved


def promote(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a build: its id, the beginning of it, or its name")],
    to: Annotated[str, typer.Option(metavar="ALIAS", help="the alias that its model gets")] = "champion",
) -> None:
    """Make the model of a build the champion of its experiment, or give it another alias."""
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    with waiting("importing MLflow"):
        from sprout.tracking.reading.find import find_run
        from sprout.tracking.reading.store import open_store
        from sprout.tracking.registry import promote as registry

        client = open_store()
    with waiting("moving the alias"):
        moved = registry.promote(client, find_run(client, run), to)
    print(sentence(moved))


def sentence(moved: "Moved") -> str:
    """Return what was moved, and what it replaces."""
    what = f"{moved.version.name}@{moved.alias}"
    if moved.before is None:
        return f"{what} is {named(moved.version)}; no version had this alias"
    if moved.before.version == moved.version.version:
        return f"{what} is {named(moved.version)}, as before"
    return f"{what} is {named(moved.version)}; it replaces {named(moved.before)}"


def named(version: "ModelVersion") -> str:
    """Return the number of a version, with its headline."""
    headline = (version.description or "").strip().partition("\n")[0]
    return f"version {version.version}" + (f" ({headline})" if headline else "")
