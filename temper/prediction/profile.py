"""Rows and their predictions → facts of each row; the facts of validation → profile.json.

A fact is a number or a category of one row, so that two groups of rows can be compared by counts.
"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from temper.tasks.base import Task
from temper.tasks.base.arrays import Columns, Rows
from temper.tasks.base.tags import entities

FILE = "profile.json"
COMMON_TOKENS = 1000
BINS = 20
SCORE = "score_"  # begins the columns with the probabilities of labels
NO_ENTITY, ANSWER, NO_ANSWER = "no entity", "an answer", "no answer"
TOKENS, UNKNOWN, UNCOMMON = "tokens per row", "share of unknown tokens", "share of uncommon tokens"
LABEL, CONFIDENCE = "predicted label", "score of the likeliest label"
NUMBER, DISTANCE = "predicted number", "distance of the vector from their mean"


@dataclass(frozen=True)
class Known:
    """What facts refer to.

    Args:
        common_tokens: ids, sorted.
        unknown_token: its id; None where the tokenizer has none.
        center: mean of the unit vectors of embeddings, (size,); None for other tasks.
    """

    common_tokens: np.ndarray
    unknown_token: int | None
    center: np.ndarray | None


@dataclass(frozen=True)
class Facts:
    """Facts of some rows: numbers, (rows,) each, and categories."""

    numbers: dict[str, np.ndarray]
    categories: dict[str, list[str]]


def of_rows(
    task: Task, features: Rows, num_rows: int, predicted: Mapping[str, list], known: Known
) -> Facts:
    """Return the facts of rows.

    Args:
        features: of the rows; those of one row have its number as `example_id`.
        num_rows: how many raw rows there are.
        predicted: the columns that `temper predict` adds; {} for none.
    """
    numbers: dict[str, np.ndarray] = {}
    if "input_ids" in features[0]:
        owners = [row.get("example_id", i) for i, row in enumerate(features)]
        numbers = of_tokens([task.row_tokens(row) for row in features], owners, num_rows, known)
    facts = of_predictions(task, predicted, known.center) if predicted else Facts({}, {})
    numbers = {name: three_digits(values) for name, values in (numbers | facts.numbers).items()}
    return Facts(numbers, facts.categories)


def of_tokens(
    ids: Sequence[Sequence[int]], owners: Sequence[int], num_rows: int, known: Known
) -> dict[str, np.ndarray]:
    """Return how many tokens each row has, and the shares of unknown and of uncommon ones."""
    lengths = [len(row) for row in ids]
    flat = np.fromiter(itertools.chain.from_iterable(ids), np.int64, sum(lengths))
    rows = np.repeat(np.asarray(owners, np.int64), lengths)
    counts = np.bincount(rows, minlength=num_rows)
    at_least_one = np.maximum(counts, 1)
    is_uncommon = ~np.isin(flat, known.common_tokens)
    facts = {TOKENS: counts.astype(float)}
    facts[UNCOMMON] = np.bincount(rows, is_uncommon, num_rows) / at_least_one
    if known.unknown_token is not None:
        facts[UNKNOWN] = np.bincount(rows, flat == known.unknown_token, num_rows) / at_least_one
    return facts


def of_predictions(task: Task, columns: Mapping[str, list], center: np.ndarray | None) -> Facts:
    """Return the facts of predictions, as `temper predict` or a predictions file has them.

    Of labels it is the likeliest one, whatever a threshold makes of it.
    """
    predictions, kind = columns["prediction"], task.params.target_type
    probabilities = {n.removeprefix(SCORE): v for n, v in columns.items() if n.startswith(SCORE)}
    if probabilities:
        names, scores = list(probabilities), np.array(list(probabilities.values()), float)
        likeliest = [names[i] for i in scores.argmax(0)]
        return Facts({CONFIDENCE: scores.max(0)}, {LABEL: likeliest})
    if kind == "number":
        return Facts({NUMBER: np.array(predictions, float)}, {})
    if kind == "tags" and isinstance(predictions[0], str) and have_spaces(task.label_names):
        return Facts({}, {})  # a table separates tags by spaces
    if kind == "tags":
        found = [entities(row.split() if isinstance(row, str) else row) for row in predictions]
        return Facts({}, {"first entity": [row[0][0] if row else NO_ENTITY for row in found]})
    if kind == "index":
        return Facts({}, {"choice": [str(row) for row in predictions]})
    if kind == "answers":
        return Facts({}, {"answer": [ANSWER if row else NO_ANSWER for row in predictions]})
    if center is not None:
        return Facts({DISTANCE: distances(np.array(predictions, float), center)}, {})
    return Facts({}, {})


def have_spaces(names: Sequence[str]) -> bool:
    """Say whether names that spaces separate cannot be told apart."""
    return any(name.split() != [name] for name in names)


def distances(vectors: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return the cosine distance of unit vectors (rows, size) from a vector, (rows,)."""
    return 1 - vectors @ center / max(float(np.linalg.norm(center)), 1e-12)


def three_digits(values: np.ndarray) -> np.ndarray:
    """Round to three significant digits, in which engines and CPUs agree."""
    return np.array([float(f"{value:.3g}") for value in values.tolist()])


def summarize(facts: Facts) -> dict[str, Any]:
    """Return what profile.json keeps of facts: counts per bin and category, and means."""
    numbers = {}
    for name, values in facts.numbers.items():
        quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
        edges = np.unique(quantiles).tolist()
        mean = float(f"{math.fsum(values.tolist()) / len(values):.6g}")
        numbers[name] = {"edges": edges, "counts": count(values, edges), "mean": mean}
    categories = {name: dict(Counter(values)) for name, values in facts.categories.items()}
    return {"numbers": numbers, "categories": categories}


def count(values: np.ndarray, edges: Sequence[float]) -> list[int]:
    """Count values per bin; a bin includes its upper edge, and the last one has none."""
    bins = np.searchsorted(np.asarray(edges), values, side="left")
    return np.bincount(bins, minlength=len(edges) + 1).tolist()


def columns_of_table(rows: Sequence[Mapping[str, str]]) -> Columns:
    """Return a predictions file's columns that facts are taken from, probabilities as numbers."""
    names = [name for name in rows[0] if name == "prediction" or name.startswith(SCORE)]
    return {
        name: [float(row[name]) if name != "prediction" else row[name] for row in rows]
        for name in names
    }
