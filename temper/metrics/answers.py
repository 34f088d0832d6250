"""Answers → exact match and word F1 after normalising, as SQuAD scores them.

Lower case, no punctuation, no articles, single spaces; the best score over the reference answers;
where there is no reference answer, the empty prediction is right (Rajpurkar et al. 2016, 2018).
Fractions, not per cent.
"""

import re
import string
from collections import Counter

import numpy as np

from temper.metrics import aggregates

HEADLINE = ("f1", "exact_match")
GREATER_IS_BETTER = {"f1": True, "exact_match": True}
TRAINING_METRICS = {"accuracy": True}  # of the start and end tokens in windows
ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def word_f1(prediction: str, reference: str) -> float:
    """Return the F1 of the normalised words, counted with repetition."""
    predicted, actual = normalize(prediction).split(), normalize(reference).split()
    if not predicted or not actual:
        return float(predicted == actual)
    common = sum((Counter(predicted) & Counter(actual)).values())
    return 2 * common / (len(predicted) + len(actual))


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return F1, exact match and 1 of each example.

    Args:
        predictions: a string each, empty for no answer.
        references: {"text": [...]} each, empty for no answer.
    """
    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        allowed = [text for text in reference["text"] if normalize(text)] or [""]
        exact = max(normalize(prediction) == normalize(text) for text in allowed)
        rows.append((max(word_f1(prediction, text) for text in allowed), exact, 1))
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 3)."""
    return {"f1": aggregates.mean(totals, 0, 2), "exact_match": aggregates.mean(totals, 1, 2)}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return 1 - F1 of each example."""
    return 1 - stats[:, 0]
