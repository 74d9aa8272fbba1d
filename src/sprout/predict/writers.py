"""Predictions as lines, JSON, CSV or Parquet, written batch by batch. Imports no torch."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Self, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.listing import Array
from sprout.predict.predictions import Prediction, as_json, as_line, max_width
from sprout.tasks.base import Task

SUFFIXES = {
    **{".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"},
    **{".txt": "table", "": "table"},
}
"""Endings of a file's name that tell its format."""


class Answers:
    """The predictions of a model, for a person or for a program."""

    def __init__(self, task: type[Task], classes: Sequence[str], top: int) -> None:
        """Take what the predictions mean.

        Args:
            task: of the model.
            classes: of the model, by index.
            top: how many of them a person is told, most likely first.
        """
        self.task, self.classes, self.top = task, list(classes), top

    @property
    def headings(self) -> list[str]:
        """Of the columns for a person, beside the name."""
        return self.task.printed_columns(self.top)

    def printed(self, predictions: Array) -> list[Prediction]:
        """For a person: one for each example."""
        return [self.task.printed_prediction(each, self.classes, self.top) for each in predictions]

    def table(self, names: Sequence[str], predictions: Array) -> pa.Table:
        """For a program: `input`, and the columns of the task."""
        columns = self.task.prediction_columns(predictions, self.classes)
        return pa.table({"input": pa.array(names, pa.string()), **columns})


class Lines:
    """Lines with aligned columns."""

    def __init__(self, file: TextIO, answers: Answers) -> None:
        """Write to an open file."""
        self.file, self.answers, self.class_width = file, answers, max_width(answers.classes)

    def write(self, names: Sequence[str], predictions: Array, width: int) -> None:
        """Write a batch; `width` are the terminal cells of the longest name of all."""
        for name, each in zip(names, self.answers.printed(predictions), strict=True):
            print(as_line(name, each, (width, self.class_width)), file=self.file)


class JsonLines:
    """A JSON object on each line."""

    def __init__(self, file: TextIO, answers: Answers) -> None:
        """Write to an open file."""
        self.file, self.answers = file, answers

    def write(self, names: Sequence[str], predictions: Array, width: int) -> None:
        """Write a batch."""
        for name, each in zip(names, self.answers.printed(predictions), strict=True):
            print(as_json(name, each), file=self.file)


class CsvTable:
    """CSV (RFC 4180) with a header."""

    def __init__(self, file: TextIO, answers: Answers) -> None:
        """Write to an open file."""
        self.rows, self.answers, self.header = csv.writer(file, lineterminator="\n"), answers, False

    def write(self, names: Sequence[str], predictions: Array, width: int) -> None:
        """Write a batch."""
        table = self.answers.table(names, predictions)
        if not self.header:
            self.rows.writerow(table.column_names)
            self.header = True
        self.rows.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))


class ParquetTable:
    """Parquet, with a group of rows for each batch."""

    def __init__(self, path: Path, answers: Answers) -> None:
        """Write a new file."""
        self.path, self.answers = path, answers
        self.writer: pq.ParquetWriter | None = None

    def write(self, names: Sequence[str], predictions: Array, width: int) -> None:
        """Write a batch."""
        table = self.answers.table(names, predictions)
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        self.writer.write_table(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()


def text_writer(form: str, file: TextIO, answers: Answers) -> Lines | JsonLines | CsvTable:
    """What writes the predictions as text: table, json or csv."""
    kinds: dict[str, type[Lines] | type[JsonLines] | type[CsvTable]] = {
        "table": Lines,
        "json": JsonLines,
        "csv": CsvTable,
    }
    return kinds[form](file, answers)
