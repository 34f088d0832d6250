"""Statistics per row of a predictions file, from which any sample of the rows can be scored.

Labels, numbers, tags, choices, answers and generated texts give every main score; `language` gives
the perplexity (to four digits), `completions` the exact match.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from temper import metrics
from temper.evaluation.bootstrap import WeightedScores
from temper.metrics import classification, multi_label, regression

Row = dict[str, str]
PERPLEXITY = re.compile(r"perplexity (\S+) of (\d+) tokens")


@dataclass(frozen=True, kw_only=True)
class RowScores:
    """The rows of a model."""

    per_example_stats: Any  # (rows, columns), an array or sparse
    scores: WeightedScores  # weights (samples, rows) and statistics → (samples,) each
    right: np.ndarray | None  # (rows,) booleans; None where a row is not right or wrong
    example_loss: np.ndarray  # (rows,)


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
    ids = {name: i for i, name in enumerate(names)}
    predicted, actual = (
        np.array([ids[row[column]] for row in rows]) for column in ("prediction", "reference")
    )
    probabilities = np.array([float(row.get(f"score_{row['reference']}", 0)) for row in rows])
    options = {"positive": ids.get(positive or "")}
    return RowScores(
        per_example_stats=classification.per_example_stats(predicted, actual, len(names)),
        scores=partial(metrics.weighted_scores, "classification", **options),
        right=predicted == actual,
        example_loss=1 - probabilities,
    )


def _labels(rows: Sequence[Row], names: Sequence[str]) -> RowScores:
    predicted, actual = (
        np.array([[name in row[column].split("|") for name in names] for row in rows])
        for column in ("prediction", "reference")
    )
    return RowScores(
        per_example_stats=multi_label.per_example_stats(predicted, actual, len(names)),
        scores=partial(metrics.weighted_scores, "multi_label"),
        right=(predicted == actual).all(1),
        example_loss=(predicted != actual).sum(1).astype(float),
    )


def _numbers(rows: Sequence[Row]) -> RowScores:
    predicted, actual = (
        [float(row[column]) for row in rows] for column in ("prediction", "reference")
    )
    stats = regression.per_example_stats(predicted, actual)
    return RowScores(
        per_example_stats=stats,
        scores=partial(metrics.weighted_scores, "regression"),
        right=None,
        example_loss=np.abs(stats[:, 0] - stats[:, 1]),
    )


def _language(rows: Sequence[Row]) -> RowScores:
    matches = [PERPLEXITY.fullmatch(row["prediction"]) for row in rows]
    parsed = [(float(m[1]), int(m[2])) if m else (1.0, 0) for m in matches]
    values, tokens = np.array(parsed, dtype=float).reshape(-1, 2).T
    nll, unknown = np.log(values), np.full(len(values), np.nan)
    return RowScores(
        per_example_stats=np.stack([nll * tokens, unknown, tokens], 1),
        scores=partial(metrics.weighted_scores, "language"),
        right=None,
        example_loss=nll,
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
    return RowScores(
        per_example_stats=per_example_stats,
        scores=partial(metrics.weighted_scores, module_name),
        right=_right(module_name, per_example_stats, predictions, references),
        example_loss=example_loss,
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
