"""Seeds of one configuration are put together."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.stats import ttest_ind

from temper.compare import model_comparison, seed_groups, seed_table, significance, tables
from tests.helpers.comparisons import SAMPLES, WANTED, flipped, labelled, model


def trained(name, wrong=range(50)):
    """Return a model of the configuration that its first letter names; the rest is the seed."""
    settings = {"seed": int(name[1]), "train.epochs": 2.0 + "abcd".index(name[0])}
    return model(name, labelled(WANTED, flipped(WANTED, wrong)), settings=settings)


def grouped(models, metric=None):
    """Return groups of models, their tests and the comparison of the models."""
    result = model_comparison.compare(models, None, metric, SAMPLES)
    groups = seed_groups.group(result.models)
    return groups, seed_groups.test_all(groups, result), result


def with_mistakes(wrong):
    """Return a model for each name, with as many wrong rows."""
    return [trained(name, range(count)) for name, count in wrong.items()]


def test_groups_the_seeds_of_one_configuration():
    """Each group has mean ± deviation, and Welch's interval compares two groups."""
    models = with_mistakes({"a1": 60, "b1": 120, "a2": 48, "b2": 102, "b3": 114})
    groups, tests, result = grouped(models, "accuracy")
    assert [group.trainings for group in groups] == ["a1, a2", "b1, b2, b3"]
    table = seed_groups.table(groups, tests, result)
    means = [np.array([0.9, 0.92]), np.array([0.8, 0.83, 0.81])]
    p = ttest_ind(*means, equal_var=False)[1]
    assert table.rows[:3] == [
        ["accuracy", "train.epochs=2", "2", "0.9100 ± 0.0141", ""],
        ["", "train.epochs=3", "3", "0.8133 ± 0.0153", f"{p:.3f}"],
        ["f1", "train.epochs=2", "2", "0.9100 ± 0.0141", ""],
    ]
    how, line, *_ = seed_groups.remarks(groups, tests, result)
    assert how.startswith("Mean ± sample standard deviation over seeds, on 600 test rows. p: ")
    assert line.startswith("train.epochs=2: a1, a2; they differ in the seed alone: their differ")
    (verdict,) = seed_groups.verdicts(groups, tests, result)
    assert re.fullmatch(
        r"train\.epochs=3 vs train\.epochs=2: significantly worse over 3 and 2 seeds \(accuracy "
        r"-0\.097, 95 % CI -0\.\d+ to -0\.\d+, Welch p = 0\.\d+\)",
        verdict.text,
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
    models = with_mistakes({"a1": 60, "a2": 90, "b1": 70, "b2": 100})
    (verdict,) = seed_groups.verdicts(*grouped(models, "accuracy"))
    assert "3 vs train.epochs=2: not significant over 2 and 2 seeds" in verdict.text


def test_seeds_without_variance_are_not_tested():
    """Two ties say nothing about other seeds; a deviation in one group is enough for a test."""
    assert significance.welch([0.5, 0.5], [0.5, 0.5]) is None
    assert significance.welch([0.5, 0.5], [0.7, 0.7]) is None
    before, after = [0.8, 0.83, 0.81], [0.53, 0.53]  # scipy warns of the second
    mean, error = 0.53 - np.mean(before), np.std(before, ddof=1) / 3**0.5
    reach = 4.302653 * error  # of Student's t with 2 degrees of freedom
    low, high, p = significance.welch(before, after) or (0, 0, 0)
    assert (low, high) == pytest.approx((mean - reach, mean + reach), rel=1e-5)
    assert 0 < p < 0.01


def test_a_table_says_which_scores_were_not_tested():
    """Where all seeds of both configurations have one score: no p, no verdict, and a line."""
    models = with_mistakes({"a1": 60, "a2": 60, "b1": 50, "b2": 50, "c1": 60, "c2": 72})
    groups, tests, result = grouped(models, "accuracy")
    rows = seed_groups.table(groups, tests, result).rows
    assert rows[1][2:] == ["2", "0.9167 ± 0.0000", ""]
    assert rows[2][-1] != ""
    (verdict,) = seed_groups.verdicts(groups, tests, result)
    assert verdict.text.startswith("train.epochs=4")
    assert "Holm" not in verdict.text + seed_groups.method(groups, tests, result)
    *_, line = seed_groups.remarks(groups, tests, result)
    assert re.fullmatch(r"train\.epochs=3: accuracy, .*f1.* not tested: no seed differs", line)


def test_p_values_of_several_configurations_are_adjusted():
    """Those of each score by Holm, over the configurations that are tested; one seed is no test."""
    wrong = {"a1": 60, "a2": 66, "b1": 80, "b2": 88, "c1": 70, "c2": 64, "d1": 90}
    groups, tests, result = grouped(with_mistakes(wrong))
    scores = {name: 1 - count / 600 for name, count in wrong.items()}
    first = [scores["a1"], scores["a2"]]
    p: list[Any] = [
        ttest_ind(first, [scores[f"{name}1"], scores[f"{name}2"]], equal_var=False)[1]
        for name in "bc"
    ]
    found = [test["accuracy"] for test in tests[:2]]
    assert [test.p for test in found] == pytest.approx(p, abs=1e-4)
    assert [test.adjusted for test in found] == pytest.approx([2 * p[0], p[1]], abs=1e-4)
    assert tests[2] == {}
    *_, verdict = seed_groups.verdicts(groups, tests, result)
    assert verdict.text.endswith(f"Welch p = {p[1]:.2f}, Holm over 2 configurations)")
    assert "Holm-adjusted for 2 configurations" in seed_groups.method(groups, tests, result)


def test_a_model_that_stands_for_another_is_named():
    """Of two models with the same parameters and seed the second is left out."""
    models = [trained("a1", range(60)), trained("a2"), replace(trained("a1"), name="again")]
    groups, tests, result = grouped(models)
    *_, line = seed_groups.remarks(groups, tests, result)
    assert (
        line == "again is not in the table: a model above has its parameters, rows, code and seed"
    )
    assert seed_groups.table(groups, [], result).rows[0][1:3] == ["sample", "2"]


def test_a_first_configuration_with_one_seed_is_no_baseline():
    """Nothing can be tested against it, and a line says what to name first."""
    models = [trained("a1"), trained("b1", range(60)), trained("b2", range(70))]
    groups, tests, result = grouped(models)
    assert seed_groups.verdicts(groups, tests, result) == []
    *_, line = seed_groups.remarks(groups, tests, result)
    assert line.startswith("no configuration is tested: a1, which was named first, has one seed;")


def test_other_training_rows_are_another_configuration():
    """As with labels that were corrected: the parameters and the test rows are the same."""
    models = [trained("a1"), trained("a2"), replace(trained("a1"), name="new-1"),
              replace(trained("a2"), name="new-2")]  # fmt: skip
    for one, sha256 in zip(models, ["0123456789"] * 2 + ["abcdefabcd"] * 2, strict=True):
        splits = {"test": {"sha256": "same"}, "train": {"sha256": sha256}}
        one.files.files["data/raw/summary.json"] = json.dumps({"splits": splits}).encode()
    groups, *_ = grouped(models)
    assert [(group.name, group.trainings) for group in groups] == [
        ("training rows 0123456", "a1, a2"),
        ("training rows abcdefa", "new-1, new-2"),
    ]


def locked(**changes):
    """Return a dvc.lock whose `train` has these md5s; double underscores are slashes."""
    md5s = {"temper__training": "1", "data__base": "2", "data__tokenized": "3"} | changes
    deps = [{"path": path.replace("__", "/"), "md5": md5} for path, md5 in md5s.items()]
    return yaml.safe_dump({"stages": {"train": {"deps": deps}}}).encode()


@pytest.mark.parametrize("path", ["temper__training", "data__base"])
def test_other_code_or_another_base_model_is_another_configuration(path):
    """Also with the same seeds; the tokenized data, which has all splits, does not count."""
    models = [trained("a1"), trained("a2"), replace(trained("a1"), name="new-1"),
              replace(trained("a2"), name="new-2")]  # fmt: skip
    locks = [locked(), locked(data__tokenized="4"), locked(**{path: "5"}), locked(**{path: "5"})]
    for one, lock in zip(models, locks, strict=True):
        one.files.files["dvc.lock"] = lock
    groups, *_ = grouped(models)
    assert [group.trainings for group in groups] == ["a1, a2", "new-1, new-2"]
    names = [group.name for group in groups]
    assert all(re.fullmatch("code [0-9a-f]{7}", name) for name in names)
    assert names[0] != names[1]


def test_names_say_on_one_line_what_differs_from_the_first():
    """The first has each value that others change; floats that round alike have all digits."""
    first = {"model.name": "a\nb", "train.learning_rate": 0.0001}
    changes = [
        {},
        {"train.learning_rate": 0.00010000001},
        {"model.name": "a|c", "train.epochs": 3.0},
    ]
    models = [
        model(f"{i}{seed}", labelled(WANTED, WANTED), settings={**first, **change, "seed": seed})
        for i, change in enumerate(changes)
        for seed in (1, 2)
    ]
    groups, _, result = grouped(models)
    names = [set(group.name.split(", ")) for group in groups]
    assert names == [
        {r"model.name=a\nb", "train.learning_rate=0.0001", "train.epochs=2"},
        {"train.learning_rate=0.00010000001"},
        {"model.name=a|c", "train.epochs=3"},
    ]
    rates = next(row for row in tables.parameters(models).rows if "learning_rate" in row[0])
    assert rates[2:4] == ["0.0001", "0.00010000001"]
    text = seed_table.render(Path("x.tex"), groups, [{}, {}], result)
    rows = [line for line in text.splitlines() if line.startswith("accuracy") or "textbar" in line]
    assert r"a\textbackslash{}nb" in rows[0]
    assert r"a\textbar{}c" in rows[1]
