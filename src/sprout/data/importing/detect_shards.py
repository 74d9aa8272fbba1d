"""Detect tables that hold their images: Parquet files as Hugging Face writes them, and the archives of a WebDataset."""

from pathlib import Path

from sprout.data.formats.file_tree import is_document, visible_entries, walk
from sprout.data.formats.folder_names import splits_of
from sprout.data.formats.joined_table import refuse_missing_parts
from sprout.data.formats.text_table import open_table
from sprout.data.formats.web_dataset import is_shard, is_shard_name
from sprout.runtime.errors import UserError, listed

PARQUET_SUFFIXES = (".parquet", ".pq")


def find_shards(root: Path) -> str | None:
    """Return a pattern for the tables in a folder that hold images; None if there are none, or other files.

    Raises:
        UserError: they are of several data sets.
    """
    real = str(root.resolve())
    shards: list[Path] = []
    for name, fault in walk(real, len(real) + 1, visible_entries(real)):
        if is_shard_name(name) or name.lower().endswith(PARQUET_SUFFIXES):
            shards += [Path(name)] if fault is None else []
        elif not is_document(name):
            return None
    if not shards or not holds_images(root, shards[0]):
        return None
    refuse_missing_parts(root, [str(shard) for shard in shards])
    return pattern_of(root, shards)


def holds_images(root: Path, table: Path) -> bool:
    """Whether a table holds images."""
    if is_shard_name(table.name):
        return is_shard(root / table)
    return bool(open_table(root, str(table)).images)


def pattern_of(root: Path, tables: list[Path]) -> str:
    """Return the pattern that stands for all of these tables, relative to the root.

    Raises:
        UserError: they lie in several folders that are not splits, or have different endings.
    """
    if len(tables) == 1:
        return str(tables[0])
    folders, endings = {table.parent for table in tables}, {"".join(table.suffixes) for table in tables}
    if len(folders) == len(endings) == 1:
        return str(tables[0].parent / f"*{endings.pop()}")
    above = {folder.parent for folder in folders}
    if len(above) == len(endings) == 1 and splits_of([folder.name for folder in folders]):
        return str(above.pop() / "*" / f"*{endings.pop()}")
    raise UserError(
        f"{root}: several data sets, or parts that are not splits ({listed(sorted(map(str, tables)))}); name the "
        "folder of one of them"
    )
