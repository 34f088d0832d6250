"""Align the predictions of several models row by row, or say why that is impossible.

Rows are the same where their inputs and labels are. Equal sha256 of a split in data/raw prove it;
otherwise (another order, other extra columns) the rows are matched one by one.
"""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temper.compare.compared_models import METRICS, ComparedModel
from temper.compare.row_scores import Row
from temper.core.arrow import SHARD
from temper.core.errors import InputError
from temper.evaluation import tables

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CHARACTERS = 80  # of a row in an error
Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class SharedRows:
    """The rows of a split by model, all in the order of the first model's."""

    split: str
    rows: list[list[Row]]
    reordered: list[str]  # names of the models whose files have another order


def load(
    models: Sequence[ComparedModel], scores: Sequence[dict[str, Any]], split: str | None
) -> SharedRows:
    """Load and align the rows of a split that all models were scored on.

    Args:
        models: two or more.
        scores: metrics.json of each.
        split: None takes test, or validation where a model has no test labels.

    Raises:
        InputError: the split was not scored, or its rows are not the same.
    """
    if split is None:
        split = "test" if all("test" in by_split for by_split in scores) else "validation"
    for model, by_split in zip(models, scores, strict=True):
        if split not in by_split:
            raise InputError(
                f"{model.name}: {METRICS} has no scores of {split}, which has no labels; "
                "--split test or --split validation selects another"
            )
    rows = [read(model, split) for model in models]
    digests = [digest(model, split) for model in models]
    reordered = []
    for i in range(1, len(models)):
        if digests[i] is None or digests[i] != digests[0]:
            order = match_rows(models[0], models[i], rows[0], rows[i], split)
            if order != list(range(len(order))):
                reordered.append(models[i].name)
            rows[i] = [rows[i][j] for j in order]
        check_references(models[0], models[i], rows[0], rows[i], split)
    return SharedRows(split=split, rows=rows, reordered=reordered)


def read(model: ComparedModel, split: str) -> list[Row]:
    """Read a predictions file, keeping line breaks inside texts."""
    text = model.read(f"data/evaluation/predictions/{split}.csv").decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def digest(model: ComparedModel, split: str) -> str | None:
    """Return the sha256 of a split in data/raw; None where it is unknown."""
    try:
        summary = json.loads(model.read("data/raw/summary.json"))
    except InputError:
        return None
    return summary["splits"][split].get("sha256")


def match_rows(
    first: ComparedModel,
    second: ComparedModel,
    first_rows: list[Row],
    second_rows: list[Row],
    split: str,
) -> list[int]:
    """Return for each row of the first model the index of the same row of the second.

    Raises:
        InputError: one has a row that the other lacks, or data/raw is missing.
    """
    first_keys, second_keys = (
        row_keys(first, first_rows, split),
        row_keys(second, second_rows, split),
    )
    only_first = Counter(first_keys) - Counter(second_keys)
    only_second = Counter(second_keys) - Counter(first_keys)
    if only_first or only_second:
        raise InputError(describe_mismatch(first.name, second.name, only_first, only_second, split))
    indices: dict[Key, list[int]] = defaultdict(list)
    for i, key in enumerate(second_keys):
        indices[key].append(i)
    num_used: Counter[Key] = Counter()
    order = []
    for key in first_keys:
        order.append(indices[key][num_used[key]])
        num_used[key] += 1
    return order


def row_keys(model: ComparedModel, rows: Sequence[Row], split: str) -> list[Key]:
    """Return what identifies each row: its inputs, in the order of the task's, and its label."""
    columns = read_raw(model, split)
    if columns is None:
        raise InputError(
            f"{model.name}: its {split} rows cannot be matched with the others', since data/raw "
            "is neither in DVC's cache nor in a remote; dvc fetch --all-commits, or rerun it"
        )
    values = (
        map(hashable, columns[name].to_pylist()) for name in model.experiment.parameters.task.inputs
    )
    return [(*key, row["reference"]) for *key, row in zip(*values, rows, strict=True)]


def hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def read_raw(model: ComparedModel, split: str) -> "pa.Table | None":
    """Read the Arrow table of a split in data/raw; None where DVC does not have it."""
    import pyarrow as pa

    try:
        content = model.read(f"data/raw/{split}/{SHARD}")
    except InputError:
        return None
    return pa.ipc.open_stream(content).read_all()


def describe_mismatch(
    first: str, second: str, only_first: Counter[Key], only_second: Counter[Key], split: str
) -> str:
    """Describe how the rows of two models differ."""
    relabelled = Counter(k[:-1] for k in only_first) & Counter(k[:-1] for k in only_second)
    lines = [f"{first} and {second} were not scored on the same {split} rows, so they cannot be "
             "compared:"]  # fmt: skip
    if relabelled:
        lines.append(f"  {relabelled.total()} rows have the same inputs and another label")
    for name, rows in ((first, only_first), (second, only_second)):
        if rows:
            parts = ("(image)" if isinstance(v, bytes) else str(v) for v in next(iter(rows)))
            example = " | ".join(parts)[:MAX_CHARACTERS]
            lines.append(f"  {rows.total()} rows are only in {name}, the first: {example}")
    lines.append(
        f"score both on the same data: give both the same {split} split (data.files, "
        "data.split.seed, data.fold, data.filter) and rerun them"
    )
    return "\n".join(lines)


def check_references(
    first: ComparedModel,
    second: ComparedModel,
    first_rows: list[Row],
    second_rows: list[Row],
    split: str,
) -> None:
    """Refuse predictions files whose labels differ, even where data/raw agrees.

    Raises:
        InputError: the number of rows or a label differs.
    """
    refusal = (
        f"{first.name} and {second.name} were not scored on the same {split} rows, so they cannot "
        "be compared"
    )
    labels = [[row["reference"] for row in rows] for rows in (first_rows, second_rows)]
    if len(labels[0]) != len(labels[1]):
        raise InputError(f"{refusal}: {len(labels[0])} and {len(labels[1])} rows")
    differing = [i for i, (a, b) in enumerate(zip(*labels, strict=True)) if a != b]
    if differing:
        i = differing[0]
        raise InputError(
            f"{refusal}: {len(differing)} labels differ, the first in row {first_rows[i]['row']}: "
            f"{labels[0][i]!r} and {labels[1][i]!r}"
        )


def input_texts(model: ComparedModel, split: str, indices: Sequence[int]) -> list[dict[str, str]]:
    """Return the inputs of some rows as text, images as data URLs; {} where DVC lacks them."""
    import pyarrow as pa

    columns = read_raw(model, split)
    if columns is None:
        return [{} for _ in indices]
    part = columns.take(pa.array(indices, pa.int64()))
    texts = {
        name: [tables.input_text(value, input_kind) for value in part[name].to_pylist()]
        for name, input_kind in model.experiment.parameters.task.inputs.items()
    }
    return [{name: values[i] for name, values in texts.items()} for i in range(len(indices))]
