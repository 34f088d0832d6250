"""Entries → their scores, tests against the first and the rows that changed: one `Comparison`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages import metrics as scoring
from stages.comparison import rows as same_rows
from stages.comparison import significance
from stages.comparison.entries import METRICS, Entry
from stages.comparison.judged import Judged, judge
from stages.comparison.significance import Difference, McNemar
from stages.errors import InputError, nearest

MOST_ROWS = 100  # listed of each kind of change
NEAR = {"language": 2e-3}  # perplexities stand in the files with four digits, a share of them
NEAR_OTHERS = 1e-4  # what rounding leaves between metrics.json and the predictions


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A row that one model has right (or better) and the other not."""

    row: int
    inputs: dict[str, str]
    reference: str
    predictions: tuple[str, str]  # of the first model and of the second


@dataclass(frozen=True, kw_only=True)
class Against:
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

    kind: str  # the module of stages/metrics
    split: str
    num_rows: int
    samples: int
    names: list[str]
    shown: list[str]  # scores, the main one first
    scores: list[dict[str, float]]  # of the split in metrics.json, with `_low` and `_high`
    against: list[Against]
    notes: list[str]

    @property
    def main(self) -> str:
        return self.shown[0]

    @property
    def greater_is_better(self) -> dict[str, bool]:
        return scoring.module(self.kind).GREATER_IS_BETTER


def compare(
    entries: Sequence[Entry], split: str | None, metric: str | None, samples: int
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
    kind = same_kind(entries)
    found = [json.loads(entry.read(METRICS)) for entry in entries]
    data = same_rows.load(entries, found, split)
    scores = [one[data.split] for one in found]
    models = judge_all(entries, data, kind)
    testable, notes = check_scores(entries, models, scores, kind)
    own = [name.rpartition(".")[2] for name in entries[0].one.parameters.evaluate.metrics or ()]
    names = [*scoring.module(kind).HEADLINE, *own]
    shown = [name for name in names if any(name in one for one in scores)]
    main = chosen_metric(metric, testable, shown)
    if data.moved:
        notes.append(f"rows in another order, matched by content: {', '.join(data.moved)}")
    return Comparison(
        kind=kind,
        split=data.split,
        num_rows=len(data.rows[0]),
        samples=samples,
        names=[entry.name for entry in entries],
        shown=sorted(shown, key=lambda name: name != main),
        scores=scores,
        against=test_all(
            entries, models, data, sorted(testable, key=lambda name: name != main), samples
        ),
        notes=notes,
    )


def same_kind(entries: Sequence[Entry]) -> str:
    """Return the module that scores them all.

    Raises:
        InputError: they are of different tasks.
    """
    first = entries[0].one.parameters.task
    for entry in entries[1:]:
        task = entry.one.parameters.task
        if task.metrics != first.metrics:
            raise InputError(
                f"{entries[0].name} and {entry.name} have different tasks, so that no score of one "
                f"is the other's: {first.name} ({first.metrics}), {task.name} ({task.metrics})"
            )
    return first.metrics


def judge_all(entries: Sequence[Entry], data: same_rows.Rows, kind: str) -> list[Judged]:
    """Return what each model's rows say, with one order of the labels.

    Raises:
        InputError: a predictions file is not what this version writes.
    """
    names: dict[str, None] = {}
    for rows in data.rows:
        names |= dict.fromkeys(k.removeprefix("score_") for k in rows[0] if k.startswith("score_"))
    positive = entries[0].one.parameters.evaluate.positive_label
    found = []
    for entry, rows in zip(entries, data.rows, strict=True):
        try:
            found.append(judge(kind, rows, list(names), positive))
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{entry.name}: data/evaluation/predictions/{data.split}.csv is not what this "
                f"version writes for {kind}: {error!r}; run evaluate again"
            ) from None
    return found


def check_scores(
    entries: Sequence[Entry], models: Sequence[Judged], scores: Sequence[dict[str, Any]], kind: str
) -> tuple[list[str], list[str]]:
    """Return the main scores that the rows give, and why others cannot be tested on them."""
    seen, testable, notes = significance.observed(models), [], []
    tokens = [one.statistics[:, -1] for one in models] if kind == "language" else []
    for name in scoring.module(kind).HEADLINE:
        if not all(name in one for one in scores):
            continue
        said = np.array([one[name] for one in scores])
        ours = seen.get(name, np.full(len(said), np.nan))
        near = NEAR.get(kind, NEAR_OTHERS) * np.maximum(1, np.abs(said))
        if not np.isfinite(ours).all():
            reason = "the predictions do not hold it row by row"
        elif any(not np.array_equal(tokens[0], other) for other in tokens[1:]):
            reason = "the models cut the texts into other tokens: it is not the same quantity"
        elif (np.abs(ours - said) > near).any():
            i = int(np.argmax(np.abs(ours - said) - near))
            reason = (
                f"the predictions of {entries[i].name} give {ours[i]:.4f}, its metrics.json says "
                f"{said[i]:.4f} (another evaluate.positive_label?)"
            )
        else:
            testable.append(name)
            continue
        notes.append(f"{name}: no paired test, for {reason}")
    return testable, notes


def chosen_metric(metric: str | None, testable: Sequence[str], scored: Sequence[str]) -> str:
    """Return the score the verdict is about; where none can be tested, the first there is.

    Raises:
        InputError: the one that was asked for cannot be tested.
    """
    if metric is not None and metric not in testable:
        raise InputError(
            f"--metric {metric}: cannot be tested row by row{nearest(metric, testable)}; "
            f"allowed: {', '.join(testable) or 'none'}"
        )
    return metric or (testable or scored)[0]


def test_all(
    entries: Sequence[Entry],
    models: Sequence[Judged],
    data: same_rows.Rows,
    names: Sequence[str],
    samples: int,
) -> list[Against]:
    """Return the tests of each model against the first, adjusted by Holm over the models.

    Args:
        entries: of the models.
        models: their rows.
        data: the same rows, to be listed.
        names: of the scores, the main one first; each is adjusted by itself.
        samples: bootstrap samples.
    """
    seen = significance.observed(models)
    drawn = significance.resample(models, samples, entries[0].one.parameters.seed)
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
        listed = [list_rows(entries[0], data, i, part) for part in (better, worse)]
        found.append(
            Against(
                name=entries[i].name,
                first=entries[0].name,
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


def changes(first: Judged, other: Judged) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are better with the other model, and worse; most changed first.

    Where a row is right or wrong, these are the ones that changed side.
    """
    gain = first.badness - other.badness
    if first.right is None or other.right is None:
        better, worse = gain > 0, gain < 0
    else:
        better, worse = other.right & ~first.right, first.right & ~other.right
    order = np.argsort(-np.abs(gain), kind="stable")
    return order[better[order]], order[worse[order]]


def list_rows(first: Entry, data: same_rows.Rows, other: int, chosen: np.ndarray) -> list[Changed]:
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
