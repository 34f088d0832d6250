"""Written texts → BLEU (Papineni et al. 2002) and chrF (Popović 2015) by sacrebleu, 0 to 100."""

from functools import cache
from typing import Any

import numpy as np

from temper.metrics import aggregates

HEADLINE = ("bleu", "chrf", "exact_match")
GREATER_IS_BETTER = dict.fromkeys(HEADLINE, True)
TRAINING = {"perplexity": False, "accuracy": True}  # of the next token, the right ones before it
BLEU_SUMS = 10  # two lengths, four counts of n-grams that are right, four of all


@cache
def scorers() -> tuple[Any, Any]:
    from sacrebleu.metrics import BLEU, CHRF  # type: ignore[attr-defined]

    return BLEU(), CHRF()


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return the n-gram counts of BLEU and chrF, exact match and 1 of each example."""
    bleu, chrf = scorers()
    parts = [
        np.array(scorer._extract_corpus_statistics(predictions, [references]), dtype=np.float64)
        for scorer in (bleu, chrf)
    ]
    exact = [f.strip() == w.strip() for f, w in zip(predictions, references, strict=True)]
    return np.hstack([*parts, np.array(exact, dtype=float)[:, None], np.ones((len(exact), 1))])


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, …)."""
    bleu, chrf = scorers()
    ends = (slice(BLEU_SUMS), slice(BLEU_SUMS, -2))
    found = [
        np.array([scorer._compute_score_from_stats(row.tolist()).score for row in totals[:, end]])
        for scorer, end in zip((bleu, chrf), ends, strict=True)
    ]
    return {"bleu": found[0], "chrf": found[1], "exact_match": aggregates.mean(totals, -2, -1)}


def example_loss(rows: np.ndarray) -> np.ndarray:
    """Return what each example lacks of a chrF of 100."""
    return 100 - aggregate(rows)["chrf"]
