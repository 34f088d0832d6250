"""Summaries → ROUGE-1, -2, -L and -Lsum (Lin 2004), F1 with stemming; BLEU and chrF too."""

import numpy as np

from temper.metrics import aggregates, translation

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
HEADLINE = ("rougeL", "rouge1", "rouge2", "rougeLsum")
GREATER_IS_BETTER = dict.fromkeys((*ROUGE, *translation.HEADLINE), True)
TRAINING_METRICS = translation.TRAINING_METRICS


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return the ROUGE scores and 1 of each example, then the statistics of `translation`."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        scores = scorer.score("\n".join(reference.split(". ")), "\n".join(prediction.split(". ")))
        rows.append([*(scores[name].fmeasure for name in ROUGE), 1])
    rouge = np.array(rows, dtype=np.float64).reshape(-1, len(ROUGE) + 1)
    return np.hstack([rouge, translation.per_example_stats(predictions, references)])


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics."""
    rouge = {name: aggregates.mean(totals, i, len(ROUGE)) for i, name in enumerate(ROUGE)}
    return rouge | translation.aggregate(totals[:, len(ROUGE) + 1 :])


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return 1 - ROUGE-L of each example."""
    return 1 - stats[:, ROUGE.index("rougeL")]
