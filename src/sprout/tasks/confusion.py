"""The confusion matrix as a file that `dvc plots` draws."""

from pathlib import Path


def write_confusion(folder: Path, actual: "list[str]", predicted: "list[str]") -> None:
    """Write `confusion.csv`, a row for each example; `dvc plots` warns of a missing file, so every task has one.

    DVC copies the names into a script of its page as they are, where `</script>` would end it: `<` becomes `‹`.
    """
    from sprout.runtime.files import write_rows

    pairs = [{"actual": a, "predicted": p} for a, p in zip(map(inert, actual), map(inert, predicted), strict=True)]
    write_rows(folder / "confusion.csv", ["actual", "predicted"], pairs)


def inert(name: str) -> str:
    """A name that is no markup on any page."""
    return name.replace("<", "‹")
