"""Seeds of one configuration are put together."""

import re

import pytest

from temper.compare import model_comparison, seed_groups, significance, tables
from tests.helpers.comparisons import SAMPLES, WANTED, flipped, labelled, model


def trained(name, wrong=range(50)):
    """Return a model of the configuration that its first letter names; the rest is the seed."""
    settings = {"seed": int(name[1]), "train.epochs": 2.0 if name[0] == "a" else 3.0}
    return model(name, labelled(WANTED, flipped(WANTED, wrong)), settings=settings)


def test_groups_the_seeds_of_one_configuration():
    """Each group has mean ± deviation, and Welch's interval compares two groups."""
    wrong = {"a1": 60, "b1": 120, "a2": 48, "b2": 102, "b3": 114}
    models = [trained(name, range(count)) for name, count in wrong.items()]
    result = model_comparison.compare(models, None, "accuracy", SAMPLES)
    groups = seed_groups.group(result.models)
    assert [[model.name for model in group] for group in groups] == [
        ["a1", "a2"],
        ["b1", "b2", "b3"],
    ]
    table = seed_groups.table(groups, result)
    assert table.head[:3] == ["trainings", "seeds", "accuracy"]
    assert table.rows[0][:3] == ["a1, a2", "2", "0.9100 ± 0.0141"]
    other, line = seed_groups.verdicts(groups, result)
    assert other.startswith("a2 and a1 differ in the seed alone: their difference is training noi")
    assert re.fullmatch(
        r"configuration b1, b2, b3 vs a1, a2: significantly worse over 3 and 2 seeds \(accuracy "
        r"-0\.097, 95 % CI -0\.\d+ to -0\.\d+, Welch p = 0\.\d+\)",
        line,
    )
    assert seed_groups.group(result.models[:2]) == []
    assert seed_groups.group([result.models[0]] * 2) == []
    differing = tables.parameters(models).rows
    assert differing == [
        ["seed", "1", "1", "2", "2", "3"],
        ["train.epochs", "2", "3", "2", "3", "3"],
    ]


def test_seeds_that_differ_more_than_the_configurations_decide_nothing():
    """The sentence says so."""
    models = [trained("a1", range(60)), trained("a2", range(90)), trained("b1", range(70)),
              trained("b2", range(100))]  # fmt: skip
    result = model_comparison.compare(models, None, "accuracy", SAMPLES)
    *_, line = seed_groups.verdicts(seed_groups.group(result.models), result)
    assert "b1, b2 vs a1, a2: not significant over 2 and 2 seeds" in line


def test_seeds_without_variance_have_an_interval():
    """Equal scores of every seed are a difference of that size, or none."""
    assert significance.welch([0.5, 0.5], [0.5, 0.5]) == (0, 0, 1)
    assert significance.welch([0.5, 0.5], [0.7, 0.7]) == pytest.approx((0.2, 0.2, 0))
    low, high, p = significance.welch([0.9, 0.92], [0.8, 0.83, 0.81])
    assert (low < -0.097 < high, p < 0.05) == (True, True)
