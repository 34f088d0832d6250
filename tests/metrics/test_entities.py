"""Entity scores are seqeval's."""

import numpy as np
import pytest

from temper import metrics
from temper.evaluation import tables


def test_entity_scores_are_seqevals():
    """All kinds of sentences are scored, also by type."""
    from seqeval.metrics import classification_report, f1_score, precision_score, recall_score

    tags = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    random = np.random.default_rng(4)
    wanted = [[tags[i] for i in random.integers(0, 5, 12)] for _ in range(40)]
    found = [
        [tag if random.random() < 0.8 else tags[random.integers(0, 5)] for tag in row]
        for row in wanted
    ]
    scores = metrics.compute_from_predictions("entities", found, wanted)
    assert scores["f1"] == pytest.approx(f1_score(wanted, found))
    assert scores["precision"] == pytest.approx(precision_score(wanted, found))
    assert scores["recall"] == pytest.approx(recall_score(wanted, found))
    count_types = metrics.load("entities").counts_by_type
    counts = count_types(found[:20], wanted[:20]) + count_types(found[20:], wanted[20:])
    report = classification_report(wanted, found, output_dict=True)
    for row in tables.per_type(counts):
        assert row["f1"] == pytest.approx(report[row["label"]]["f1-score"], abs=1e-6)
        assert row["support"] == report[row["label"]]["support"]
