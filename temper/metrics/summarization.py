"""Written texts → ROUGE-1, -2, -L and -Lsum (Lin 2004), F1 with stemming; BLEU and chrF too."""

import numpy as np

from temper.metrics import aggregates, translation

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
HEADLINE = ("rougeL", "rouge1", "rouge2", "rougeLsum")
GREATER_IS_BETTER = dict.fromkeys((*ROUGE, *translation.HEADLINE), True)
TRAINING = translation.TRAINING


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return the ROUGE scores and 1 of each example, then what `translation` sums."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    rows = []
    for found, wanted in zip(predictions, references, strict=True):
        scores = scorer.score("\n".join(wanted.split(". ")), "\n".join(found.split(". ")))
        rows.append([*(scores[name].fmeasure for name in ROUGE), 1])
    first = np.array(rows, dtype=np.float64).reshape(-1, len(ROUGE) + 1)
    return np.hstack([first, translation.per_example_stats(predictions, references)])


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics."""
    own = {name: aggregates.mean(totals, i, len(ROUGE)) for i, name in enumerate(ROUGE)}
    return own | translation.aggregate(totals[:, len(ROUGE) + 1 :])


def example_loss(rows: np.ndarray) -> np.ndarray:
    """Return what each example lacks of a ROUGE-L of 1."""
    return 1 - rows[:, ROUGE.index("rougeL")]
