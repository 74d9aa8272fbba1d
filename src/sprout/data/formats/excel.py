"""A sheet of Excel as a table of text; openpyxl, which the extra `excel` installs, reads it."""

from collections.abc import Iterator
from datetime import date, time
from pathlib import Path

import pyarrow as pa

from sprout.data.formats.memory_table import MemoryTable
from sprout.runtime.errors import UserError, one_line

EXCEL_SUFFIXES = (".xlsx", ".xlsm", ".xls")
Row = tuple[object, ...]


def open_sheet(path: Path, name: str) -> MemoryTable:
    """Read the only sheet of a file; its first row names the columns.

    Args:
        path: the file.
        name: the file in messages.

    Raises:
        UserError: openpyxl is not installed, the file is damaged or of Excel 2003, or has several sheets.
    """
    if path.suffix.lower() == ".xls":
        raise UserError(f"{name}: a sheet of Excel 2003, which is not read; save it as .xlsx or CSV")
    rows = list(rows_of(path, name))
    if not rows:
        raise UserError(f"{name}: an empty sheet; add a row with the names of the columns, and rows below it")
    width = max(place + 1 for row in rows for place, value in enumerate(row) if value is not None)
    head, *body = [tuple(map(cell_text, row[:width])) + (None,) * (width - len(row)) for row in rows]
    columns = ["" if column is None else column for column in head]
    if columns.count("") > 1:
        raise UserError(
            f"{name}: its first row names {len(columns) - columns.count('')} of {width} columns; name each, and remove "
            "what lies above the names, such as a title"
        )
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise UserError(f"{name}: has column {', '.join(map(repr, twice))} twice; give each another name")
    values = [[row[place] for row in body] for place in range(width)]
    return MemoryTable(name, pa.table([pa.array(column, pa.string()) for column in values], names=columns))


def rows_of(path: Path, name: str) -> Iterator[Row]:
    """Yield the rows of the only sheet that has some, without empty ones; errors as for `open_sheet`."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise UserError(
            f"{name}: a sheet of Excel; `pip install openpyxl` lets it be read (the extra `excel`), or save it as CSV"
        ) from None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheets = {sheet.title: [row for row in sheet.iter_rows(values_only=True) if any_value(row)] for sheet in book}
        book.close()
    except Exception as error:  # a damaged file makes openpyxl raise nearly every type
        raise UserError(f"{name}: damaged or not of Excel ({one_line(error)}); save it again, or as CSV") from None
    filled = {title: rows for title, rows in sheets.items() if rows}
    if len(filled) > 1:
        raise UserError(f"{name}: has the sheets {', '.join(map(repr, filled))}; save the one to learn from as CSV")
    for rows in filled.values():
        yield from rows


def any_value(row: Row) -> bool:
    """Whether a row has a cell that is not empty."""
    return any(value is not None for value in row)


def cell_text(value: object) -> str | None:
    """Return the value of a cell as text, None where it is empty."""
    if value is None or value == "":
        return None
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
