"""Entries → their scores, tests against the first and the rows that changed: one `Comparison`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from temper import metrics as scoring
from temper.compare import shared_rows as same_rows
from temper.compare import significance, testable
from temper.compare.compared_models import METRICS, ComparedModel
from temper.compare.row_scores import RowScores
from temper.compare.significance import Difference, McNemar
from temper.params import user_code

MOST_ROWS = 100  # listed of each kind of change


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A row that one model has right (or better) and the other not."""

    row: int
    inputs: dict[str, str]
    reference: str
    predictions: tuple[str, str]  # of the first model and of the second


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """A model beside the first one."""

    name: str
    first: str
    differences: list[Difference]  # the main score's first
    mcnemar: McNemar | None  # None where a row is no matter of right or wrong
    num_same: int  # rows with the same prediction
    num_better: int
    num_worse: int
    better: list[Changed]  # at most `MOST_ROWS`, those that changed most first
    worse: list[Changed]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is known of the models; the first is what the others are compared with."""

    kind: str  # the module of temper/metrics
    split: str
    num_rows: int
    samples: int
    names: list[str]
    shown: list[str]  # scores, the main one first
    scores: list[dict[str, float]]  # of the split in metrics.json, with `_low` and `_high`
    against: list[ModelComparison]
    notes: list[str]

    @property
    def main(self) -> str:
        return self.shown[0]

    @property
    def greater_is_better(self) -> dict[str, bool]:
        return scoring.load(self.kind).GREATER_IS_BETTER


def compare(
    compared_models: Sequence[ComparedModel], split: str | None, metric: str | None, samples: int
) -> Comparison:
    """Compare each entry with the first.

    Args:
        entries: two or more.
        split: test or validation; None as in `rows.load`.
        metric: the score the verdict is about; None takes the kind's main one.
        samples: bootstrap samples.

    Raises:
        InputError: other tasks, other rows, or no such score.
    """
    kind = testable.same_kind(compared_models)
    found = [json.loads(model.read(METRICS)) for model in compared_models]
    data = same_rows.load(compared_models, found, split)
    scores = [one[data.split] for one in found]
    models = testable.score_rows(compared_models, data, kind)
    names, notes = testable.check_scores(compared_models, models, scores, kind)
    users = [
        user_code.attribute_name(name)
        for name in compared_models[0].one.parameters.evaluate.metrics or ()
    ]
    every = [*scoring.load(kind).HEADLINE, *users]
    shown = [name for name in every if any(name in one for one in scores)]
    main = testable.chosen_metric(metric, names, shown)
    if data.moved:
        notes.append(f"rows in another order, matched by content: {', '.join(data.moved)}")
    return Comparison(
        kind=kind,
        split=data.split,
        num_rows=len(data.rows[0]),
        samples=samples,
        names=[model.name for model in compared_models],
        shown=sorted(shown, key=lambda name: name != main),
        scores=scores,
        against=test_all(
            compared_models, models, data, sorted(names, key=lambda name: name != main), samples
        ),
        notes=notes,
    )


def test_all(
    compared_models: Sequence[ComparedModel],
    models: Sequence[RowScores],
    data: same_rows.Rows,
    names: Sequence[str],
    samples: int,
) -> list[ModelComparison]:
    """Return the tests of each model against the first, adjusted by Holm over the models.

    Args:
        entries: of the models.
        models: their rows.
        data: the same rows, to be listed.
        names: of the scores, the main one first; each is adjusted by itself.
        samples: bootstrap samples.
    """
    seen = significance.observed(models)
    drawn = significance.resample(models, samples, compared_models[0].one.parameters.seed)
    others = range(1, len(models))
    columns = [
        significance.adjust(
            [significance.difference(n, seen[n][[0, i]], drawn[n][[0, i]]) for i in others]
        )
        for n in names
    ]
    first = models[0].right
    rights = [] if first is None else [model.right for model in models[1:]]
    counted = significance.adjust([significance.mcnemar(first, r) for r in rights])  # type: ignore
    found = []
    for i in others:
        better, worse = changes(models[0], models[i])
        pairs = zip(data.rows[0], data.rows[i], strict=True)
        listed = [list_rows(compared_models[0], data, i, part) for part in (better, worse)]
        found.append(
            ModelComparison(
                name=compared_models[i].name,
                first=compared_models[0].name,
                differences=[column[i - 1] for column in columns],
                mcnemar=counted[i - 1] if counted else None,
                num_same=sum(one["prediction"] == other["prediction"] for one, other in pairs),
                num_better=len(better),
                num_worse=len(worse),
                better=listed[0],
                worse=listed[1],
            )
        )
    return found


def changes(first: RowScores, other: RowScores) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are better with the other model, and worse; most changed first.

    Where a row is right or wrong, these are the ones that changed side.
    """
    gain = first.example_loss - other.example_loss
    if first.right is None or other.right is None:
        better, worse = gain > 0, gain < 0
    else:
        better, worse = other.right & ~first.right, first.right & ~other.right
    order = np.argsort(-np.abs(gain), kind="stable")
    return order[better[order]], order[worse[order]]


def list_rows(
    first: ComparedModel, data: same_rows.Rows, other: int, chosen: np.ndarray
) -> list[Changed]:
    """Return some rows with their inputs and what both models said."""
    shown = chosen[:MOST_ROWS].tolist()
    return [
        Changed(
            row=i,
            inputs=inputs,
            reference=data.rows[0][i]["reference"],
            predictions=(said(data.rows[0][i]), said(data.rows[other][i])),
        )
        for i, inputs in zip(shown, same_rows.texts(first, data.split, shown), strict=True)
    ]


def said(row: dict[str, str]) -> str:
    """Return a row's prediction, with how sure the model was where a label has a probability."""
    sure = any(name.startswith("score_") for name in row) and row.get("score")
    return f"{row['prediction']} ({float(sure):.2f})" if sure else row["prediction"]
