"""Statistics per row of a predictions file, from which any sample of the rows can be scored.

Labels, numbers, tags, choices, answers, ranks and generated texts give every main score;
`language` gives the perplexity (to four digits), `completions` the exact match.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from temper import metrics
from temper.evaluation.bootstrap import WeightedScores

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
        names: the labels, if any; the same for all models that are compared.
        positive: binary: the label that precision, recall and F1 are about.

    Raises:
        ValueError: a cell has another format than evaluate writes.
        KeyError: likewise.
    """
    ids = {name: i for i, name in enumerate(names)}
    predictions, references = (parse(rows, c, module, ids) for c in ("prediction", "reference"))
    options = {"positive": ids.get(positive or "")} if module == "classification" else {}
    num_labels = (len(names),) if metrics.scores_logits(module) else ()
    stats = metrics.load(module).per_example_stats(predictions, references, *num_labels)
    return RowScores(
        per_example_stats=stats,
        scores=partial(metrics.weighted_scores, module, **options),
        right=is_right(module, stats, predictions, references),
        example_loss=example_loss(module, rows, stats, predictions, references),
    )


def label_names(rows: Iterable[Row]) -> list[str]:
    """Return the labels with a column of probabilities."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return [name.removeprefix("score_") for name in columns if name.startswith("score_")]


def parse(rows: Sequence[Row], column: str, module: str, ids: Mapping[str, int]) -> Any:
    """Return the predictions or references as `per_example_stats` of the module takes them."""
    texts = [row[column] for row in rows]
    match module, column:
        case "classification", _:
            return np.array([ids[text] for text in texts])
        case "multi_label", _:
            return np.array([[name in text.split("|") for name in ids] for text in texts])
        case "retrieval", "prediction":
            return [[int(rank) for rank in row["ranks"].split()] for row in rows]
        case (("regression" | "similarity"), _):
            return np.array(texts, dtype=float)
        case "entities", _:
            return [text.split() for text in texts]
        case "answers", "reference":
            return [{"text": text.split(" | ")} for text in texts]
        case "completions", "prediction":
            return [(text, None) for text in texts]
        case "language", "prediction":
            return [token_stats(text) for text in texts]
    return texts


def token_stats(text: str) -> tuple[float, float, int]:
    """Return -log p, hits (unknown) and tokens of a text."""
    match = PERPLEXITY.fullmatch(text)
    if match is None:
        return 0.0, np.nan, 0
    return np.log(float(match[1])) * int(match[2]), np.nan, int(match[2])


def is_right(module: str, stats: Any, predictions: Any, references: Any) -> np.ndarray | None:
    """Return which rows are right as a whole: all labels or tags, the answer, the completion."""
    if module in ("classification", "multi_label"):
        return (predictions == references).reshape(len(references), -1).all(1)
    if module in ("entities", "choices"):
        pairs = zip(predictions, references, strict=True)
        return np.array([prediction == reference for prediction, reference in pairs], dtype=bool)
    column = {"answers": 1, "completions": 3, "retrieval": 0}.get(module)
    return None if column is None else stats[:, column] > 0


def example_loss(
    module: str, rows: Sequence[Row], stats: Any, predictions: Any, references: Any
) -> np.ndarray:
    """Return how bad each prediction is, (rows,)."""
    match module:
        case "classification":
            return 1 - np.array([float(row.get(f"score_{row['reference']}", 0)) for row in rows])
        case "multi_label":
            return (predictions != references).sum(1).astype(float)
        case "regression":
            return np.abs(predictions - references)
        case "completions":
            return 1 - stats[:, 3]
    return metrics.load(module).example_loss(stats)
