"""Columns of texts: the same values in any chunks, also of more than 2 GiB."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from sprout.data import listing as listing_module
from sprout.data.formats.text_table import text_columns
from sprout.data.listing import TEXT, Files, Texts, texts, values_of, without_faulty
from sprout.data.prepare.groups import number_groups

VALUES = ["a", None, "ünï", "", "path/to 7.jpg"]


@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
def test_texts_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(listing_module, "AT_ONCE", at_once)
    column = texts(iter(VALUES))
    assert (column.type, column.to_pylist()) == (TEXT, VALUES)
    assert [*values_of(column)] == VALUES
    assert Texts().end().equals(pa.nulls(0, TEXT))


def test_files_with_a_fault_are_not_opened() -> None:
    paths = texts(["a", "b", "c"])
    assert without_faulty(paths, {1: "damaged"}).to_pylist() == ["a", "", "c"]
    assert without_faulty(paths, {}) is paths


def test_some_paths_of_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    files = Files(tmp_path, texts(map(str, range(10))))
    assert files.some(slice(2, 4)) == ["2", "3"]
    assert files.some(slice(None, None, 4)) == ["0", "4", "8"]


@dataclass(frozen=True)
class Repeated:
    """A table of one column, whose text is long, and whose batches are the same one."""

    batch: pa.RecordBatch
    times: int
    name: str = "table"
    images: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        return list(self.batch.schema.names)

    def batches(self, _columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for _ in range(self.times):
            yield self.batch


@pytest.mark.slow
def test_a_column_of_more_than_2_gib() -> None:
    """Offsets of 32 bits end there. The batches have 64 MiB each, and the column 2.1 GiB."""
    groups = [f"{row} " * (1 << 20) for row in range(1000, 1010)]
    batch = pa.record_batch([pa.array(groups, pa.string())], ["group"])
    size = batch.column(0).nbytes
    times = -(-(2 << 30) // size) + 1
    column = text_columns(Repeated(batch, times), ["group"])["group"]
    assert column.nbytes > 2 << 30
    assert column[len(column) - 1].as_py() == groups[-1]
    numbers = number_groups(column, len(column))
    np.testing.assert_array_equal(numbers, np.arange(len(column)) % len(groups))
