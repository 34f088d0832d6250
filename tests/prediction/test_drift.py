"""Rows that are not like those of validation are named, and rows that are like them are not."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from temper.core.errors import InputError
from temper.prediction import drift, profile
from temper.prediction.profile import Facts
from temper.tasks.base.tags import entities

CLASS = SimpleNamespace(params=SimpleNamespace(target_type="class"))
TAGS = SimpleNamespace(params=SimpleNamespace(target_type="tags"), label_names=["B-X", "O"])


def facts(random, rows, shift=0.0, share=0.3):
    """Return facts of rows: lengths with ties, a share that is mostly 0, a score, two labels."""
    numbers = {
        profile.TOKENS: random.poisson(20 * (1 + shift), rows).astype(float),
        profile.UNKNOWN: random.binomial(1, 0.02, rows) / 10,
        profile.CONFIDENCE: random.beta(5, 1, rows),
    }
    numbers = {name: profile.three_digits(values) for name, values in numbers.items()}
    labels = np.where(random.random(rows) < share, "spam", "ham").tolist()
    return Facts(numbers, {profile.LABEL: labels})


def watch_of(reference, rows):
    stored = profile.summarize(reference) | {"split": "validation", "rows": rows}
    stored |= {"common_tokens": [1, 2], "unknown_token": None, "center": None}
    return drift.Watch(json.loads(json.dumps(stored)))


def findings(reference, rows):
    watch = watch_of(reference, len(reference.categories[profile.LABEL]))
    watch.count(rows, len(rows.categories[profile.LABEL]))
    return watch.findings()


@pytest.mark.parametrize("sizes", [(400, 200), (100, 1000), (60, 60)])
def test_rows_of_one_kind_are_seldom_called_different(monkeypatch, sizes):
    """At most 5 % of 200 times in all four facts together, within the error of 200 draws."""
    monkeypatch.setattr(drift, "DRAWS", 299)
    monkeypatch.setattr(drift, "LEAST", {"numbers": 0.0, "categories": 0.0})  # p alone decides
    random = np.random.default_rng(8)
    groups = [[facts(random, size) for size in sizes] for _ in range(200)]
    called = sum(bool(findings(*pair)) for pair in groups)
    assert called <= stats.binom.ppf(0.99, 200, drift.LEVEL)


def test_planted_drift_is_named_with_numbers():
    """Each fact by itself, and nothing else."""
    random = np.random.default_rng(2)
    reference = facts(random, 400)
    (line,) = findings(reference, facts(random, 200, shift=0.5))
    assert line.startswith("drift: tokens per row: mean 30")
    assert ", in validation 20" in line
    assert line.endswith("p 0.002, 200 rows)")
    (line,) = findings(reference, facts(random, 200, share=0.7))
    assert line.startswith("drift: predicted label ")
    share = facts(random, 200, share=0.0)
    share.categories[profile.LABEL][:100] = ["new"] * 100
    assert "predicted label new: 50.0%, in validation 0.0%" in findings(reference, share)[0]


def test_fewer_rows_than_fifty_are_not_compared():
    random = np.random.default_rng(2)
    reference, other = facts(random, 400), facts(random, 49, shift=3)
    assert findings(reference, other) == []
    assert findings(facts(random, 49), facts(random, 400, shift=3)) == []
    assert len(findings(reference, facts(random, 50, shift=3))) == 1


def test_a_difference_that_is_small_is_not_worth_a_line():
    """However sure it is."""
    random = np.random.default_rng(2)
    pair = facts(random, 5000, share=0.30), facts(random, 100_000, share=0.33)
    assert findings(*pair) == []
    assert len(findings(pair[0], facts(random, 100_000, share=0.38))) == 1


def test_counts_of_parts_are_those_of_the_whole():
    """A file is predicted in parts."""
    random = np.random.default_rng(2)
    rows = facts(random, 300, shift=1)
    whole, parts = watch_of(facts(random, 200), 200), watch_of(facts(random, 200), 200)
    parts = drift.Watch(whole.stored)
    whole.count(rows, 300)
    for start in (0, 100, 200):
        part = slice(start, start + 100)
        numbers = {name: values[part] for name, values in rows.numbers.items()}
        categories = {name: values[part] for name, values in rows.categories.items()}
        parts.count(Facts(numbers, categories), 100)
    assert parts.findings() == whole.findings() != []
    parts.clear()
    assert (parts.num_rows, parts.findings()) == (0, [])


def test_p_of_two_categories_is_that_of_the_hypergeometric_distribution():
    """All draws that are as far away, counted by scipy."""
    reference, counts = np.array([70, 30]), np.array([26, 24])
    distance, p = drift.compare(reference, counts, np.random.default_rng(1), ordered=False)
    assert distance == pytest.approx(0.52 - 0.30 - 0.04)
    drawn = np.arange(51)
    gaps = np.abs(drawn / 50 - (96 - drawn) / 100)
    exact = stats.hypergeom(150, 96, 50).pmf(drawn)[gaps >= distance - 1e-9].sum()
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact / drift.DRAWS))


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_p_of_numbers_is_that_of_kolmogorov_and_smirnov(shift):
    """With a bin per value there are no ties, and scipy's test is the same."""
    random = np.random.default_rng(4)
    first, second = random.normal(size=90), random.normal(size=60) + shift
    edges = np.sort(np.concatenate([first, second])).tolist()
    counts = [np.array(profile.count(values, edges)) for values in (first, second)]
    distance, p = drift.compare(*counts, np.random.default_rng(1), ordered=True)
    expected = stats.ks_2samp(first, second, method="exact")
    assert distance == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, abs=4 * np.sqrt(0.25 / drift.DRAWS))


