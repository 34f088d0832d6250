"""Compare models with the first: their scores, paired tests and the rows that changed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from temper import metrics
from temper.compare import shared_rows, significance, testable
from temper.compare.compared_models import METRICS, ComparedModel
from temper.compare.row_scores import RowScores
from temper.compare.significance import Difference, McNemar
from temper.params import user_code

MAX_ROWS = 100  # listed in each direction


@dataclass(frozen=True, kw_only=True)
class ChangedRow:
    """A row on which one model is right (or better) and the other is not."""

    row: int
    inputs: dict[str, str]
    reference: str
    predictions: tuple[str, str]  # of the first model and of the second


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """A model compared with the first one."""

    name: str
    first: str
    differences: list[Difference]  # of the main score first
    mcnemar: McNemar | None  # None where a row is not right or wrong
    num_same: int  # rows with the same prediction
    num_better: int
    num_worse: int
    better: list[ChangedRow]  # at most `MAX_ROWS`, those that changed most first
    worse: list[ChangedRow]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scores and tests of all models; the others are compared with the first."""

    metrics_module: str  # of temper/metrics
    split: str
    num_rows: int
    samples: int  # of the bootstrap
    names: list[str]
    metric_names: list[str]  # the main one first
    scores: list[dict[str, float]]  # of the split in metrics.json, with `_low` and `_high`
    comparisons: list[ModelComparison]
    notes: list[str]

    @property
    def main(self) -> str:
        return self.metric_names[0]

    @property
    def greater_is_better(self) -> dict[str, bool]:
        return metrics.load(self.metrics_module).GREATER_IS_BETTER


def compare(
    models: Sequence[ComparedModel], split: str | None, metric: str | None, samples: int
) -> Comparison:
    """Compare each model with the first.

    Args:
        models: two or more.
        split: test or validation; None as in `shared_rows.load`.
        metric: that decides the verdict; None takes the task's main one.
        samples: of the bootstrap.

    Raises:
        InputError: the tasks or rows differ, or there is no such score.
    """
    module = testable.common_metrics_module(models)
    all_scores = [json.loads(model.read(METRICS)) for model in models]
    data = shared_rows.load(models, all_scores, split)
    scores = [by_split[data.split] for by_split in all_scores]
    row_scores = testable.score_rows(models, data, module)
    tested, notes = testable.check_scores(models, row_scores, scores, module)
    evaluate = models[0].experiment.parameters.evaluate
    custom = [user_code.attribute_name(name) for name in evaluate.metrics or ()]
    candidates = [*metrics.load(module).HEADLINE, *custom]
    scored = [name for name in candidates if any(name in values for values in scores)]
    main = testable.select_metric(metric, tested, scored)
    if data.reordered:
        notes.append(f"rows in another order, matched by content: {', '.join(data.reordered)}")
    return Comparison(
        metrics_module=module,
        split=data.split,
        num_rows=len(data.rows[0]),
        samples=samples,
        names=[model.name for model in models],
        metric_names=sorted(scored, key=lambda name: name != main),
        scores=scores,
        comparisons=test_all(
            models, row_scores, data, sorted(tested, key=lambda name: name != main), samples
        ),
        notes=notes,
    )


def test_all(
    models: Sequence[ComparedModel],
    row_scores: Sequence[RowScores],
    data: shared_rows.SharedRows,
    metric_names: Sequence[str],
    samples: int,
) -> list[ModelComparison]:
    """Test each model against the first, adjusted by Holm over the models.

    Args:
        models: the first is the reference.
        row_scores: of each model.
        data: the rows to list.
        metric_names: the main one first; each is adjusted on its own.
        samples: of the bootstrap.
    """
    observed = significance.observed(row_scores)
    seed = models[0].experiment.parameters.seed
    resampled = significance.resample(row_scores, samples, seed)
    others = range(1, len(models))
    by_metric = [
        significance.adjust(
            [
                significance.difference(name, observed[name][[0, i]], resampled[name][[0, i]])
                for i in others
            ]
        )
        for name in metric_names
    ]
    first_right = row_scores[0].right
    others_right = [] if first_right is None else [scores.right for scores in row_scores[1:]]
    mcnemars = significance.adjust(
        [significance.mcnemar(first_right, right) for right in others_right]  # type: ignore
    )
    comparisons = []
    for i in others:
        better, worse = changed_rows(row_scores[0], row_scores[i])
        pairs = zip(data.rows[0], data.rows[i], strict=True)
        comparisons.append(
            ModelComparison(
                name=models[i].name,
                first=models[0].name,
                differences=[differences[i - 1] for differences in by_metric],
                mcnemar=mcnemars[i - 1] if mcnemars else None,
                num_same=sum(a["prediction"] == b["prediction"] for a, b in pairs),
                num_better=len(better),
                num_worse=len(worse),
                better=list_rows(models[0], data, i, better),
                worse=list_rows(models[0], data, i, worse),
            )
        )
    return comparisons


def changed_rows(first: RowScores, second: RowScores) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are better and worse with the second model, most changed first.

    Where a row is right or wrong, these are the ones that changed sides.
    """
    gain = first.example_loss - second.example_loss
    if first.right is None or second.right is None:
        better, worse = gain > 0, gain < 0
    else:
        better, worse = second.right & ~first.right, first.right & ~second.right
    order = np.argsort(-np.abs(gain), kind="stable")
    return order[better[order]], order[worse[order]]


def list_rows(
    first: ComparedModel, data: shared_rows.SharedRows, second: int, rows: np.ndarray
) -> list[ChangedRow]:
    """Return the first `MAX_ROWS` of some rows with their inputs and both predictions."""
    indices = rows[:MAX_ROWS].tolist()
    return [
        ChangedRow(
            row=i,
            inputs=inputs,
            reference=data.rows[0][i]["reference"],
            predictions=(
                format_prediction(data.rows[0][i]),
                format_prediction(data.rows[second][i]),
            ),
        )
        for i, inputs in zip(
            indices, shared_rows.input_texts(first, data.split, indices), strict=True
        )
    ]


def format_prediction(row: dict[str, str]) -> str:
    """Format a prediction, with its probability where the row has probabilities."""
    confidence = any(name.startswith("score_") for name in row) and row.get("score")
    return f"{row['prediction']} ({float(confidence):.2f})" if confidence else row["prediction"]
