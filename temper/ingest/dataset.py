"""Splits of source columns → data/raw: the task's inputs, its target and extra columns.

Makes two passes over the source, the first to gather statistics and the second to write, and keeps
no split's text in memory.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.ingest import answers, columns, label_values, labels, overlap, row_selection, splits
from temper.ingest.columns import ColumnBatch
from temper.ingest.formats import num_rows
from temper.ingest.row_selection import Selection, SplitRows
from temper.ingest.split_stats import SplitStats, scan_split, select_columns
from temper.params.data import DataParams
from temper.params.task import TaskParams

if TYPE_CHECKING:
    from datasets import Features

SourceSplits = Mapping[str, Callable[[], Iterator[ColumnBatch]]]  # split → opens a pass over it


@dataclass(frozen=True, kw_only=True)
class RowSchema:
    """How columns of the source become columns of data/raw."""

    task: TaskParams
    data: DataParams
    encoder: labels.LabelEncoder

    @property
    def label_column(self) -> str | None:
        """The target column, if its values are encoded by `encoder`."""
        if self.task.target is None or self.task.target[1] in columns.CONVERTERS:
            return None
        return self.task.target[0]


def write(source: SourceSplits, task: TaskParams, data: DataParams, target: Path) -> dict[str, Any]:
    """Write data/raw; return its summary, without the description of the source.

    Raises:
        InputError: a mistake in the data, or options that it cannot satisfy.
    """
    if "train" not in source:
        raise InputError(f"there is no train split; the source has {', '.join(source)}")
    row_selection.check_split_names(source, data)
    source = _read_all(source, task, data)
    stats = {name: scan_split(read(), task, data, name) for name, read in source.items()}
    if task.target is not None and not stats["train"].num_labelled:
        raise InputError(
            f"train has no labels in column {', '.join(task.label_columns)!r}; all are missing, "
            "null or -1"
        )
    selection, filtered = row_selection.select_rows(stats, task, data)
    label_counts = row_selection.label_counts(stats, selection, data)
    encoder = labels.build_encoder(task, label_counts)
    labels.check_rows(task, label_counts, labels_are_filtered=row_selection.filters_labels(data))
    num_train = len(selection["train"].rows)
    selection, overlaps = overlap.resolve_overlap(stats, selection, data.overlap)
    num_dropped = num_train - len(selection["train"].rows)
    selection, subsets = row_selection.draw_subsets(stats, selection, data)
    schema = RowSchema(task=task, data=data, encoder=encoder)
    split_summaries = {
        name: write_split(source, stats, name, rows, schema, target)
        for name, rows in selection.items()
    }
    arrow.write_index(target, selection)
    optional = {
        "filtered": filtered,
        "subset": subsets,
        "fold": data.fold.model_dump() if data.fold is not None else {},
        "notes": [f"{name}: {note}" for name, s in stats.items() for note in s.describe_notes()],
        "imbalance": imbalance(split_summaries["train"]["label_counts"]),
    }
    return {
        "labels": encoder.names,
        "overlap": overlaps,
        "dropped_from_train": num_dropped,
        "splits": split_summaries,
        **{name: value for name, value in optional.items() if value},
        **summarize_texts(stats, selection, data),
    }


def write_split(
    source: SourceSplits,
    stats: Mapping[str, SplitStats],
    name: str,
    selected: SplitRows,
    schema: RowSchema,
    target: Path,
) -> dict[str, Any]:
    """Write one split of data/raw; return its entry in summary.json.

    Args:
        source: all splits of the source.
        stats: of each of them.
        name: of the split to write.
        selected: its rows.
        schema: of data/raw.
        target: folder of data/raw.
    """
    source_stats = stats[selected.source]
    is_labelled = bool(source_stats.num_labelled)
    features = make_features(schema)
    batches = encode_rows(source[selected.source](), selected, schema, is_labelled=is_labelled)
    count = arrow.write_split(target, name, features, batches)
    file = target / name / arrow.SHARD
    return {
        "rows": count,
        "columns": list(features),
        "labelled": is_labelled,
        "label_counts": count_written_labels(file, schema) if is_labelled else {},
        "duplicates": splits.count_duplicates(source_stats.keys[selected.rows]),
        "cut_from": selected.source if selected.source != name else None,
        "sha256": artifacts.sha256_file(file),
    }


def encode_rows(
    batches: Iterator[ColumnBatch], selected: SplitRows, schema: RowSchema, *, is_labelled: bool
) -> Iterator[ColumnBatch]:
    """Yield the selected rows as columns of data/raw.

    Args:
        batches: of the source's split.
        selected: rows to yield.
        schema: of data/raw.
        is_labelled: False: write every label as missing.
    """
    start = 0  # row number of the batch's first row
    for batch in batches:
        encoded = select_columns(batch, schema.task, schema.data, selected.source, start + 1)
        answers.place(encoded, schema.task, str)
        size = num_rows(encoded)
        first, last = np.searchsorted(selected.rows, (start, start + size))
        rows = selected.rows[first:last]
        if len(rows) < size:
            encoded = {name: [values[i] for i in rows - start] for name, values in encoded.items()}
        if schema.label_column is not None:
            values = encoded[schema.label_column] if is_labelled else [None] * len(rows)
            encoded[schema.label_column] = schema.encoder.encode(
                values, selected.source, rows.tolist()
            )
        for name in schema.data.extra_columns:
            encoded[name] = [
                None if v is None else label_values.label_name(v) for v in encoded[name]
            ]
        start += size
        yield encoded


def make_features(schema: RowSchema) -> "Features":
    """Return the columns of data/raw: inputs and extra columns, then the target."""
    from datasets import Features, Value

    features = {name: columns.feature(type_) for name, type_ in schema.task.inputs.items()}
    features |= {name: Value("string") for name in schema.data.extra_columns}
    if schema.task.target is not None:
        name, value_type = schema.task.target
        is_encoded = name == schema.label_column
        features[name] = schema.encoder.feature() if is_encoded else columns.feature(value_type)
    return Features(features)


def count_written_labels(file: Path, schema: RowSchema) -> dict[str, int]:
    """Count the labels in a split's Arrow file by name, in the order of their ids."""
    names = schema.encoder.names
    if not names or schema.label_column is None:
        return {}
    counts = np.zeros(len(names), dtype=np.int64)
    with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as reader:
        for batch in reader:
            column = batch.column(schema.label_column)
            ids = column.flatten() if pa.types.is_list(column.type) else column
            known = ids.drop_null().to_numpy()
            counts += np.bincount(known[known >= 0], minlength=len(names))
    return dict(zip(names, counts.tolist(), strict=True))


