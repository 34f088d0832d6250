"""Statistics per row of a predictions file, from which any sample of the rows can be scored.

Labels, numbers, tags, choices, answers and generated texts give every main score; `language` gives
the perplexity (to four digits), `completions` the exact match.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from temper import metrics
from temper.metrics import classification, multi_label

Row = dict[str, str]
Statistics = Any  # (rows, numbers), an array or sparse
Scores = dict[str, np.ndarray]
PERPLEXITY = re.compile(r"perplexity (\S+) of (\d+) tokens")


@dataclass(frozen=True, kw_only=True)
class RowScores:
    """The rows of a model."""

    per_example_stats: Statistics
    scores: Callable[[np.ndarray, Statistics], Scores]  # weights (samples, rows) → (samples,) each
    right: np.ndarray | None  # (rows,) booleans; None where a row is not right or wrong
    example_loss: np.ndarray  # (rows,)
    width: int  # numbers held per sample while it is scored


def from_rows(
    module: str, rows: Sequence[Row], names: Sequence[str], positive: str | None
) -> RowScores:
    """Parse and score the rows of a predictions file.

    Args:
        module: of temper/metrics.
        rows: of a predictions file.
        names: the labels, if any; the same for all models that are compared.
        positive: binary: the label that precision, recall and F1 are about.

    Raises:
        ValueError: a cell has another format than evaluate writes.
    """
    if module == "classification":
        return _classes(rows, names, positive)
    if module == "multi_label":
        return _labels(rows, names)
    if module == "regression":
        return _numbers(rows)
    if module == "language":
        return _language(rows)
    return _examples(module, rows)


def _classes(rows: Sequence[Row], names: Sequence[str], positive: str | None) -> RowScores:
    from scipy.sparse import csr_array

    ids, width = {name: i for i, name in enumerate(names)}, len(names)
    predicted, actual = (
        np.array([ids[row[column]] for row in rows]) for column in ("prediction", "reference")
    )
    positive_id = ids.get(positive or "")

    def scores(weights: np.ndarray, per_example_stats: np.ndarray) -> Scores:
        cell, size = per_example_stats[:, 0].astype(int), len(per_example_stats)
        hot = csr_array((np.ones(size), (np.arange(size), cell)), shape=(size, width * width))
        counts = weights @ hot
        return classification.from_confusion(counts.reshape(-1, width, width), positive_id)

    reference_probabilities = np.array(
        [float(row.get(f"score_{row['reference']}", 0)) for row in rows]
    )
    return RowScores(
        per_example_stats=(actual * width + predicted)[:, None].astype(float),
        scores=scores,
        right=predicted == actual,
        example_loss=1 - reference_probabilities,
        width=width * width,
    )


def _labels(rows: Sequence[Row], names: Sequence[str]) -> RowScores:
    from scipy.sparse import csr_array, hstack

    predicted, actual = (
        csr_array([[name in row[column].split("|") for name in names] for row in rows])
        for column in ("prediction", "reference")
    )
    exact, width = multi_label.exact_match(predicted, actual), len(names)

    def scores(weights: np.ndarray, per_example_stats: Any) -> Scores:
        sums = weights @ per_example_stats
        parts = (sums[:, i * width : (i + 1) * width] for i in range(3))
        return multi_label.from_counts(*parts) | {"accuracy": sums[:, -1] / weights.sum(1)}

    parts = (predicted.multiply(actual), predicted, actual, csr_array(exact[:, None]))
    return RowScores(
        per_example_stats=hstack(parts, format="csr", dtype=float),
        scores=scores,
        right=exact,
        example_loss=abs(predicted.astype(float) - actual.astype(float)).sum(1),
        width=3 * width,
    )


def _numbers(rows: Sequence[Row]) -> RowScores:
    columns = ([float(row[column]) for row in rows] for column in ("prediction", "reference"))
    per_example_stats = np.array(list(columns)).T

    def scores(weights: np.ndarray, per_example_stats: np.ndarray) -> Scores:
        error, total = per_example_stats[:, 0] - per_example_stats[:, 1], weights.sum(1)
        return {
            "mse": weights @ error**2 / total,
            "mae": weights @ np.abs(error) / total,
            "pearson": _correlation(weights, *per_example_stats.T),
            "spearman": _correlation(weights, *(_ranks(weights, c) for c in per_example_stats.T)),
        }

    example_loss = np.abs(per_example_stats[:, 0] - per_example_stats[:, 1])
    return RowScores(
        per_example_stats=per_example_stats,
        scores=scores,
        right=None,
        example_loss=example_loss,
        width=1,
    )


def _ranks(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the rank of each row's value in each sample; ties share their mean rank."""
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values[order], return_index=True, return_inverse=True)
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = counts.cumsum(1) - (counts - 1) / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = middle[:, group.reshape(-1)]
    return ranks