def test_holm_is_that_of_the_paper():
    """Ascending, times the number of those left, never falling, at most 1."""
    assert drift.holm([0.01, 0.04, 0.03, 0.6]) == pytest.approx([0.04, 0.09, 0.09, 0.6])
    assert drift.holm([0.9, 0.5]) == [1.0, 1.0]
    assert drift.holm([]) == []


def test_facts_of_tokens_are_those_of_each_row():
    """Windows of one row count together; 7 is unknown, 1 and 2 are common."""
    known = profile.Known(np.array([1, 2]), 7, None)
    found = profile.of_tokens([[1, 2, 7], [9], [], [1, 1]], [0, 0, 1, 2], 3, known)
    assert found[profile.TOKENS].tolist() == [4, 0, 2]
    assert found[profile.UNKNOWN].tolist() == [0.25, 0, 0]
    assert found[profile.UNCOMMON].tolist() == [0.5, 0, 0]
    without = profile.of_tokens([[1]], [0], 1, profile.Known(np.array([1]), None, None))
    assert profile.UNKNOWN not in without


def test_facts_of_predictions_ignore_thresholds():
    """The likeliest label, whatever is decided; the first entity's type; the vector's distance."""
    columns = {"prediction": ["", "a|b"], "score_a": [0.4, 0.6], "score_b": [0.3, 0.9], "score": []}
    found = profile.of_predictions(CLASS, columns, None)  # type: ignore[arg-type]
    assert found.categories == {profile.LABEL: ["a", "b"]}
    assert found.numbers[profile.CONFIDENCE].tolist() == [0.4, 0.9]
    rows = [["O", "B-X-Y", "I-X-Y"], "O O", "B-Z"]
    tags = profile.of_predictions(TAGS, {"prediction": rows}, None)  # type: ignore[arg-type]
    assert tags.categories["first entity"] == ["X-Y", profile.NO_ENTITY, "Z"]
    assert entities(rows[0])[0][0] == "X-Y"  # type: ignore[arg-type]
    vectors, center = np.array([[1.0, 0], [0, 1], [-1, 0]]), np.array([0.5, 0])
    assert profile.distances(vectors, center).tolist() == [0, 1, 2]


def test_tags_with_a_space_are_not_taken_from_a_table():
    """`B-new york` is an entity `new` there, and is none when the same rows are predicted."""
    task = SimpleNamespace(params=TAGS.params, label_names=["B-new york", "O"])
    of_table = profile.of_predictions(task, {"prediction": ["B-new york O"]}, None)  # type: ignore[arg-type]
    assert of_table == Facts({}, {})
    lists = {"prediction": [["B-new york", "O"]]}
    predicted = profile.of_predictions(task, lists, None)  # type: ignore[arg-type]
    assert predicted.categories == {"first entity": ["new york"]}


def test_a_damaged_profile_is_one_line(tmp_path):
    """And an export without one is not watched."""
    assert drift.watch(tmp_path) is None
    random = np.random.default_rng(2)
    whole = watch_of(facts(random, 60), 60).stored
    texts = ["{", "[]", "{}", '{"common_tokens": "a"}']
    texts += [json.dumps({k: v for k, v in whole.items() if k != name}) for name in whole]
    tokens = whole["numbers"][profile.TOKENS]
    for broken in ({k: v for k, v in tokens.items() if k != "edges"}, tokens | {"counts": [1]}):
        numbers = whole["numbers"] | {profile.TOKENS: broken}
        texts.append(json.dumps(whole | {"numbers": numbers}))
    texts.append(json.dumps(whole | {"rows": "60"}))
    for text in texts:
        (tmp_path / profile.FILE).write_text(text)
        with pytest.raises(InputError, match=r"profile\.json: damaged .*; copy it again"):
            drift.watch(tmp_path)


def test_a_million_rows_are_compared_in_seconds():
    random = np.random.default_rng(2)
    watch = watch_of(facts(random, 5000), 5000)
    for counts in watch.counts.values():
        counts += random.multinomial(10**6, np.ones(len(counts)) / len(counts))
    watch.categories[profile.LABEL].update(spam=10**6)
    watch.sums, watch.num_rows = dict.fromkeys(watch.counts, 1.0), 10**6
    started = time.process_time()
    assert watch.findings()
    assert time.process_time() - started < 5
