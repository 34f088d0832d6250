"""Tags per word → precision, recall and F1 of whole entities, as seqeval counts them.

An entity is right when its type, first and last word are (Tjong Kim Sang & De Meulder 2003).
"""

from collections import Counter
from typing import Any

import numpy as np

from temper.metrics import aggregates
from temper.metrics.aggregates import safe_divide

HEADLINE = ("f1", "precision", "recall", "accuracy")
GREATER_IS_BETTER = {"f1": True, "precision": True, "recall": True, "accuracy": True}


def entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return (type, first word, last word) of each entity, whatever the tagging scheme."""
    from seqeval.metrics.sequence_labeling import get_entities

    return set(get_entities(list(tags)))


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return hits, predicted and actual entities, right words and words of each example."""
    rows = []
    for predicted_tags, actual_tags in zip(predictions, references, strict=True):
        predicted, actual = entities(predicted_tags), entities(actual_tags)
        right = sum(a == b for a, b in zip(predicted_tags, actual_tags, strict=True))
        rows.append((len(predicted & actual), len(predicted), len(actual), right, len(actual_tags)))
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 5); `accuracy` is that of words."""
    return aggregates.precision_recall_f1(totals) | {"accuracy": aggregates.mean(totals, 3, 4)}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return the number of false negatives and false positives of each example."""
    return stats[:, 1] + stats[:, 2] - 2 * stats[:, 0]


class EntityCounts:
    """Hits, predicted and actual entities by type, added up over batches of examples."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.predicted: Counter[str] = Counter()
        self.actual: Counter[str] = Counter()

    def update(self, predictions: list, references: list) -> None:
        """Add the entities of some examples."""
        for predicted_tags, actual_tags in zip(predictions, references, strict=True):
            predicted, actual = entities(predicted_tags), entities(actual_tags)
            self.hits.update(entity_type for entity_type, *_ in predicted & actual)
            self.predicted.update(entity_type for entity_type, *_ in predicted)
            self.actual.update(entity_type for entity_type, *_ in actual)

    def per_class(self) -> list[dict[str, Any]]:
        """Return support, precision, recall and F1 of each entity type, by support."""
        types = sorted({*self.predicted, *self.actual}, key=lambda name: (-self.actual[name], name))
        hits, predicted, actual = (
            np.array([counter[name] for name in types], dtype=float)
            for counter in (self.hits, self.predicted, self.actual)
        )
        scores = {
            "precision": safe_divide(hits, predicted),
            "recall": safe_divide(hits, actual),
            "f1": safe_divide(2 * hits, predicted + actual),
        }
        return [
            {"label": name, "support": self.actual[name], "predicted": self.predicted[name]}
            | {metric: round(float(values[i]), 6) for metric, values in scores.items()}
            for i, name in enumerate(types)
        ]