def _correlation(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation in each sample; NaN where one side is constant."""
    total = weights.sum(1, keepdims=True)
    x, y = (v - (weights * v).sum(1, keepdims=True) / total for v in (first, second))
    covariance = (weights * x * y).sum(1)
    spread = np.sqrt((weights * x**2).sum(1) * (weights * y**2).sum(1))
    nan = np.full(len(covariance), np.nan)
    return np.divide(covariance, spread, out=nan, where=spread > 1e-12)


def _language(rows: Sequence[Row]) -> RowScores:
    matches = [PERPLEXITY.fullmatch(row["prediction"]) for row in rows]
    parsed = [(float(m[1]), int(m[2])) if m else (1.0, 0) for m in matches]
    values, tokens = np.array(parsed, dtype=float).reshape(-1, 2).T
    nll = np.log(values)

    def scores(weights: np.ndarray, per_example_stats: np.ndarray) -> Scores:
        sums = weights @ per_example_stats
        with np.errstate(over="ignore", invalid="ignore"):
            return {"perplexity": np.exp(sums[:, 0] / sums[:, 1])}

    per_example_stats = np.stack([nll * tokens, tokens], 1)
    return RowScores(
        per_example_stats=per_example_stats, scores=scores, right=None, example_loss=nll, width=2
    )


def _examples(module_name: str, rows: Sequence[Row]) -> RowScores:
    """Score rows with a module whose scores are functions of sums over examples."""
    module: Any = metrics.load(module_name)
    predictions: list[Any] = [row["prediction"] for row in rows]
    references: list[Any] = [row["reference"] for row in rows]
    if module_name == "entities":
        predictions, references = ([text.split() for text in t] for t in (predictions, references))
    elif module_name == "answers":
        references = [{"text": text.split(" | ")} for text in references]
    elif module_name == "completions":
        predictions = [(text, None) for text in predictions]
    per_example_stats = module.per_example_stats(predictions, references)
    example_loss = (
        1 - per_example_stats[:, 3]
        if module_name == "completions"
        else module.example_loss(per_example_stats)
    )
    right = _right(module_name, per_example_stats, predictions, references)

    def scores(weights: np.ndarray, per_example_stats: np.ndarray) -> Scores:
        return module.aggregate(weights @ per_example_stats)

    return RowScores(
        per_example_stats=per_example_stats,
        scores=scores,
        right=right,
        example_loss=example_loss,
        width=per_example_stats.shape[1],
    )


def _right(
    module_name: str, per_example_stats: np.ndarray, predictions: list, references: list
) -> np.ndarray | None:
    """Return which rows are right as a whole: all tags, the answer, the choice, the completion."""
    if module_name == "entities":
        pairs = zip(predictions, references, strict=True)
        return np.array([prediction == reference for prediction, reference in pairs], dtype=bool)
    column = {"choices": 0, "answers": 1, "completions": 3}.get(module_name)
    return None if column is None else per_example_stats[:, column] > 0
