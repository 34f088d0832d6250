"""Rows → Arrow folders for `datasets.load_from_disk`, whose bytes depend on the rows alone.

`Dataset.save_to_disk` records a fingerprint that changes with the path and time of its source;
here it is the sha256 of the Arrow file, and all rows are in one shard, in batches whose size
depends on the rows alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from temper.core import artifacts

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

Row = TypeVar("Row")

ROWS_PER_BATCH = 1000
MAX_BATCH_BYTES = 2**24  # of texts and files in a batch, unless one row has more
SHARD = "data-00000-of-00001.arrow"
SIZED = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string, pa.types.is_large_string)
AUGMENTED = "augmented"  # bool column: true for augmented training rows, which come last


def write_split(
    folder: Path, split: str, features: "Features", batches: Iterable[Mapping[str, Any]]
) -> int:
    """Stream one split to disk with one batch in memory; return the number of rows.

    Args:
        features: columns, their order and their types.
        batches: columns of at most a few thousand rows; re-chunked.
    """
    from datasets import DatasetInfo

    target = folder / split
    target.mkdir(parents=True)
    schema, num_rows = features.arrow_schema, 0
    with pa.OSFile(str(target / SHARD), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for table in _rechunk(features, batches):
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
    """Write `dataset_dict.json`, which makes a folder of splits a `DatasetDict`."""
    artifacts.write_json(folder / "dataset_dict.json", {"splits": list(splits)})


def load(folder: Path) -> "DatasetDict":
    """Memory-map a folder that this module wrote."""
    from datasets import DatasetDict, disable_progress_bars

    disable_progress_bars()
    return DatasetDict.load_from_disk(str(folder), keep_in_memory=False)


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each split's Arrow file."""
    splits = artifacts.read_json(folder / "dataset_dict.json")["splits"]
    return {split: artifacts.sha256_file(folder / split / SHARD) for split in splits}


def column_batches(dataset: "Dataset") -> Iterator[dict[str, list]]:
    """Yield rows as columns of Python lists, as many at a time as `spans` says.

    Args:
        dataset: as it is stored; not a selection of rows.
    """
    for rows in spans(row_bytes(dataset.data.table)):
        yield dataset[rows.start : rows.stop]


def row_bytes(table: pa.Table) -> np.ndarray:
    """Return how many bytes the texts and files of each row have, (rows,); lists do not count.

    A column of type `Image` or `Audio` has its files in `bytes`.
    """
    import pyarrow.compute as pc

    sizes = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
            column = pc.call_function("struct_field", [column], pc.StructFieldOptions(["bytes"]))
        if any(is_type(column.type) for is_type in SIZED):
            sizes += pc.call_function("binary_length", [column]).fill_null(0).to_numpy()
    return sizes


def spans(sizes: np.ndarray) -> Iterator[range]:
    """Divide rows into runs as `grouped` does.

    Args:
        sizes: bytes of each row.
    """
    for rows in grouped(range(len(sizes)), sizes.tolist().__getitem__):
        yield range(rows[0], rows[-1] + 1)


def grouped(rows: Iterable[Row], num_bytes: Callable[[Row], int]) -> Iterator[list[Row]]:
    """Yield rows in lists of at most `ROWS_PER_BATCH` rows and `MAX_BATCH_BYTES`, or of one row."""
    group: list[Row] = []
    size = 0
    for row in rows:
        added = num_bytes(row)
        if group and (len(group) == ROWS_PER_BATCH or size + added > MAX_BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += added
    if group:
        yield group


def drop_augmented(dataset: "Dataset") -> "Dataset":
    """Return a tokenized split without augmented rows: the features of its raw rows, in order."""
    if AUGMENTED not in dataset.features:
        return dataset
    return dataset.select(range(len(dataset) - sum(dataset[AUGMENTED])))


def _rechunk(features: "Features", batches: Iterable[Mapping[str, Any]]) -> Iterator[pa.Table]:
    """Yield tables of the rows that `spans` puts together, each in freshly copied buffers.

    A slice would write its parent's buffers to the file, and these depend on how the input was
    batched.
    """
    schema = features.arrow_schema
    pending = schema.empty_table()
    for batch in batches:
        columns = [_to_arrow(batch[field.name], field.type) for field in schema]
        pending = pa.concat_tables([pending, pa.Table.from_arrays(columns, schema=schema)])
        *full, last = [*spans(row_bytes(pending))] or [range(0)]
        for rows in full:
            yield _copied(pending.slice(rows.start, len(rows)))
        pending = pending.slice(last.start)  # which may go on in the next batch
    if pending.num_rows:
        yield _copied(pending)


def _copied(table: pa.Table) -> pa.Table:
    return table.take(list(range(table.num_rows))).combine_chunks()


def _to_arrow(values: Any, data_type: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.cast(data_type)
    return pa.array(values, type=data_type)
