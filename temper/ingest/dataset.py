"""Splits of source columns → data/raw: the task's inputs, its target and extra columns.

The source is read once, into Arrow files beside data/raw, from which the selected rows are written.
No split's text is kept in memory.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from temper.core import arrow, artifacts
from temper.core.errors import InputError, alternatives
from temper.ingest import columns, label_encoder, overlap, row_selection, splits
from temper.ingest.columns import ColumnBatch
from temper.ingest.label_encoder import LabelEncoder
from temper.ingest.row_selection import Selection
from temper.ingest.split_stats import SplitStats, read_split
from temper.params.data import DataParams
from temper.params.task import Embeddings, TaskParams
from temper.tasks.base import arrays

if TYPE_CHECKING:
    from datasets import Dataset, Features

SourceSplits = Mapping[str, Iterable[ColumnBatch]]


def write(source: SourceSplits, task: TaskParams, data: DataParams, target: Path) -> dict[str, Any]:
    """Write data/raw; return its summary, without the description of the source.

    Raises:
        InputError: a mistake in the data, or options that it cannot satisfy.
    """
    if "train" not in source:
        raise InputError(f"there is no train split; the source has {', '.join(source)}")
    row_selection.check_split_names(source, data)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        stats, rows = {}, {}
        for name, batches in source.items():
            batches = rename_columns(batches, task, data, name)
            file = Path(folder) / f"{name}.arrow"
            stats[name], rows[name] = _read_to_file(batches, task, data, name, file)
        return _write_selected(stats, rows, task, data, target)


def _read_to_file(
    batches: Iterable[ColumnBatch], task: TaskParams, data: DataParams, split: str, file: Path
) -> "tuple[SplitStats, Dataset]":
    """Write a split's rows to an Arrow file, with label names as they are."""
    from datasets import Dataset

    schema = column_types(task, data, None).arrow_schema
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:

        def write_batch(batch: ColumnBatch) -> None:
            writer.write_table(pa.table(batch, schema=schema))

        stats = read_split(batches, task, data, split, write_batch)
    return stats, Dataset.from_file(str(file))


def _select(
    stats: Mapping[str, SplitStats], task: TaskParams, data: DataParams
) -> tuple[Selection, LabelEncoder | None, dict[str, Any]]:
    """Apply the options; return the rows of each split, their labels, and entries of summary.json.

    Raises:
        InputError: the options cannot be satisfied.
    """
    if task.target is not None and not stats["train"].num_labelled:
        raise InputError(f"train, column {', '.join(task.label_columns)!r}: {task.no_label[1]}")
    selection, filtered = row_selection.select_rows(stats, task, data)
    label_counts = row_selection.label_counts(stats, selection, data)
    encoder = label_encoder.build_encoder(task, label_counts)
    label_encoder.check_rows(
        task, label_counts, labels_are_filtered=row_selection.filters_labels(data)
    )
    num_train = len(selection["train"].rows)
    selection, overlaps = overlap.resolve_overlap(stats, selection, data.overlap)
    num_dropped = num_train - len(selection["train"].rows)
    selection, subsets = row_selection.draw_subsets(stats, selection, data)
    records = np.concatenate([stats[source].records[rows] for source, rows in selection.values()])
    notes = [f"{name}: {note}" for name, s in stats.items() for note in s.describe_notes()]
    optional = {
        "filtered": filtered,
        "subset": subsets,
        "fold": data.fold.model_dump() if data.fold is not None else {},
        "notes": notes + label_encoder.look_alikes(encoder.names if encoder else ()),
    }
    report = {
        "labels": encoder.names if encoder else None,
        "overlap": overlaps,
        "dropped_from_train": num_dropped,
        "empty_texts": int(records["empty_texts"].sum()),
        "mean_characters": round(float(records["characters"].mean()), 1),
        **{name: value for name, value in optional.items() if value},
    }
    return selection, encoder, report


