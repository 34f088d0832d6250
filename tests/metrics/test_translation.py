"""Scores of written texts are sacrebleu's and rouge-score's."""

import numpy as np
import pytest

from temper import metrics

SOURCES = ["the cat sat on the mat .", "hello there , general Kenobi !", "a b c d e f", ""]
TARGETS = ["a cat sat on the mat .", "hello there , general", "a b c d x f", "something"]


def test_text_scores_are_sacrebleus_and_rouges():
    """Corpus BLEU and chrF come from sums of examples, ROUGE is the mean of theirs."""
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    scores = metrics.compute_from_predictions("summarization", SOURCES, TARGETS)
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu(SOURCES, [TARGETS]).score)
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(SOURCES, [TARGETS]).score)
    scorer = RougeScorer(["rouge2", "rougeL"], use_stemmer=True)
    for name in ("rouge2", "rougeL"):
        each = [scorer.score(t, s)[name].fmeasure for s, t in zip(SOURCES, TARGETS, strict=True)]
        assert scores[name] == pytest.approx(np.mean(each))
    assert metrics.compute_from_predictions("translation", TARGETS, TARGETS)["exact_match"] == 1
