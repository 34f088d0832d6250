"""Align the predictions of several models row by row, or say why that is impossible.

Rows are the same where their inputs and labels are. Equal sha256 of a split in data/raw prove it;
otherwise (another order, other extra columns) the rows are matched one by one.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from temper.compare import row_scores
from temper.compare.experiments import METRICS, Experiment
from temper.compare.row_scores import Row, RowScores
from temper.core.arrow import SHARD
from temper.core.errors import InputError
from temper.evaluation import tables

if TYPE_CHECKING:
    import pyarrow as pa

PREDICTIONS = "data/evaluation/predictions/{}.csv"
MAX_CHARACTERS = 80  # of a row in an error
Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """A model's scores and predictions of a split, in the order of the first model's rows."""

    experiment: Experiment
    split: str
    scores: dict[str, float]  # of metrics.json, with `_low` and `_high`
    rows: list[Row]
    labels: list[str]  # of all models; `positive` is the first model's
    positive: str | None
    is_reordered: bool = False  # its file has the rows in another order

    @property
    def name(self) -> str:
        return self.experiment.name

    @cached_property
    def scored(self) -> RowScores:
        """The statistics of each row.

        Raises:
            InputError: the predictions file has another format than this version writes.
        """
        module = self.experiment.parameters.task.metrics
        try:
            return row_scores.from_rows(module, self.rows, self.labels, self.positive)
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{self.name}: {PREDICTIONS.format(self.split)} has another format than this "
                f"version writes for {module}: {error!r}; run evaluate again"
            ) from None


def load(experiments: Sequence[Experiment], split: str | None) -> list[EvaluatedModel]:
    """Load and align the rows of a split that all models were scored on.

    Args:
        experiments: two or more of one task.
        split: None takes test, or validation where a model has no test labels.

    Raises:
        InputError: the split was not scored, or its rows are not the same.
    """
    scores = [experiment.read_json(METRICS) for experiment in experiments]
    split = split or ("test" if all("test" in by_split for by_split in scores) else "validation")
    for experiment, by_split in zip(experiments, scores, strict=True):
        if split not in by_split:
            raise InputError(
                f"{experiment.name}: {METRICS} has no scores of {split}, which has no labels; "
                "--split test or --split validation selects another"
            )
    files = [experiment.read_csv(PREDICTIONS.format(split)) for experiment in experiments]
    models = [
        EvaluatedModel(
            experiment=experiment,
            split=split,
            scores=by_split[split],
            rows=rows,
            labels=row_scores.label_names(file[0] for file in files),
            positive=experiments[0].parameters.evaluate.positive_label,
        )
        for experiment, by_split, rows in zip(experiments, scores, files, strict=True)
    ]
    return [models[0], *(align(models[0], model) for model in models[1:])]


def align(first: EvaluatedModel, second: EvaluatedModel) -> EvaluatedModel:
    """Return the second model with its rows in the order of the first's.

    Raises:
        InputError: one has a row that the other lacks, or data/raw is missing.
    """
    digests = [digest(model.experiment, first.split) for model in (first, second)]
    find_keys = numbered_keys if digests[0] and digests[0] == digests[1] else content_keys
    first_keys, second_keys = (find_keys(model) for model in (first, second))
    only_first = Counter(first_keys) - Counter(second_keys)
    only_second = Counter(second_keys) - Counter(first_keys)
    if only_first or only_second:
        raise InputError(describe_mismatch(first, second, only_first, only_second))
    places: dict[Key, deque[int]] = defaultdict(deque)
    for i, key in enumerate(second_keys):
        places[key].append(i)
    order = [places[key].popleft() for key in first_keys]
    is_reordered = order != sorted(order)
    return replace(second, rows=[second.rows[i] for i in order], is_reordered=is_reordered)


def digest(experiment: Experiment, split: str) -> str | None:
    """Return the sha256 of a split in data/raw; None where it is unknown."""
    try:
        summary = experiment.read_json("data/raw/summary.json")
    except InputError:
        return None
    return summary["splits"].get(split, {}).get("sha256")


def numbered_keys(model: EvaluatedModel) -> list[Key]:
    """Return the number and label of each row."""
    return [(f"row {i}", row["reference"]) for i, row in enumerate(model.rows)]


def content_keys(model: EvaluatedModel) -> list[Key]:
    """Return the inputs, in the order of the task's, and label of each row."""
    try:
        columns = read_raw(model)
    except InputError as error:
        rows = f"{model.name}: its {model.split} rows cannot be matched with the others'"
        raise InputError(f"{rows}: {error}") from None
    values = (
        [tuple(value) if isinstance(value, list) else value for value in columns[name].to_pylist()]
        for name in model.experiment.parameters.task.inputs
    )
    return [(*key, row["reference"]) for *key, row in zip(*values, model.rows, strict=True)]


def read_raw(model: EvaluatedModel) -> "pa.Table":
    """Read the Arrow table of a split in data/raw.

    Raises:
        InputError: DVC does not have it.
    """
    import pyarrow as pa

    content = model.experiment.read_bytes(f"data/raw/{model.split}/{SHARD}")
    return pa.ipc.open_stream(content).read_all()


def describe_mismatch(
    first: EvaluatedModel,
    second: EvaluatedModel,
    only_first: Counter[Key],
    only_second: Counter[Key],
) -> str:
    """Describe how the rows of two models differ."""
    relabelled = Counter(k[:-1] for k in only_first) & Counter(k[:-1] for k in only_second)
    lines = [
        f"{first.name} and {second.name} were not scored on the same {first.split} rows, so they "
        "cannot be compared:"
    ]
    if relabelled:
        lines.append(f"  {relabelled.total()} rows have the same inputs and another label")
    for name, rows in ((first.name, only_first), (second.name, only_second)):
        if rows:
            medium = f"({first.experiment.parameters.task.medium})"
            parts = (medium if isinstance(v, bytes) else str(v) for v in next(iter(rows)))
            example = " | ".join(parts)[:MAX_CHARACTERS]
            lines.append(f"  {rows.total()} rows are only in {name}, the first: {example}")
    lines.append(
        f"score both on the same data: give both the same {first.split} split (data.files, "
        "data.split.seed, data.fold, data.filter) and rerun them"
        + "; labels that were corrected: docs/data-loop.md says how"
        * bool(relabelled)
    )
    return "\n".join(lines)


def input_texts(model: EvaluatedModel, rows: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the inputs of some rows as text, images as data URLs; {} where DVC lacks them."""
    try:
        columns = read_raw(model)
    except InputError:
        return {row: {} for row in rows}
    task = model.experiment.parameters.task
    return {
        row: tables.input_texts({name: columns[name][row].as_py() for name in task.inputs}, task)
        for row in rows
    }
