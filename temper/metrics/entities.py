"""Tags per word → precision, recall and F1 of whole entities, as seqeval counts them.

An entity is right when its type, first and last word are (Tjong Kim Sang & De Meulder 2003).
"""

from collections import Counter

import numpy as np

from temper.metrics import aggregates

HEADLINE = ("f1", "precision", "recall", "accuracy")
GREATER_IS_BETTER = dict.fromkeys(HEADLINE, True)


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
    scores = aggregates.precision_recall_f1(totals[:, 0], totals[:, 1], totals[:, 2])
    return scores | {"accuracy": aggregates.mean(totals, 3, 4)}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return the number of false negatives and false positives of each example."""
    return stats[:, 1] + stats[:, 2] - 2 * stats[:, 0]


def counts_by_type(predictions: list, references: list) -> Counter[tuple[str, str]]:
    """Count hits, predicted and actual entities: `("PER", "hits")` and so on."""
    counts: Counter[tuple[str, str]] = Counter()
    for predicted_tags, actual_tags in zip(predictions, references, strict=True):
        predicted, actual = entities(predicted_tags), entities(actual_tags)
        found = {"hits": predicted & actual, "predicted": predicted, "actual": actual}
        for column, spans in found.items():
            counts.update((entity_type, column) for entity_type, *_ in spans)
    return counts
