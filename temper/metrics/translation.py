"""Translations → BLEU (Papineni et al. 2002) and chrF (Popović 2015) by sacrebleu, 0 to 100."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from temper.metrics import aggregates, language

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

HEADLINE = ("bleu", "chrf", "exact_match")
GREATER_IS_BETTER = dict.fromkeys(HEADLINE, True)
TRAINING_METRICS = language.GREATER_IS_BETTER  # of the next token, teacher-forced
BLEU_COLUMNS = 10  # two lengths, four counts of matching n-grams, four of all


@cache
def scorers() -> "tuple[BLEU, CHRF]":
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return BLEU(), CHRF()


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return the n-gram counts of BLEU and chrF, exact match and 1 of each example."""
    counts = [
        np.array(scorer._extract_corpus_statistics(predictions, [references]), dtype=np.float64)
        for scorer in scorers()
    ]
    exact = [p.strip() == r.strip() for p, r in zip(predictions, references, strict=True)]
    return np.hstack([*counts, np.array(exact, dtype=float)[:, None], np.ones((len(exact), 1))])


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, columns)."""
    columns = (slice(BLEU_COLUMNS), slice(BLEU_COLUMNS, -2))
    bleu, chrf = (
        np.array([scorer._compute_score_from_stats(row.tolist()).score for row in totals[:, part]])
        for scorer, part in zip(scorers(), columns, strict=True)
    )
    return {"bleu": bleu, "chrf": chrf, "exact_match": aggregates.mean(totals, -2, -1)}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return 100 - chrF of each example."""
    return 100 - aggregate(stats)["chrf"]
