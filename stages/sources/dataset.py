"""Splits of raw columns → data/raw: the task's inputs, its target, the columns to carry along.

Two passes over the source: the first counts labels and keys, the second writes; no split is held in
memory as text.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages import arrow, outputs
from stages.errors import InputError
from stages.groups import DataParams
from stages.sources import columns, labels, splits
from stages.sources.readers import Columns
from stages.task_params import TaskParams

Source = dict[str, Callable[[], Iterator[Columns]]]  # split → a fresh pass over its batches


@dataclass
class Facts:
    """What the first pass learns about a split."""

    counts: Counter[str] = field(default_factory=Counter)
    keys: list[bytes] = field(default_factory=list)
    row_labels: list[str] = field(default_factory=list)
    labelled: int = 0
    empty_texts: int = 0
    characters: int = 0

    @property
    def rows(self) -> int:
        return len(self.keys)


def select(
    found: Columns, task: TaskParams, data: DataParams, split: str, first_row: int
) -> Columns:
    """Return the columns that are asked for; a split may lack the target.

    Raises:
        InputError: an input or carried column is missing, or a value is of another kind.
    """
    size = len(next(iter(found.values()), []))

    def converted(name: str, kind: str, values: list) -> list:
        def where(i: int) -> str:
            return f"{split} row {first_row + i}, column {name!r}"

        return columns.convert(values, kind, where)

    chosen = {}
    for name, kind in task.inputs.items():
        chosen[name] = converted(name, kind, columns.get(found, name, split))
    if task.target is not None:
        name, kind = task.target
        values = columns.lookup(found, name) or [None] * size
        if kind in columns.CONVERT:
            missing = [value is None for value in values]
            values = [
                None if none else value
                for none, value in zip(missing, converted(name, kind, values), strict=True)
            ]
        chosen[name] = values
    return chosen | {name: columns.get(found, name, split) for name in data.columns}


def survey(batches: Iterator[Columns], task: TaskParams, data: DataParams, split: str) -> Facts:
    """Read a split once and count.

    Raises:
        InputError: the split is empty, or some of its labels are missing and others are not.
    """
    facts, missing_row = Facts(), 0
    name, kind = task.target or ("", "")
    for batch in batches:
        chosen = select(batch, task, data, split, facts.rows + 1)
        rows = list(zip(*(chosen[name] for name in task.inputs), strict=True))
        values = chosen[name] if name else [""] * len(rows)
        missing = [_is_missing(value, kind) for value in values]
        if any(missing) and not missing_row:
            missing_row = facts.rows + missing.index(True) + 1
        if kind == "tags":
            check_tags(rows, values, f"{split} row {{}}, column {name!r}", facts.rows + 1)
        facts.labelled += len(values) - sum(missing)
        facts.counts.update(labels.survey(values, task))
        facts.row_labels += [labels.as_text(v) if kind == "class" else "" for v in values]
        keys = [[columns.key_of(value) for value in row] for row in rows]
        if "image" not in task.inputs.values():
            facts.empty_texts += sum(not text.strip() for row in keys for text in row)
            facts.characters += sum(len(text) for row in keys for text in row)
        facts.keys += [splits.row_key(row) for row in keys]
    if not facts.rows:
        raise InputError(f"{split} has no rows")
    if kind == "classes" and not facts.counts:
        facts.labelled = 0
    if facts.labelled and missing_row:
        raise InputError(
            f"{split} row {missing_row}, column {name!r}: no label, but {facts.labelled} "
            "other rows have one; fill it in or drop the row (a split without any label is "
            "predicted and never scored)"
        )
    return facts


def check_tags(rows: list[tuple], values: list, where: str, first_row: int) -> None:
    """Refuse a row with other numbers of words and tags."""
    for i, ((words, *_), tags) in enumerate(zip(rows, values, strict=True)):
        tags = tags if tags is None else labels.parts(tags)
        if tags is not None and len(words) != len(tags):
            raise InputError(
                f"{where.format(first_row + i)}: {len(tags)} tags for {len(words)} words"
            )


def write(source: Source, task: TaskParams, data: DataParams, target: Path) -> dict[str, Any]:
    """Write data/raw from a source; return its summary, without where it came from.

    Raises:
        InputError: what the data lacks or has too much of.
    """
    facts = {name: survey(batches(), task, data, name) for name, batches in source.items()}
    if "train" not in facts:
        raise InputError(f"there is no train split; the source has {', '.join(facts)}")
    if task.target is not None and not facts["train"].labelled:
        raise InputError(
            f"train has no labels in column {task.target[0]!r}; all are missing, null or -1"
        )
    encoder = labels.make_encoder(task, {name: found.counts for name, found in facts.items()})
    rows = choose_rows(facts, data)
    keys = {
        name: [facts[origin].keys[i] for i in chosen] for name, (origin, chosen) in rows.items()
    }
    common = splits.overlap(keys)
    drop = settle_overlap(keys, common, data.overlap)
    rows["train"] = ("train", np.delete(rows["train"][1], drop))
    summary: dict[str, Any] = {"labels": encoder.names, "splits": {}, "overlap": common}
    summary["dropped_from_train"] = len(drop)
    for name, (origin, chosen) in rows.items():
        chosen_rows = chosen if len(chosen) < facts[origin].rows else None
        counter: Counter[str] = Counter()
        labelled = bool(facts[origin].labelled)
        rows_in = source[origin](), task, data, encoder, origin, chosen_rows, counter, labelled
        batches = encoded(*rows_in)
        features = make_features(task, data, encoder)
        count = arrow.write_split(target, name, features, batches)
        summary["splits"][name] = {
            "rows": count,
            "columns": list(features),
            "labelled": bool(facts[origin].labelled),
            "label_counts": {k: counter[k] for k in encoder.names or [] if facts[origin].labelled},
            "duplicates": splits.duplicates([facts[origin].keys[i] for i in chosen]),
            "cut_from": origin if origin != name else None,
            "sha256": outputs.sha256_file(target / name / arrow.SHARD),
        }
    arrow.write_index(target, rows)
    summary["empty_texts"] = sum(found.empty_texts for found in facts.values())
    summary["mean_characters"] = round(
        sum(f.characters for f in facts.values()) / sum(f.rows for f in facts.values()), 1
    )
    return summary


def choose_rows(facts: dict[str, Facts], data: DataParams) -> dict[str, tuple[str, np.ndarray]]:
    """Return each split's origin and row numbers; missing ones come from train."""
    rows = {name: (name, np.arange(found.rows)) for name, found in facts.items()}
    missing = [name for name in ("validation", "test") if name not in facts]
    if missing:
        strata = np.unique(np.array(facts["train"].row_labels), return_inverse=True)[1]
        cut = splits.assign(strata, data.split, missing)
        rows |= {name: ("train", chosen) for name, chosen in cut.items()}
    return rows


