"""Rows → Arrow folders that `datasets.load_from_disk` reads, with bytes that depend on rows alone.

`Dataset.save_to_disk` records a fingerprint that changes with the path and time of its source;
here it is the sha256 of the Arrow file, and the rows stand in one shard in batches of fixed size.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from temper.core import artifacts

if TYPE_CHECKING:
    from datasets import Dataset, Features

ROWS_PER_BATCH = 1000
SHARD = "data-00000-of-00001.arrow"
AUGMENTED = "augmented"  # a column that is true for training rows made of others; they come last


def write_split(
    folder: Path, split: str, features: "Features", batches: Iterable[Mapping[str, Any]]
) -> int:
    """Write one split as it comes, a batch in memory at a time; return the number of rows.

    Args:
        folder: the `DatasetDict` folder.
        split: name of the split.
        features: fixes the columns, their order and their types.
        batches: columns of at most a few thousand rows; re-cut to `ROWS_PER_BATCH`.
    """
    from datasets import DatasetInfo

    target = folder / split
    target.mkdir(parents=True)
    schema, num_rows = features.arrow_schema, 0
    with pa.OSFile(str(target / SHARD), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for table in _recut(features, batches):
            writer.write_table(table)
            num_rows += table.num_rows
    DatasetInfo(features=features).write_to_directory(str(target))
    info = artifacts.read_json(target / "dataset_info.json")
    artifacts.write_json(target / "dataset_info.json", {"features": info["features"]})
    artifacts.write_json(
        target / "state.json",
        {
            "_data_files": [{"filename": SHARD}],
            "_fingerprint": artifacts.sha256_file(target / SHARD)[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        },
    )
    return num_rows


def write_index(folder: Path, splits: Iterable[str]) -> None:
    """Write the list of splits that makes a folder of splits a `DatasetDict`."""
    artifacts.write_json(folder / "dataset_dict.json", {"splits": list(splits)})


def load(folder: Path) -> "dict[str, Dataset]":
    """Memory-map a folder that this module wrote; return its splits (a `DatasetDict`)."""
    from datasets import DatasetDict, disable_progress_bars

    disable_progress_bars()
    return DatasetDict.load_from_disk(str(folder), keep_in_memory=False)  # type: ignore


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each split's rows."""
    splits = artifacts.read_json(folder / "dataset_dict.json")["splits"]
    return {split: artifacts.sha256_file(folder / split / SHARD) for split in splits}


def column_batches(dataset: Any, size: int = ROWS_PER_BATCH) -> Iterator[dict[str, list]]:
    """Yield a `Dataset`'s rows as columns of Python lists, `size` rows at a time."""
    for start in range(0, len(dataset), size):
        yield dataset[start : start + size]


def drop_augmented(dataset: Any) -> Any:
    """Return a tokenized split without made rows: the features of its raw rows, in their order."""
    if AUGMENTED not in dataset.features:
        return dataset
    return dataset.select(range(len(dataset) - sum(dataset[AUGMENTED])))


def _recut(features: "Features", batches: Iterable[Mapping[str, Any]]) -> Iterator[pa.Table]:
    """Yield tables of `ROWS_PER_BATCH` rows, then the rest, each in buffers of its own.

    A slice would carry its parent's buffers into the file, and other batches give other parents.
    """
    schema = features.arrow_schema
    rest = schema.empty_table()
    for batch in batches:
        columns = [_column(batch[field.name], field.type) for field in schema]
        rest = pa.concat_tables([rest, pa.Table.from_arrays(columns, schema=schema)])
        while rest.num_rows >= ROWS_PER_BATCH:
            yield rest.take(list(range(ROWS_PER_BATCH))).combine_chunks()
            rest = rest.slice(ROWS_PER_BATCH)
    if rest.num_rows:
        yield rest.take(list(range(rest.num_rows))).combine_chunks()


def _column(values: Any, kind: pa.DataType) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.cast(kind)
    return pa.array(values, type=kind)
