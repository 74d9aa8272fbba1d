"""Which column of a table holds the splits, and which the folds of a cross-validation."""

from sprout.data.formats.folder_names import SPLIT_WORDS, split_of, split_of_question, words_of
from sprout.data.formats.labels import NUMBERED_SPLITS, ONE, ZERO
from sprout.data.importing.table_sample import TableSample
from sprout.runtime.errors import UserError

SPLIT_COLUMNS = ("split", "set", "subset", "usage", "dataset", "partition", "phase", "fold")


def split_column(sample: TableSample) -> tuple[str | None, list[str]]:
    """Return the column of splits, or None if there is none or its values are unknown; and notes for the user.

    Raises:
        UserError: some of its values are splits, and others are not known.
    """
    column = sample.column_named(SPLIT_COLUMNS)
    if column is None:
        return question_column(sample)
    unknown = [value for value in sample.values(column) if split_of(value) is None]
    if unknown and not (set(sample.values(column)) <= set(NUMBERED_SPLITS) and "fold" not in column.lower()):
        words = ", ".join(SPLIT_WORDS)
        if is_fold(column):
            return None, [f"column {column!r} is not used: folds are drawn anew"]
        if len(unknown) < len(sample.values(column)):
            raise UserError(
                f"{sample.table.name}: column {column!r} names splits, but {unknown[0]!r} is none of {words}; correct "
                "it, or give the column another name if it is no split"
            )
        return None, [f"column {column!r} is not used as splits: {unknown[0]!r} is none of {words}"]
    return column, [f"splits: column {column!r}"]


def is_fold(column: str) -> bool:
    """Whether a column says in which fold of a cross-validation a row is, judging by its name."""
    words = {word for word in words_of(column) if not word.isdecimal()}
    return bool(words & {"fold", "kfold", "folds"}) and words <= {"fold", "kfold", "folds", "k", "cv", "id"}


def question_column(sample: TableSample) -> tuple[str | None, list[str]]:
    """Return a column such as `is_valid`, which says of each row whether it is in a split, or None; and notes."""
    for name in sample.text:
        answers = split_of_question(name)
        values = set(sample.values(name))
        if answers and values <= {*ONE, *ZERO} and values & {*ONE} and values & {*ZERO}:
            return name, [f"splits: column {name!r}, true is {answers[0]}, false is {answers[1]}"]
    return None, [f"column {name!r} is not used: folds are drawn anew" for name in sample.text if is_fold(name)]
