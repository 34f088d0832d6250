"""Tags per word → precision, recall and F1 of whole entities, as seqeval counts them.

An entity is right when its type, first and last word are (Tjong Kim Sang & De Meulder 2003).
"""

from collections import Counter
from typing import Any

import numpy as np

from temper.metrics import aggregates
from temper.metrics.classification import divide

HEADLINE = ("f1", "precision", "recall", "accuracy")
GREATER_IS_BETTER = {"f1": True, "precision": True, "recall": True, "accuracy": True}


def entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return (type, first word, last word) of each entity, of whatever scheme."""
    from seqeval.metrics.sequence_labeling import get_entities

    return set(get_entities(list(tags)))


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return hits, predicted and actual entities, right words and words of each example."""
    rows = []
    for found, wanted in zip(predictions, references, strict=True):
        one, other = entities(found), entities(wanted)
        right = sum(a == b for a, b in zip(found, wanted, strict=True))
        rows.append((len(one & other), len(one), len(other), right, len(wanted)))
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 5); `accuracy` is that of words."""
    return aggregates.precision_recall_f1(totals) | {"accuracy": aggregates.mean(totals, 3, 4)}


def example_loss(rows: np.ndarray) -> np.ndarray:
    """Return how many entities of each example are missed or made up."""
    return rows[:, 1] + rows[:, 2] - 2 * rows[:, 0]


def no_counts() -> tuple[Counter, Counter, Counter]:
    """Return empty counts of hits, predicted and actual entities by type."""
    return Counter(), Counter(), Counter()


def count(counts: tuple[Counter, Counter, Counter], predictions: list, references: list) -> None:
    """Add the entities of some examples to counts."""
    hit, predicted, actual = counts
    for found, wanted in zip(predictions, references, strict=True):
        one, other = entities(found), entities(wanted)
        hit.update(kind for kind, *_ in one & other)
        predicted.update(kind for kind, *_ in one)
        actual.update(kind for kind, *_ in other)


def per_class(counts: tuple[Counter, Counter, Counter]) -> list[dict[str, Any]]:
    """Return support, precision, recall and F1 of each entity type, by support."""
    hit, predicted, actual = counts
    kinds = sorted({*predicted, *actual}, key=lambda kind: (-actual[kind], kind))
    columns = [np.array([c[k] for k in kinds], dtype=float) for c in (hit, predicted, actual)]
    found = {
        "precision": divide(columns[0], columns[1]),
        "recall": divide(columns[0], columns[2]),
        "f1": divide(2 * columns[0], columns[1] + columns[2]),
    }
    return [
        {"label": kind, "support": actual[kind], "predicted": predicted[kind]}
        | {name: round(float(values[i]), 6) for name, values in found.items()}
        for i, kind in enumerate(kinds)
    ]