def _write_selected(
    stats: Mapping[str, SplitStats],
    rows: "Mapping[str, Dataset]",
    task: TaskParams,
    data: DataParams,
    target: Path,
) -> dict[str, Any]:
    """Write the rows that the options select from all splits; return the summary."""
    selection, encoder, report = _select(stats, task, data)
    types, summaries = column_types(task, data, encoder), {}
    for name, selected in selection.items():
        is_labelled = bool(stats[selected.source].num_labelled)
        chosen = rows[selected.source].select(selected.rows)
        sizes = arrow.row_bytes(rows[selected.source].data.table)[selected.rows]
        batches = _encode(chosen, sizes, task, encoder, is_labelled=is_labelled)
        count = arrow.write_split(target, name, types, batches)
        keys = _text_keys(chosen, task, stats[selected.source].records["key"][selected.rows])
        file = target / name / arrow.SHARD
        summaries[name] = {
            "rows": count,
            "columns": list(types),
            "labelled": is_labelled,
            "label_counts": _count_labels(file, task, encoder) if is_labelled else {},
            "duplicates": count - len(np.unique(keys)),
            "cut_from": selected.source if selected.source != name else None,
            "sha256": artifacts.sha256_file(file),
        }
    arrow.write_index(target, selection)
    if counts := [count for count in summaries["train"]["label_counts"].values() if count]:
        report["imbalance"] = round(max(counts) / min(counts), 2)
    return report | {"splits": summaries}


def column_types(task: TaskParams, data: DataParams, encoder: LabelEncoder | None) -> "Features":
    """Return the columns of data/raw: inputs and extra columns, then the target.

    Without an encoder, labels are names.
    """
    from datasets import Features, List, Value

    types = {name: columns.column_type(value_type) for name, value_type in task.inputs.items()}
    types |= {name: Value("string") for name in data.extra_columns}
    if task.target is not None:
        name, value_type = task.target
        types[name] = encoder.column_type() if encoder else columns.column_type(value_type)
    if task.has_label_probabilities:
        types[arrays.LABEL_PROBABILITIES] = List(Value("float32"))
    return Features(types)


def _encode(
    rows: "Dataset",
    sizes: np.ndarray,
    task: TaskParams,
    encoder: LabelEncoder | None,
    *,
    is_labelled: bool,
) -> Iterator[dict[str, Any]]:
    """Yield rows as columns of data/raw; without labels, the missing label in each.

    Args:
        sizes: bytes of each row.
    """
    for span in arrow.spans(sizes):
        table: Any = rows.with_format("arrow")[span.start : span.stop]
        batch = dict(zip(table.column_names, table.columns, strict=True))
        if task.target is not None and encoder is not None:
            names = batch[task.target[0]].to_pylist() if is_labelled else [None] * len(table)
            batch[task.target[0]] = encoder.encode(names)
        yield batch


def _text_keys(rows: "Dataset", task: TaskParams, keys: np.ndarray) -> np.ndarray:
    """Return the rows' keys, of embeddings those of all texts: an anchor may have several."""
    if not isinstance(task, Embeddings):
        return keys
    batches: Any = rows.select_columns(list(task.text_columns)).iter(arrow.ROWS_PER_BATCH)
    found = (
        splits.text_key([batch[name][i] or "" for name in task.text_columns])
        for batch in batches
        for i in range(columns.num_rows(batch))
    )
    return np.fromiter(found, keys.dtype, len(rows))


def _count_labels(file: Path, task: TaskParams, encoder: LabelEncoder | None) -> dict[str, int]:
    """Count the labels in a split's Arrow file by name, in the order of their ids."""
    if task.target is None or encoder is None:
        return {}
    import pyarrow.compute as pc

    with pa.memory_map(str(file)) as mapped:
        ids = pa.ipc.open_stream(mapped).read_all()[task.target[0]]
        if encoder.value_type != "class":
            ids = pc.call_function("list_flatten", [ids])
        known = ids.drop_null().to_numpy()
        counts = np.bincount(known[known >= 0], minlength=len(encoder.names))
    return dict(zip(encoder.names, counts.tolist(), strict=True))


def rename_columns(
    batches: Iterable[ColumnBatch], task: TaskParams, data: DataParams, split: str
) -> Iterator[ColumnBatch]:
    """Yield batches with `data.rename` applied; any split but train may lack the labels.

    Raises:
        InputError: the first batch lacks a column, or a new name is taken.
    """
    names, optional = data.rename or {}, task.label_columns if split != "train" else ()
    for i, batch in enumerate(batches):
        for old, new in names.items():
            if i == 0 and batch and old not in batch and new not in optional:
                raise InputError(
                    f"data.rename: {split} has no column {old!r}{alternatives(old, batch)}"
                )
            if old in batch and new in batch and new not in names:
                raise InputError(
                    f"data.rename: {split} already has a column {new!r}; give {old!r} another name"
                )
        yield {names.get(column, column): values for column, values in batch.items()}
