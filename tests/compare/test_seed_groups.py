"""Seeds of one configuration are put together."""

import re
from dataclasses import replace

import pytest

from temper.compare import console_tables, model_comparison, seed_groups, significance, verdicts
from tests.helpers.comparisons import BETTER, SAMPLES, WANTED, labelled, model


def test_groups_the_seeds_of_one_configuration():
    """Each group has mean ± deviation, and Welch's interval compares two groups."""
    from scipy.stats import ttest_ind

    scores = {"a1": 0.90, "b1": 0.80, "a2": 0.92, "b2": 0.83, "b3": 0.81}
    models = [
        model(name, labelled(WANTED, BETTER), settings={
            "seed": int(name[1]), "train.epochs": 2.0 if name[0] == "a" else 3.0
        })
        for name in scores
    ]  # fmt: skip
    given = [{"accuracy": value} for value in scores.values()]
    first, second = seed_groups.group(models, given, ["accuracy"])
    assert (first.names, second.names) == (["a1", "a2"], ["b1", "b2", "b3"])
    assert first.welch is None
    wanted = ttest_ind([0.80, 0.83, 0.81], [0.90, 0.92], equal_var=False)
    assert second.welch == pytest.approx((*wanted.confidence_interval(), wanted.pvalue))
    assert significance.welch([0.5, 0.5], [0.5, 0.5]) == (0, 0, 1)
    assert significance.welch([0.5, 0.5], [0.7, 0.7]) == pytest.approx((0.2, 0.2, 0))
    assert seed_groups.differing(models) == {
        "seed": [1, 1, 2, 2, 3], "train.epochs": [2.0, 3.0, 2.0, 3.0, 3.0]
    }  # fmt: skip
    result = model_comparison.compare(models, None, None, SAMPLES)
    table = console_tables.seeds([first, second], replace(result, metric_names=["accuracy"]))
    assert table.rows[0] == ["a1, a2", "2", "0.9100 ± 0.0141"]
    other, line = verdicts.seed_verdicts(
        [first, second], replace(result, metric_names=["accuracy"])
    )
    assert other.startswith("a2 and a1 differ in the seed alone: their difference is training noi")
    assert re.fullmatch(
        r"configuration b1, b2, b3 vs a1, a2: significantly worse over 3 and 2 seeds \(accuracy "
        r"-0\.097, 95 % CI -0\.\d+ to -0\.\d+, Welch p = 0\.\d+\)",
        line,
    )
    near = replace(second, welch=(-0.2, 0.1, 0.3))
    _, line = verdicts.seed_verdicts([first, near], replace(result, metric_names=["accuracy"]))
    assert "b1, b2, b3 vs a1, a2: not significant over 3 and 2 seeds" in line
    assert seed_groups.group(models[:2], given, ["accuracy"]) == []
    assert seed_groups.group([models[0], models[0]], given, ["accuracy"]) == []
