"""Scores that the predictions do not give are not tested."""

import re

from temper.compare import model_comparison, page, tables, verdicts
from tests.helpers.comparisons import BETTER, SAMPLES, WANTED, labelled, model, two


def test_scores_that_the_predictions_do_not_give_are_not_tested():
    """They are shown with their intervals, and a note says why."""
    odd = model("b", labelled(WANTED, BETTER), scores={"accuracy": 0.9166667, "f1": 0.2})
    found = model_comparison.compare([two()[0], odd], None, None, SAMPLES)
    assert [d.metric for d in found.comparisons[0].differences] == ["accuracy"]
    assert list(found.greater_is_better)[:2] == ["accuracy", "f1"]
    assert re.fullmatch(
        r"f1: no paired test, since the predictions of b give 0\.9\d+, its metrics\.json has "
        r"0\.2000 \(another evaluate\.positive_label\?\)",
        found.notes[0],
    )


def test_perplexities_of_other_tokens_are_not_tested():
    """Nor is token accuracy, which the predictions do not hold."""
    texts = {"sentence1": ["x", "y"]}

    def words(name, *cells):
        table = [{"row": i, "reference": "", "prediction": c} for i, c in enumerate(cells)]
        return model(name, table, texts, kind="words", scores=SCORES[name])

    SCORES = {
        "a": {"perplexity": 4.0, "accuracy": 0.5, "perplexity_low": 3.0, "perplexity_high": 5.0},
        "b": {"perplexity": 2.0, "accuracy": 0.6},
        "c": {"perplexity": 2.0, "accuracy": 0.6},
    }
    first = words("a", "perplexity 4 of 5 tokens", "perplexity 4 of 2 tokens")
    second = words("b", "perplexity 2 of 5 tokens", "perplexity 2 of 2 tokens")
    found = model_comparison.compare([first, second], None, None, SAMPLES)
    assert [d.metric for d in found.comparisons[0].differences] == ["perplexity"]
    assert verdicts.verdict(found.comparisons[0], found) == (
        "b vs a: significantly better on 2 test rows (perplexity -2, 95 % CI -2 to -2, p < 0.001; "
        "lower is better)"
    )
    assert (
        "accuracy: no paired test, since it cannot be computed row by row from the predictions"
        in found.notes
    )
    third = words("c", "perplexity 2 of 9 tokens", "perplexity 2 of 2 tokens")
    found = model_comparison.compare([first, third], None, None, SAMPLES)
    assert verdicts.verdict(found.comparisons[0], found).startswith(
        "c vs a: no paired test is possible"
    )
    assert "split the texts into different tokens" in found.notes[0]
    assert tables.scores(found).rows[0] == ["perplexity", "4 (3 to 5)", "2"]
    assert page.page(found, [], [], "t")
