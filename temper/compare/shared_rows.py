"""Predictions of several models → the same rows in the same order, or an error that says why not.

Rows are the same where their inputs and labels are. One sha256 of data/raw says so for all of them;
where it differs (another order, other carried columns) rows are matched one by one.
"""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temper.compare.compared_models import METRICS, ComparedModel
from temper.compare.row_scores import Row
from temper.core.arrow import SHARD
from temper.core.errors import InputError
from temper.evaluation import tables

SHOWN = 80  # characters of a row that an error shows
Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A split's rows by model, in the order of the first one's, and how that was found."""

    split: str
    rows: list[list[Row]]
    moved: list[str]  # names of models whose rows stand in another order


def load(
    compared_models: Sequence[ComparedModel], scores: Sequence[dict[str, Any]], split: str | None
) -> Rows:
    """Return the rows of a split that all were scored on.

    Args:
        entries: two or more.
        scores: metrics.json of each.
        split: None takes test, or validation where one has no test labels.

    Raises:
        InputError: a split was not scored, or its rows are not the same.
    """
    chosen = split or ("test" if all("test" in one for one in scores) else "validation")
    for model, one in zip(compared_models, scores, strict=True):
        if chosen not in one:
            raise InputError(
                f"{model.name}: {METRICS} has no scores of {chosen}, for it has no labels there; "
                "--split test or --split validation chooses another"
            )
    found = [read(model, chosen) for model in compared_models]
    digests = [digest(model, chosen) for model in compared_models]
    moved = []
    for i in range(1, len(compared_models)):
        if digests[i] is None or digests[i] != digests[0]:
            order = matched(compared_models[0], compared_models[i], found[0], found[i], chosen)
            if order != list(range(len(order))):
                moved.append(compared_models[i].name)
            found[i] = [found[i][j] for j in order]
        check_references(compared_models[0], compared_models[i], found[0], found[i], chosen)
    return Rows(split=chosen, rows=found, moved=moved)


def read(model: ComparedModel, split: str) -> list[Row]:
    """Return the rows of a predictions file, line ends inside of texts as they are."""
    text = model.read(f"data/evaluation/predictions/{split}.csv").decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def digest(model: ComparedModel, split: str) -> str | None:
    """Return the sha256 of a split's rows in data/raw, where it is known."""
    try:
        facts = json.loads(model.read("data/raw/summary.json"))
    except InputError:
        return None
    return facts["splits"][split].get("sha256")


def matched(
    first: ComparedModel, other: ComparedModel, ours: list[Row], theirs: list[Row], split: str
) -> list[int]:
    """Return for each row of the first model the number of the other's that is the same.

    Raises:
        InputError: one has a row that the other lacks, or that cannot be told.
    """
    keys = [keys_of(model, rows, split) for model, rows in ((first, ours), (other, theirs))]
    missing, more = (Counter(keys[a]) - Counter(keys[b]) for a, b in ((0, 1), (1, 0)))
    if missing or more:
        raise InputError(different(first.name, other.name, missing, more, split))
    places: dict[Key, list[int]] = defaultdict(list)
    for i, key in enumerate(keys[1]):
        places[key].append(i)
    taken: Counter[Key] = Counter()
    order = []
    for key in keys[0]:
        order.append(places[key][taken[key]])
        taken[key] += 1
    return order


def keys_of(model: ComparedModel, rows: Sequence[Row], split: str) -> list[Key]:
    """Return what makes each row the one it is: its inputs, by their place, and its label."""
    columns = raw(model, split)
    if columns is None:
        raise InputError(
            f"{model.name}: whether its {split} rows are the others' cannot be told, for data/raw "
            "is neither in DVC's cache nor in a remote; dvc fetch --all-commits, or make it again"
        )
    values = (map(frozen, columns[name].to_pylist()) for name in model.one.parameters.task.inputs)
    return [(*key, row["reference"]) for *key, row in zip(*values, rows, strict=True)]


def frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def raw(model: ComparedModel, split: str) -> Any | None:
    """Return the Arrow table of a split in data/raw; None where DVC has it nowhere."""
    import pyarrow as pa

    try:
        content = model.read(f"data/raw/{split}/{SHARD}")
    except InputError:
        return None
    return pa.ipc.open_stream(content).read_all()


def different(first: str, other: str, missing: Counter[Key], more: Counter[Key], split: str) -> str:
    """Say in what the rows of two models differ."""
    relabelled = Counter(k[:-1] for k in missing) & Counter(k[:-1] for k in more)
    lines = [f"{first} and {other} were not scored on the same {split} rows, so they cannot be "
             "compared:"]  # fmt: skip
    if relabelled:
        lines.append(f"  {relabelled.total()} rows have the same inputs and another label")
    for name, rows in ((first, missing), (other, more)):
        if rows:
            parts = ("(image)" if isinstance(v, bytes) else str(v) for v in next(iter(rows)))
            example = " | ".join(parts)[:SHOWN]
            lines.append(f"  {rows.total()} rows only {name} has, the first: {example}")
    lines.append(
        f"score both on one set: give both the same {split} data (data.files, data.split.seed, "
        "data.fold, data.filter) and run them again"
    )
    return "\n".join(lines)


def check_references(
    first: ComparedModel, other: ComparedModel, ours: list[Row], theirs: list[Row], split: str
) -> None:
    """Refuse predictions files whose labels differ, whatever data/raw says.

    Raises:
        InputError: another number of rows, or another label in one.
    """
    wanted, found = ([row["reference"] for row in rows] for rows in (ours, theirs))
    if len(wanted) != len(found):
        raise InputError(
            f"{first.name} and {other.name} were not scored on the same {split} rows, so they "
            f"cannot be compared: {len(wanted)} and {len(found)} rows"
        )
    apart = [i for i, pair in enumerate(zip(wanted, found, strict=True)) if pair[0] != pair[1]]
    if apart:
        i = apart[0]
        raise InputError(
            f"{first.name} and {other.name} were not scored on the same {split} rows, so they "
            f"cannot be compared: {len(apart)} labels differ, the first in row {ours[i]['row']}: "
            f"{wanted[i]!r} and {found[i]!r}"
        )


def texts(model: ComparedModel, split: str, chosen: Sequence[int]) -> list[dict[str, str]]:
    """Return what people see of some rows' inputs; images as data URLs; {} where DVC lacks them."""
    import pyarrow as pa

    columns = raw(model, split)
    if columns is None:
        return [{} for _ in chosen]
    part = columns.take(pa.array(chosen, pa.int64()))
    shown = {"image": tables.thumbnail, "texts": " ".join, "text": str}
    found = {
        name: [shown[kind](value) for value in part[name].to_pylist()]
        for name, kind in model.one.parameters.task.inputs.items()
    }
    return [{name: values[i] for name, values in found.items()} for i in range(len(chosen))]
