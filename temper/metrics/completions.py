"""Completions → exact match of the generated texts, perplexity of the references."""

import re

import numpy as np

from temper.metrics import aggregates, language

HEADLINE = ("exact_match", "perplexity", "accuracy")
GREATER_IS_BETTER = {"exact_match": True, "perplexity": False, "accuracy": True}
TRAINING_METRICS = language.GREATER_IS_BETTER
THOUGHT = re.compile(r"\s*(</?think>)\s*")


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return -log p, hits, tokens, exact match and 1 of each example.

    Args:
        predictions: (text, token statistics or None) each; a baseline has no probabilities.
        references: a text each.
    """
    unknown = (np.nan,) * 3
    rows = [
        (*(unknown if stats is None else stats), compared(text) == compared(reference), 1)
        for (text, stats), reference in zip(predictions, references, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def compared(text: str) -> str:
    """Return a text as it is compared: chat templates write the same thought in several ways.

    It has no white space at its ends and around `<think>` and `</think>`. A thought at its
    beginning may lack `<think>`, and an empty one is none.
    """
    bare = THOUGHT.sub(r"\1", text.strip())
    return bare.removeprefix("<think>").removeprefix("</think>") if "</think>" in bare else bare


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 5); NaN without probabilities."""
    unknown = np.isnan(totals[:, 0])
    of_tokens = language.aggregate(totals).items()
    scores = {name: np.where(unknown, np.nan, values) for name, values in of_tokens}
    return {"exact_match": aggregates.mean(totals, 3, 4)} | scores


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return 0 where the text is right, else the mean -log p of the reference's tokens.

    Without probabilities that is 1.
    """
    return np.nan_to_num(language.example_loss(stats), nan=1.0) * (1 - stats[:, 3])