def settle_overlap(keys: dict[str, list[bytes]], common: dict[str, int], rule: str) -> np.ndarray:
    """Return the positions in train to drop.

    Raises:
        InputError: the rule is `error` and a row stands in two splits.
    """
    if rule == "error" and any(common.values()):
        found = ", ".join(f"{n} rows of {pair}" for pair, n in common.items() if n)
        raise InputError(
            f"{found}; data.overlap is error: remove them, or set drop_from_train or report"
        )
    if rule != "drop_from_train":
        return np.array([], dtype=int)
    held_out = {key for name, found in keys.items() if name != "train" for key in found}
    return np.flatnonzero([key in held_out for key in keys["train"]])


def encoded(
    batches: Iterator[Columns],
    task: TaskParams,
    data: DataParams,
    encoder: labels.Encoder,
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
        if chosen is not None:
            inside = chosen[(chosen >= start) & (chosen < start + size)] - start
            found = {name: [values[i] for i in inside] for name, values in found.items()}
        if name and kind not in columns.CONVERT:
            given = found[name] if labelled else [None] * len(found[name])
            found[name] = encoder.encode(given, split, start + 1)
            for value in found[name] if names else ():
                ids = value if isinstance(value, list) else [value]
                counter.update(names[i] for i in ids if i is not None and i >= 0)
        for extra in data.columns:
            found[extra] = [None if v is None else labels.as_text(v) for v in found[extra]]
        start += size
        yield found


def make_features(task: TaskParams, data: DataParams, encoder: labels.Encoder) -> Any:
    """Return the columns of data/raw: inputs and carried columns, then the target."""
    from datasets import Features, Value

    found = {name: columns.feature(kind) for name, kind in task.inputs.items()}
    found |= {name: Value("string") for name in data.columns}
    if task.target is not None:
        name, kind = task.target
        found[name] = columns.feature(kind) if kind in columns.CONVERT else encoder.feature()
    return Features(found)


def _is_missing(value: Any, kind: str) -> bool:
    if kind == "number" and value in (-1, "-1"):
        return False  # a number like any other
    if kind not in ("class", "number"):
        return value is None  # an empty list or string says that no label applies
    return labels.is_missing(value)
