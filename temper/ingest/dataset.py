"""Splits of raw columns → data/raw: the task's inputs, its target, the columns to carry along.

Two passes over the source: the first counts labels and keys, the second writes; no split is held in
memory as text.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.ingest import columns, labels, row_selection, splits
from temper.ingest.readers import ColumnBatch
from temper.ingest.split_stats import SplitStats, scan_split, select
from temper.params.data import DataParams
from temper.params.task import TaskParams

SourceSplits = dict[
    str, Callable[[], Iterator[ColumnBatch]]
]  # split → a fresh pass over its batches


def write(source: SourceSplits, task: TaskParams, data: DataParams, target: Path) -> dict[str, Any]:
    """Write data/raw from a source; return its summary, without where it came from.

    Raises:
        InputError: what the data lacks or has too much of.
    """
    if "train" not in source:
        raise InputError(f"there is no train split; the source has {', '.join(source)}")
    row_selection.check_split_names(source, data)
    source = _fresh(source, task, data)
    stats = {name: scan_split(batches(), task, data, name) for name, batches in source.items()}
    if task.target is not None and not stats["train"].labelled:
        raise InputError(
            f"train has no labels in column {task.target[0]!r}; all are missing, null or -1"
        )
    rows, filtered = row_selection.select_rows(stats, task, data)
    encoder = labels.build_encoder(task, row_selection.label_counts(stats, rows, data))
    common, drop = row_selection.resolve_overlap(stats, rows, data.overlap)
    rows["train"] = ("train", np.delete(rows["train"][1], drop))
    rows, subsets = row_selection.draw_subsets(stats, rows, data)
    summary: dict[str, Any] = {"labels": encoder.names, "overlap": common}
    summary["dropped_from_train"] = len(drop)
    summary["splits"] = {
        name: write_split(source, stats, rows, task, data, encoder, name, target) for name in rows
    }
    arrow.write_index(target, rows)
    options: dict[str, Any] = {"filtered": filtered, "subset": subsets}
    options["fold"] = data.fold.model_dump() if data.fold is not None else {}
    options["imbalance"] = imbalance(summary["splits"]["train"]["label_counts"])
    summary |= {name: found for name, found in options.items() if found}
    return summary | text_facts(stats, rows, data)


def write_split(
    source: SourceSplits,
    stats: dict[str, SplitStats],
    rows: row_selection.Selection,
    task: TaskParams,
    data: DataParams,
    encoder: labels.LabelEncoder,
    name: str,
    target: Path,
) -> dict[str, Any]:
    """Write the chosen rows of a split; return what summary.json says of it."""
    origin, chosen = rows[name]
    counter: Counter[str] = Counter()
    labelled = bool(stats[origin].labelled)
    chosen_rows = chosen if len(chosen) < stats[origin].rows else None
    rows_in = source[origin](), task, data, encoder, origin, chosen_rows, counter, labelled
    features = make_features(task, data, encoder)
    count = arrow.write_split(target, name, features, encoded(*rows_in))
    return {
        "rows": count,
        "columns": list(features),
        "labelled": labelled,
        "label_counts": {k: counter[k] for k in encoder.names or [] if labelled},
        "duplicates": splits.count_duplicates(stats[origin].keys[chosen]),
        "cut_from": origin if origin != name else None,
        "sha256": artifacts.sha256_file(target / name / arrow.SHARD),
    }


def imbalance(counts: dict[str, int]) -> float | None:
    """Return how many times more frequent the most frequent label is than the rarest there is."""
    found = [count for count in counts.values() if count]
    return round(max(found) / min(found), 2) if found else None


def text_facts(
    stats: dict[str, SplitStats], rows: row_selection.Selection, data: DataParams
) -> dict[str, Any]:
    """Return the number of empty texts and the mean length of a row, of filtered rows if any."""
    empty = sum(found.empty_texts for found in stats.values())
    characters = sum(found.characters for found in stats.values())
    count = sum(found.rows for found in stats.values())
    if data.filter is not None and any(found.row_lengths for found in stats.values()):
        count = sum(len(chosen) for _, chosen in rows.values())
        totals = [stats[origin].texts(chosen) for origin, chosen in rows.values()]
        empty, characters = (sum(column) for column in zip(*totals, strict=True))
    return {"empty_texts": empty, "mean_characters": round(characters / count, 1)}


def rename_columns(
    batches: Iterator[ColumnBatch], task: TaskParams, data: DataParams, split: str
) -> Iterator[ColumnBatch]:
    """Yield a split's batches with their columns renamed; any but train may lack the target."""
    optional = task.target[0] if task.target and split != "train" else None
    return columns.rename_columns(batches, data.rename, split, optional)


def _fresh(source: SourceSplits, task: TaskParams, data: DataParams) -> SourceSplits:
    """Return the source with its columns renamed."""
    return {
        name: lambda name=name, read=read: rename_columns(read(), task, data, name)
        for name, read in source.items()
    }


def encoded(
    batches: Iterator[ColumnBatch],
    task: TaskParams,
    data: DataParams,
    encoder: labels.LabelEncoder,
    split: str,
    chosen: np.ndarray | None,
    counter: Counter[str],
    labelled: bool,
) -> Iterator[dict[str, list]]:
    """Yield the chosen rows with their labels encoded; count the labels."""
    start, (name, kind), names = 0, task.target or ("", ""), encoder.names or []
    for batch in batches:
        found = select(batch, task, data, split, start + 1)
        size = len(next(iter(found.values())))
        inside = np.arange(size)
        if chosen is not None:
            first, last = np.searchsorted(chosen, (start, start + size))
            inside = chosen[first:last] - start
            found = {name: [values[i] for i in inside] for name, values in found.items()}
        if name and kind not in columns.CONVERT:
            given = found[name] if labelled else [None] * len(found[name])
            found[name] = encoder.encode(given, split, (inside + start).tolist())
            for value in found[name] if names else ():
                ids = value if isinstance(value, list) else [value]
                counter.update(names[i] for i in ids if i is not None and i >= 0)
        for extra in data.extra_columns:
            found[extra] = [None if v is None else labels.label_name(v) for v in found[extra]]
        start += size
        yield found


def make_features(task: TaskParams, data: DataParams, encoder: labels.LabelEncoder) -> Any:
    """Return the columns of data/raw: inputs and carried columns, then the target."""
    from datasets import Features, Value

    found = {name: columns.feature(kind) for name, kind in task.inputs.items()}
    found |= {name: Value("string") for name in data.extra_columns}
    if task.target is not None:
        name, kind = task.target
        found[name] = columns.feature(kind) if kind in columns.CONVERT else encoder.feature()
    return Features(found)