def imbalance(counts: Mapping[str, int]) -> float | None:
    """Return the ratio of the most frequent label to the rarest one that occurs."""
    occurring = [count for count in counts.values() if count]
    return round(max(occurring) / min(occurring), 2) if occurring else None


def summarize_texts(
    stats: Mapping[str, SplitStats], selection: Selection, data: DataParams
) -> dict[str, Any]:
    """Return the number of empty texts and the mean characters of a row.

    Counts the selected rows with `data.filter`, and all rows of the source without.
    """
    if data.filter is not None and any(s.row_lengths for s in stats.values()):
        totals = [stats[source].text_counts(rows) for source, rows in selection.values()]
        count = sum(len(rows) for _, rows in selection.values())
    else:
        totals = [(s.empty_texts, s.characters) for s in stats.values()]
        count = sum(s.num_rows for s in stats.values())
    empty_texts, characters = (sum(column) for column in zip(*totals, strict=True))
    return {"empty_texts": empty_texts, "mean_characters": round(characters / count, 1)}


def read_source(
    batches: Iterator[ColumnBatch], task: TaskParams, data: DataParams, split: str
) -> Iterator[ColumnBatch]:
    """Yield batches with `data.rename` applied and label columns of 0 and 1 joined to lists.

    Any split but train may lack the labels.
    """
    optional = task.label_columns if split != "train" else ()
    first_row = 1
    for batch in columns.rename_columns(batches, data.rename, split, optional):
        where = partial(_name_row, split, first_row)
        yield label_values.join_columns(batch, task, split, where)
        first_row += num_rows(batch)


def _name_row(split: str, first_row: int, i: int) -> str:
    return f"{split} row {first_row + i}"


def _read_all(source: SourceSplits, task: TaskParams, data: DataParams) -> SourceSplits:
    return {
        name: lambda name=name, read=read: read_source(read(), task, data, name)
        for name, read in source.items()
    }
