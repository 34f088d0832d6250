"""Rows of predictions files → numbers per row, from which any sample of the rows is scored.

What a file holds decides: labels, numbers, tags, choices, answers and written texts give every main
score; `language` gives the perplexity (to four digits), `completions` the exact match.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages import metrics
from stages.metrics import classification, multi_label

Row = dict[str, str]
Statistics = Any  # (rows, numbers), an array or sparse
Scores = dict[str, np.ndarray]
PERPLEXITY = re.compile(r"perplexity (\S+) of (\d+) tokens")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A model's rows."""

    statistics: Statistics
    scores: Callable[[np.ndarray, Statistics], Scores]  # weights (samples, rows) → (samples,) each
    right: np.ndarray | None  # (rows,) booleans; None where a row is no matter of right or wrong
    badness: np.ndarray  # (rows,)
    width: int  # numbers that a sample takes


def judge(kind: str, rows: Sequence[Row], names: Sequence[str], positive: str | None) -> Judged:
    """Return what the rows say.

    Args:
        kind: the module of stages/metrics.
        rows: of a predictions file.
        names: the labels, where there are any; the same for all models that are compared.
        positive: binary: the label that precision, recall and F1 are about.

    Raises:
        ValueError: a cell is not what evaluate writes for this kind.
    """
    if kind == "classification":
        return _classes(rows, names, positive)
    if kind == "multi_label":
        return _labels(rows, names)
    if kind == "regression":
        return _numbers(rows)
    if kind == "language":
        return _language(rows)
    return _examples(kind, rows)


def _classes(rows: Sequence[Row], names: Sequence[str], positive: str | None) -> Judged:
    from scipy.sparse import csr_array

    number, width = {name: i for i, name in enumerate(names)}, len(names)
    predicted, actual = (
        np.array([number[row[column]] for row in rows]) for column in ("prediction", "reference")
    )
    chosen = number.get(positive or "")

    def scores(weights: np.ndarray, statistics: np.ndarray) -> Scores:
        cell, size = statistics[:, 0].astype(int), len(statistics)
        hot = csr_array((np.ones(size), (np.arange(size), cell)), shape=(size, width * width))
        counts = weights @ hot
        return classification.from_confusion(counts.reshape(-1, width, width), chosen)

    likely = np.array([float(row.get(f"score_{row['reference']}", 0)) for row in rows])
    return Judged(
        statistics=(actual * width + predicted)[:, None].astype(float),
        scores=scores,
        right=predicted == actual,
        badness=1 - likely,
        width=width * width,
    )


def _labels(rows: Sequence[Row], names: Sequence[str]) -> Judged:
    from scipy.sparse import csr_array, hstack

    predicted, actual = (
        csr_array([[name in row[column].split("|") for name in names] for row in rows])
        for column in ("prediction", "reference")
    )
    exact, width = multi_label.exact(predicted, actual), len(names)

    def scores(weights: np.ndarray, statistics: Any) -> Scores:
        sums = weights @ statistics
        parts = (sums[:, i * width : (i + 1) * width] for i in range(3))
        return multi_label.from_counts(*parts) | {"accuracy": sums[:, -1] / weights.sum(1)}

    parts = (predicted.multiply(actual), predicted, actual, csr_array(exact[:, None]))
    return Judged(
        statistics=hstack(parts, format="csr", dtype=float),
        scores=scores,
        right=exact,
        badness=abs(predicted.astype(float) - actual.astype(float)).sum(1),
        width=3 * width,
    )


def _numbers(rows: Sequence[Row]) -> Judged:
    columns = ([float(row[column]) for row in rows] for column in ("prediction", "reference"))
    statistics = np.array(list(columns)).T

    def scores(weights: np.ndarray, statistics: np.ndarray) -> Scores:
        error, total = statistics[:, 0] - statistics[:, 1], weights.sum(1)
        return {
            "mse": weights @ error**2 / total,
            "mae": weights @ np.abs(error) / total,
            "pearson": _correlation(weights, *statistics.T),
            "spearman": _correlation(weights, *(_ranks(weights, c) for c in statistics.T)),
        }

    badness = np.abs(statistics[:, 0] - statistics[:, 1])
    return Judged(statistics=statistics, scores=scores, right=None, badness=badness, width=1)


def _ranks(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean rank of each row's value in each sample, ties sharing theirs."""
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values[order], return_index=True, return_inverse=True)
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = counts.cumsum(1) - (counts - 1) / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = middle[:, group.reshape(-1)]
    return ranks


def _correlation(weights: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation in each sample; NaN where one side is constant."""
    total = weights.sum(1, keepdims=True)
    one, other = (v - (weights * v).sum(1, keepdims=True) / total for v in (one, other))
    top = (weights * one * other).sum(1)
    spread = np.sqrt((weights * one**2).sum(1) * (weights * other**2).sum(1))
    return np.divide(top, spread, out=np.full(len(top), np.nan), where=spread > 1e-12)


def _language(rows: Sequence[Row]) -> Judged:
    found = [PERPLEXITY.fullmatch(row["prediction"]) for row in rows]
    parsed = [(float(m[1]), int(m[2])) if m else (1.0, 0) for m in found]
    values, tokens = np.array(parsed, dtype=float).reshape(-1, 2).T
    nll = np.log(values)

    def scores(weights: np.ndarray, statistics: np.ndarray) -> Scores:
        sums = weights @ statistics
        with np.errstate(over="ignore", invalid="ignore"):
            return {"perplexity": np.exp(sums[:, 0] / sums[:, 1])}

    statistics = np.stack([nll * tokens, tokens], 1)
    return Judged(statistics=statistics, scores=scores, right=None, badness=nll, width=2)


def _examples(kind: str, rows: Sequence[Row]) -> Judged:
    """Return rows of the modules that score by sums over examples."""
    module: Any = metrics.module(kind)
    predictions: list[Any] = [row["prediction"] for row in rows]
    references: list[Any] = [row["reference"] for row in rows]
    if kind == "entities":
        predictions, references = ([text.split() for text in t] for t in (predictions, references))
    elif kind == "answers":
        references = [{"text": text.split(" | ")} for text in references]
    elif kind == "completions":
        predictions = [(text, None) for text in predictions]
    statistics = module.statistics(predictions, references)
    badness = 1 - statistics[:, 3] if kind == "completions" else module.badness(statistics)
    right = _right(kind, statistics, predictions, references)

    def scores(weights: np.ndarray, statistics: np.ndarray) -> Scores:
        return module.from_sums(weights @ statistics)

    return Judged(
        statistics=statistics,
        scores=scores,
        right=right,
        badness=badness,
        width=statistics.shape[1],
    )


def _right(kind: str, statistics: np.ndarray, found: list, wanted: list) -> np.ndarray | None:
    """Return which rows are right as a whole: all tags, the answer, the choice, the completion."""
    if kind == "entities":
        return np.array([a == b for a, b in zip(found, wanted, strict=True)], dtype=bool)
    column = {"choices": 0, "answers": 1, "completions": 3}.get(kind)
    return None if column is None else statistics[:, column] > 0
