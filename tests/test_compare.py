"""`temper compare` says which model is better on the same rows, or why it cannot tell."""

import csv
import io
import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import yaml

from temper import params
from temper.cli import compare
from temper.compare import (
    compared_models,
    console_tables,
    experiments,
    mlflow_runs,
    model_comparison,
    page,
    row_scores,
    seed_groups,
    shared_rows,
    significance,
    verdicts,
)
from temper.core.arrow import SHARD
from temper.core.errors import InputError
from tests.helpers import repository
from tests.helpers.workspace import ROOT, change

NAMES = ["not_equivalent", "equivalent"]
SAMPLES = 2000


class Memory:
    """The files of a commit."""

    def __init__(self, files):
        self.files = files

    def read_bytes(self, path):
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def read_text(self, path, encoding):
        return self.read_bytes(path).decode(encoding)

    def open(self, path, mode):
        return io.BytesIO(self.read_bytes(path))


def as_csv(table):
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return target.getvalue().encode()


def as_arrow(columns):
    sink, table = io.BytesIO(), pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def model(name, table, texts=None, *, settings=None, scores=None, sha256="same", kind="pair"):
    """Return an entry whose files hold a table of test predictions.

    Args:
        name: of the entry.
        table: rows of test.csv.
        texts: columns of data/raw; None for none.
        settings: changes of params.yaml, by dotted key.
        scores: of metrics.json; None for those of the rows.
        sha256: of the test rows.
        kind: of task; a key of `TASKS`.
    """
    tree = yaml.safe_load((ROOT / "tests/params.yaml").read_text())
    tree = change(tree, {**TASKS[kind], **(settings or {})})
    parameters = params.Params.model_validate_json(json.dumps(tree))
    if scores is None:
        model = row_scores.judge(parameters.task.metrics, table, NAMES, "equivalent")
        seen = significance.observed([model])
        scores = {key: round(float(v[0]), 6) for key, v in seen.items() if np.isfinite(v[0])}
    files = {
        "data/evaluation/predictions/test.csv": as_csv(table),
        "data/evaluation/metrics.json": json.dumps({"test": scores}).encode(),
        "data/raw/summary.json": json.dumps({"splits": {"test": {"sha256": sha256}}}).encode(),
    }
    if texts is not None:
        files[f"data/raw/test/{SHARD}"] = as_arrow(texts)
    one = experiments.Experiment(
        name=name, parameters=parameters, leaves=params.flatten(parameters), files=Memory(files)
    )
    return compared_models.ComparedModel(
        name=name, kind="experiment", rev="0" * 40, one=one, lock={}
    )


TASKS = {
    "pair": {},
    "number": {
        "task.problem_type": "regression",
        "task.labels": None,
        "evaluate.positive_label": None,
    },
    "words": {
        "task": {"name": "causal_lm", "prompt": None, "text": "sentence1"},
        "evaluate.positive_label": None,
    },
}


def labelled(wanted, found, probabilities=None):
    """Return rows of a predictions file with two labels."""
    sure = np.where(found, 0.9, 0.1) if probabilities is None else probabilities
    return [
        {
            "row": i,
            "reference": NAMES[int(w)],
            "prediction": NAMES[int(f)],
            "score": f"{max(c, 1 - c):.6f}",
            "score_not_equivalent": f"{1 - c:.6f}",
            "score_equivalent": f"{c:.6f}",
        }
        for i, (w, f, c) in enumerate(zip(wanted, found, sure, strict=True))
    ]


def flipped(wanted, wrong):
    """Return predictions that are wrong in some rows."""
    return np.where(np.isin(np.arange(len(wanted)), wrong), 1 - wanted, wanted)


WANTED = np.arange(600) % 2
TEXTS = {
    "sentence1": [f"first {i}" for i in range(600)],
    "sentence2": [f"second {i}" for i in range(600)],
}
WORSE, BETTER = flipped(WANTED, range(100)), flipped(WANTED, [*range(40), *range(590, 600)])


def two(**more):
    return [
        model("a", labelled(WANTED, WORSE), TEXTS, **more),
        model("b", labelled(WANTED, BETTER), TEXTS, settings={"train.epochs": 3.0}),
    ]


def test_a_better_model_is_called_better():
    """By the numbers that the counts give; the rows that changed side are listed with texts."""
    found = model_comparison.compare(two(), None, None, SAMPLES)
    [one] = found.against
    main = one.differences[0]
    assert (main.metric, main.value) == ("accuracy", pytest.approx(50 / 600))
    spread = math.sqrt((60 + 10) / 600 - (50 / 600) ** 2) / math.sqrt(600)
    assert main.low == pytest.approx(50 / 600 - 1.96 * spread, abs=0.003)
    assert main.high == pytest.approx(50 / 600 + 1.96 * spread, abs=0.003)
    assert (one.mcnemar.gained, one.mcnemar.lost) == (60, 10)
    assert (one.num_better, one.num_worse, one.num_same) == (60, 10, 530)
    assert {row.row for row in one.worse} == set(range(590, 600))
    assert one.better[0].inputs == {"sentence1": "first 40", "sentence2": "second 40"}
    assert one.better[0].predictions == ("equivalent (0.90)", "not_equivalent (0.90)")
    text = verdicts.verdict(one, found)
    assert re.fullmatch(
        r"b is better than a: accuracy \+0\.083 \(\+0\.05\d to \+0\.1\d\d\), p < 0\.001", text
    )
    assert verdicts.changed(one, found).startswith(
        "60 rows wrong with a are right with b, 10 the other way round; 530 of 600 have the same"
    )


def test_the_other_way_round_is_worse():
    """And a difference that the rows cannot show is called so, with what would show."""
    found = model_comparison.compare(two()[::-1], None, None, SAMPLES)
    assert verdicts.verdict(found.against[0], found).startswith(
        "a is worse than b: accuracy -0.083"
    )
    near = model("c", labelled(WANTED, flipped(WANTED, range(3, 102))), TEXTS)
    found = model_comparison.compare([two()[0], near], None, None, SAMPLES)
    text = verdicts.verdict(found.against[0], found)
    assert text.startswith(
        "no difference between c and a that 600 test rows can show: accuracy +0.0"
    )
    assert re.search(r"; less than about 0\.00\d does not show$", text)
    same = model_comparison.compare(
        [two()[0], model("d", labelled(WANTED, WORSE))], None, None, SAMPLES
    )
    assert verdicts.verdict(same.against[0], same) == "d and a score alike in each of 600 test rows"


def test_p_and_interval_agree():
    """The interval leaves 0 out exactly where p is at most 0.05."""
    random = np.random.default_rng(1)
    sides = []
    for _ in range(200):
        found = (random.random((2, 80)) < [[0.7], [0.8]]).astype(int)
        pair = [
            row_scores.judge("classification", labelled(np.ones(80), f), NAMES, None) for f in found
        ]
        seen, drawn = significance.observed(pair), significance.resample(pair, 400, 0)
        one = significance.difference("accuracy", seen["accuracy"], drawn["accuracy"])
        assert (one.low > 0 or one.high < 0) == (one.p <= significance.LEVEL)
        sides.append(one.p <= significance.LEVEL)
    assert 20 < sum(sides) < 180


def test_equal_models_are_called_different_in_about_5_percent():
    """Two models with the same chance of being right in each row, by every test."""
    random, repeats, size = np.random.default_rng(2), 600, 300
    calls = {"accuracy": 0, "f1": 0, "mcnemar": 0}
    chance = random.beta(4, 1, size)
    plain = row_scores.judge("classification", labelled(WANTED, WANTED), NAMES, "equivalent")
    for i in range(repeats):
        wanted = random.integers(0, 2, size)
        right = random.random((2, size)) < chance
        cells = wanted * 2 + np.where(right, wanted, 1 - wanted)
        pair = [
            replace(
                plain, per_example_stats=c[:, None].astype(float), right=r, example_loss=1.0 - r
            )
            for c, r in zip(cells, right, strict=True)
        ]
        seen, drawn = significance.observed(pair), significance.resample(pair, 500, i)
        for name in ("accuracy", "f1"):
            one = significance.difference(name, seen[name], drawn[name])
            calls[name] += one.p <= significance.LEVEL
        calls["mcnemar"] += significance.mcnemar(*right).p <= significance.LEVEL
    low, high = 0.024 * repeats, 0.079 * repeats  # in 998 of 1000 such tests of 5 %
    assert all(low < count < high for count in calls.values()), calls


def test_mcnemar_is_the_textbook_mid_p():
    """By hand: of 5 rows that one model alone has right, 4 are the second's."""
    first = np.array([True, False, False, False, False, True])
    second = np.array([False, True, True, True, True, True])
    found = significance.mcnemar(first, second)
    exact = 2 * (math.comb(5, 4) + math.comb(5, 5)) / 2**5
    assert found.p == pytest.approx(exact - math.comb(5, 4) / 2**5)
    assert significance.mcnemar(first, ~first | True).gained == 4
    assert significance.mcnemar(first, first).p == 1
    assert significance.mcnemar(first[:2], first[:2][::-1]).p == 1


def test_holm_is_the_textbook_procedure():
    """Smallest times three, next times two, never less than the one before."""
    assert significance.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert significance.holm([0.9, 0.5]) == [1.0, 1.0]
    assert significance.holm([]) == []


def test_more_than_two_are_adjusted():
    """Each against the first; what is clear alone may not be among several."""
    other = labelled(WANTED, flipped(WANTED, range(14, 100)))
    models = [*two(), *(model(name, other, TEXTS) for name in "cde")]
    found = model_comparison.compare(models, None, None, SAMPLES)
    assert [one.name for one in found.against] == ["b", "c", "d", "e"]
    for metric in range(len(found.against[0].differences)):
        ps = [one.differences[metric].p for one in found.against]
        adjusted = [one.differences[metric].adjusted for one in found.against]
        assert adjusted == pytest.approx(significance.holm(ps))
    assert "(Holm, 4 models)" in verdicts.verdict(found.against[0], found)
    assert "adjusted for 4 models compared with a (Holm)" in verdicts.family(found)


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression"])
def test_scores_of_samples_are_the_metrics_of_their_rows(kind):
    """Each sample against the module's own scores of the rows written out."""
    from temper import metrics
    from tests.helpers.predictions import predictions_of

    random = np.random.default_rng(4)
    table, wanted = predictions_of(kind, random)
    names = ["a", "b", "c"]
    one = row_scores.judge(kind, table, names, None)
    seen = significance.observed([one])
    assert {k: v[0] for k, v in seen.items()} == pytest.approx(
        {key: wanted[key] for key in seen}, abs=1e-4
    )
    weights = random.multinomial(50, np.full(50, 1 / 50), 5).astype(float)
    found = one.scores(weights, one.per_example_stats)
    for i, counts in enumerate(weights.astype(int)):
        chosen = [row for row, n in zip(table, counts, strict=True) for _ in range(n)]
        again = row_scores.judge(kind, chosen, names, None)
        direct = significance.observed([again])
        assert {k: v[i] for k, v in found.items()} == pytest.approx(
            {k: v[0] for k, v in direct.items()}
        )
    assert set(metrics.load(kind).HEADLINE) <= set(found)


def test_spearman_counts_ties_as_scipy_does():
    """On values that repeat."""
    from scipy.stats import spearmanr

    random = np.random.default_rng(6)
    found, wanted = random.integers(0, 4, (2, 60))
    table = [
        {"prediction": f"{f}", "reference": f"{w}"} for f, w in zip(found, wanted, strict=True)
    ]
    seen = significance.observed([row_scores.judge("regression", table, [], None)])
    assert seen["spearman"][0] == pytest.approx(spearmanr(found, wanted)[0])


@pytest.mark.parametrize(
    ("kind", "cells", "score", "value"),
    [
        ("entities", [("B-x I-x O", "B-x I-x O"), ("O B-x", "O O")], "f1", 2 / 3),
        ("choices", [("1", "1"), ("0", "2")], "accuracy", 0.5),
        ("answers", [("the cat | a dog", "dog"), ("", "x")], "exact_match", 0.5),
        ("completions", [("a b", " a b"), ("c", "d")], "exact_match", 0.5),
        ("translation", [("a b", "a b"), ("c", "d")], "exact_match", 0.5),
        ("summarization", [("a b", "a b"), ("c", "d")], "rouge1", 0.5),
        (
            "language",
            [("", "perplexity 2 of 3 tokens"), ("", "perplexity 8 of 1 tokens"), ("", "")],
            "perplexity",
            2**1.5,
        ),
    ],
)
def test_every_kind_of_predictions_file_is_read(kind, cells, score, value):
    """The scores of what evaluate writes; right are the rows that are right as a whole."""
    table = [{"reference": wanted, "prediction": found} for wanted, found in cells]
    one = row_scores.judge(kind, table, [], None)
    assert significance.observed([one])[score][0] == pytest.approx(value)
    is_counted = kind in ("entities", "choices", "answers", "completions")
    assert (one.right.tolist() if is_counted else one.right) == (
        [True, False] if is_counted else None
    )
    drawn = significance.resample([one, one], 50, 0)[score]
    assert drawn.shape == (2, 50)
    assert np.array_equal(*drawn, equal_nan=True)


def test_rows_in_another_order_are_matched_by_content():
    """A model whose data has another digest; the predictions are put beside their rows."""
    order = np.random.default_rng(3).permutation(600)
    texts = {name: [values[i] for i in order] for name, values in TEXTS.items()}
    moved = model("b", labelled(WANTED[order], BETTER[order]), texts, sha256="other")
    found = model_comparison.compare([two()[0], moved], None, None, SAMPLES)
    assert (found.against[0].mcnemar.gained, found.against[0].mcnemar.lost) == (60, 10)
    assert found.notes == ["rows in another order, matched by content: b"]


def other_texts():
    return {**TEXTS, "sentence1": ["changed", *TEXTS["sentence1"][1:]]}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            lambda: model("b", labelled(WANTED, BETTER), other_texts(), sha256="other"),
            r"a and b were not scored on the same test rows, so they cannot be compared:\n"
            r"  1 rows only a has, the first: first 0 \| second 0 \| not_equivalent\n"
            r"  1 rows only b has, the first: changed \| second 0 \| not_equivalent\nscore both",
        ),
        (
            lambda: model("b", labelled(1 - WANTED, BETTER), TEXTS, sha256="other"),
            "  600 rows have the same inputs and another label",
        ),
        (
            lambda: model("b", labelled(WANTED, BETTER), None, sha256="other"),
            "b: whether its test rows are the others' cannot be told, for data/raw is neither in",
        ),
        (
            lambda: model("b", labelled(WANTED[:9], BETTER[:9])),
            "not scored on the same test rows, so they cannot be compared: 600 and 9 rows",
        ),
        (
            lambda: model("b", labelled(flipped(WANTED, [7]), BETTER)),
            r"1 labels differ, the first in row 7: 'equivalent' and 'not_equivalent'",
        ),
        (
            lambda: model("b", [{"reference": "1", "prediction": "2"}] * 3, kind="number"),
            r"a and b have different tasks, .*\(classification\), .*\(regression\)",
        ),
        (
            lambda: model("b", [{"reference": "odd", "prediction": "odd"}] * 600, scores={"f1": 1}),
            "600 labels differ",
        ),
    ],
)
def test_other_test_data_is_refused(second, message):
    """With what differs."""
    with pytest.raises(InputError, match=message):
        model_comparison.compare([two()[0], second()], None, None, SAMPLES)


def test_a_split_without_scores_is_named():
    """And one that was asked for by a mistake in the metric."""
    with pytest.raises(InputError, match=r"a: .*metrics\.json has no scores of validation"):
        model_comparison.compare(two(), "validation", None, SAMPLES)
    with pytest.raises(InputError, match=r"--metric acuracy: .*did you mean 'accuracy'"):
        model_comparison.compare(two(), None, "acuracy", SAMPLES)
    found = model_comparison.compare(two(), None, "mcc", SAMPLES)
    assert found.shown[0] == found.against[0].differences[0].metric == "mcc"


def test_scores_that_the_predictions_do_not_give_are_not_tested():
    """They stand with their intervals, and a note says why."""
    odd = model("b", labelled(WANTED, BETTER), scores={"accuracy": 0.9166667, "f1": 0.2})
    found = model_comparison.compare([two()[0], odd], None, None, SAMPLES)
    assert [d.metric for d in found.against[0].differences] == ["accuracy"]
    assert found.shown[:2] == ["accuracy", "f1"]
    assert re.fullmatch(
        r"f1: no paired test, for the predictions of b give 0\.9\d+, its metrics\.json says "
        r"0\.2000 \(another evaluate\.positive_label\?\)",
        found.notes[0],
    )


def test_perplexities_of_other_tokens_are_not_tested():
    """Nor is the share of right tokens, which the predictions do not hold."""
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
    assert [d.metric for d in found.against[0].differences] == ["perplexity"]
    assert verdicts.verdict(found.against[0], found) == (
        "b is better than a: perplexity -2 (-2 to -2), p < 0.001 (lower is better)"
    )
    assert "accuracy: no paired test, for the predictions do not hold it row by row" in found.notes
    third = words("c", "perplexity 2 of 9 tokens", "perplexity 2 of 2 tokens")
    found = model_comparison.compare([first, third], None, None, SAMPLES)
    assert verdicts.verdict(found.against[0], found).startswith(
        "no paired test of c and a is possi"
    )
    assert "cut the texts into other tokens" in found.notes[0]
    assert console_tables.scores(found).rows[0] == ["perplexity", "4 (3 to 5)", "2"]
    assert page.page([first, third], found, [], [], "t")


def test_seeds_of_one_configuration_are_put_together():
    """Mean ± deviation by configuration, and Welch's interval between them."""
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
    assert first.apart is None
    wanted = ttest_ind([0.80, 0.83, 0.81], [0.90, 0.92], equal_var=False)
    assert second.apart == pytest.approx((*wanted.confidence_interval(), wanted.pvalue))
    assert significance.welch([0.5, 0.5], [0.5, 0.5]) == (0, 0, 1)
    assert significance.welch([0.5, 0.5], [0.7, 0.7]) == pytest.approx((0.2, 0.2, 0))
    assert seed_groups.differing(models) == {
        "seed": [1, 1, 2, 2, 3], "train.epochs": [2.0, 3.0, 2.0, 3.0, 3.0]
    }  # fmt: skip
    result = model_comparison.compare(models, None, None, SAMPLES)
    table = console_tables.seeds([first, second], replace(result, shown=["accuracy"]))
    assert table.rows[0] == ["a1, a2", "2", "0.9100 ± 0.0141"]
    other, line = verdicts.of_seeds([first, second], replace(result, shown=["accuracy"]))
    assert other.startswith("a2 is another seed of a1's configuration: what sets them apart is ch")
    assert re.fullmatch(
        r"over seeds, the configuration of b1, b2, b3 is worse than that of a1, a2: accuracy "
        r"-0\.097 \(-0\.\d+ to -0\.\d+\), p = 0\.\d+ \(Welch, 3 and 2 trainings\)",
        line,
    )
    near = replace(second, apart=(-0.2, 0.1, 0.3))
    _, line = verdicts.of_seeds([first, near], replace(result, shown=["accuracy"]))
    assert "b3 shows no difference from that of a1, a2" in line
    assert seed_groups.group(models[:2], given, ["accuracy"]) == []
    assert seed_groups.group([models[0], models[0]], given, ["accuracy"]) == []


def test_markdown_and_page_hold_the_verdict_and_the_rows():
    """The page links to nothing; texts are escaped in both."""
    odd = {**TEXTS, "sentence1": [f"<b>{i}</b> | x" for i in range(600)]}
    models = [model("a", labelled(WANTED, WORSE), odd), two()[1]]
    history = b"step,epoch,loss,accuracy\n5,1.0,0.7,0.5\n10,2.0,0.5,0.8\n"
    for one in models:
        one.one.files.files["data/history/validation.csv"] = history
    found = model_comparison.compare(models, None, None, SAMPLES)
    verdict = verdicts.verdict(found.against[0], found)
    text = console_tables.as_markdown(
        found, [console_tables.parameters(models)], "title", ["a note"]
    )
    assert f"- **{verdict}**" in text
    assert "| train.epochs | 2 | 3 |" in text
    assert "## 60 rows wrong with a, right with b, 10 of them" in text
    assert r"<b>40</b> \| x" in text
    html = page.page(models, found, [console_tables.parameters(models)], ["a note"], "title")
    assert verdict.replace("<", "&lt;") in html
    assert "http" not in html
    assert "&lt;b&gt;40&lt;/b&gt; | x" in html
    assert html.count('stroke-width="2.2"') == 4  # two lines in two plots
    assert 'd="M0.0,' in html


def test_points_of_the_plots_lie_where_their_numbers_say():
    """Low losses down; one epoch alone is drawn too."""
    drawn = page.plot("x", [[(1.0, 4.0), (3.0, 2.0)], []], [(1.0, 4.0), (3.0, 2.0)])
    [line] = drawn["lines"]
    (x1, y1), (x2, y2) = line["dots"]
    assert (x1, x2) == (0, page.CURVE[0])
    assert y1 < y2
    alone = page.plot("x", [[(1.0, 4.0)]], [(1.0, 4.0)])
    assert alone["lines"][0]["dots"] == [(page.CURVE[0] / 2, page.CURVE[1] / 2)]
    assert page.place(0.5, (0, 1)) == page.LINE / 2


def test_too_few_or_unknown_names_are_refused(monkeypatch):
    """With the names there are."""
    monkeypatch.setattr(compared_models, "check_repository", lambda: None)
    monkeypatch.setattr(compared_models, "git", lambda *_: None)
    monkeypatch.setattr(compared_models, "experiment_commits", lambda: {"puffy-dhal": ["1" * 40]})
    with pytest.raises(
        InputError, match=r"name two or more .*experiments: puffy-dhal; workspace is"
    ):
        compared_models.resolve(["puffy-dhal", "puffy-dhal"])
    with pytest.raises(InputError, match=r"pufy-dhal: no finished .*did you mean 'puffy-dhal'"):
        compared_models.resolve(["pufy-dhal", "puffy-dhal"])
    with pytest.raises(
        InputError, match=r"x is more than one thing: experiment 111.*, experiment 2"
    ):
        compared_models.find("x", {"x": ["1" * 40, "2" * 40]})
    with pytest.raises(InputError, match=r"run 0+: there is no .*mlflow\.db; name experiments"):
        compared_models.find("0" * 32, {})


LOCK = {
    "train": {"outs": [{"path": "data/model", "md5": "1"}]},
    "evaluate": {
        "deps": [{"path": "data/model", "md5": "1"}],
        "params": {"params.yaml": {"seed": 42, "export.name": "x"}},
        "outs": [{"path": "data/evaluation", "md5": "2"}],
    },
}


@pytest.mark.parametrize(
    ("stages", "text", "message"),
    [
        (None, "seed: 42", "x: no dvc.lock, so nothing says which results are its own; commit"),
        (
            {"train": LOCK["train"]},
            "seed: 42",
            "its dvc.lock has no data/evaluation: evaluate has not",
        ),
        (LOCK, "{seed: 43, export: {name: x}}", "was not made with the seed of its params.yaml"),
        (LOCK, "{seed: 42, export: 1}", "was not made with the export.name of its params.yaml"),
        (
            {**LOCK, "train": {"outs": [{"path": "data/model", "md5": "3"}]}},
            "{seed: 42, export: {name: x}}",
            "x: data/model changed after it was evaluated; run dvc repro",
        ),
    ],
)
def test_results_that_are_not_of_their_parameters_are_refused(stages, text, message):
    """A commit or folder whose params.yaml moved on without a run."""
    files = {"params.yaml": text.encode()}
    if stages is not None:
        files["dvc.lock"] = yaml.safe_dump({"stages": stages}).encode()
    with pytest.raises(InputError, match=re.escape(message)):
        compared_models.read_lock("x", Memory(files))
    good = {"params.yaml": b"{seed: 42, export: {name: x}}"}
    good["dvc.lock"] = yaml.safe_dump({"stages": LOCK}).encode()
    assert compared_models.read_lock("x", Memory(good)) == LOCK


def test_a_file_that_is_nowhere_is_named_with_what_to_do():
    """For an experiment, a revision and the working folder."""
    one = model("a", labelled(WANTED, WORSE))
    with pytest.raises(InputError, match=r"a: x is neither .* dvc exp pull <git remote> a, or"):
        one.read("x")
    with pytest.raises(InputError, match=r"dvc fetch --all-commits, or git checkout 000"):
        replace(one, kind="revision").read("x")
    with pytest.raises(InputError, match=r"in a remote: run dvc repro"):
        replace(one, kind="workspace").read("x")
    assert one.size("x") is None
    assert shared_rows.texts(one, "test", [0, 1]) == [{}, {}]


def test_a_store_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    """No error, and none is made; one that does not answer likewise."""
    wanted = [(None, {}, {"test/accuracy": 0.5}, "a")]
    assert mlflow_runs.costs(wanted)[1].startswith("no seconds, latency or memory: there is no")
    assert not (tmp_path / "mlflow.db").exists()
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    assert mlflow_runs.costs(wanted)[1].endswith("TEMPER_TRACKING is off")
    monkeypatch.setenv("TEMPER_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    found, reason = mlflow_runs.costs(wanted)
    assert found == [{}]
    assert reason.startswith("no seconds, latency or memory: http://127.0.0.1:1 cannot be")
    with pytest.raises(InputError, match=r"^run 0+: http://127.0.0.1:1 cannot be reached; name"):
        mlflow_runs.recorded("0" * 32)


def test_costs_are_those_of_the_run_that_trained(tmp_path):
    """By scores and parameters; one that found the training done has its trainer's seconds."""
    from temper.tracking.store import connect, experiment_id

    client = connect()
    experiment = experiment_id(client)

    def make(seconds, steps_per_s, seed, **tags):
        run = client.create_run(experiment, tags=tags).info.run_id
        client.log_param(run, "seed", seed)
        numbers = {"train_time_s": seconds, "steps_per_s": steps_per_s, "model_latency_ms": seconds}
        for key, value in numbers.items():
            client.log_metric(run, f"system/{key}", value)
        client.log_metric(run, "test/accuracy", 0.938333)
        return run

    first = make(90.0, 10.0, 1)
    make(0.5, 0.0, 1, trained_by=first)
    make(70.0, 10.0, 2)
    wanted = [(None, {"seed": seed}, {"test/accuracy": 0.938333}, "a") for seed in (1, 2, 3)]
    found, reason = mlflow_runs.costs(wanted)
    assert [one.get("train_time_s") for one in found] == [90.0, 70.0, None]
    assert [one.get("model_latency_ms") for one in found] == [0.5, 70.0, None]
    assert found[0]["steps"] == 900
    assert reason == f"no run of 1 of them in {tmp_path / 'mlflow.db'}"
    table = console_tables.costs(["a", "b", "c"], [found[0] | {"share": 0.5}, found[1], found[2]])
    assert [row[1] for row in table.rows] == ["90.0 (50% of the steps)", "70.0", "–"]
    assert console_tables.costs(["a"], [{}]).rows == [["a", "–", "–", "–", "–"]]


STUB = """
import csv, json, yaml
from pathlib import Path
import numpy as np
p = yaml.safe_load(Path("params.yaml").read_text())
random = np.random.default_rng(p["seed"])
names = ["not_equivalent", "equivalent"]
wanted = np.arange(200) % 2
found = np.where(random.random(200) < 0.55 + p["train"]["epochs"] / 10, wanted, 1 - wanted)
right = float((found == wanted).mean())
for name in ("data/evaluation/predictions", "data/raw"):
    Path(name).mkdir(parents=True)
with open("data/evaluation/predictions/test.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\\n")
    writer.writerow(["row", "reference", "prediction", "score", *(f"score_{n}" for n in names)])
    writer.writerows([i, names[w], names[f], 0.9, 1 - f, f]
                     for i, (w, f) in enumerate(zip(wanted, found)))
Path("data/evaluation/metrics.json").write_text(json.dumps({"test": {"accuracy": round(right, 6)}}))
splits = {"test": {"sha256": "same"}}
Path("data/raw/summary.json").write_text(json.dumps({"splits": splits}))
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """Return a DVC repository with a finished run and an experiment."""
    folder = tmp_path_factory.mktemp("stub") / "repository"
    repository.make_stub(folder, STUB, train__epochs=1)
    repository.run(folder, "dvc exp run -q -n longer -S train.epochs=4")
    repository.run(folder, "git checkout -q params.yaml dvc.lock")
    return folder


@pytest.mark.slow
def test_experiments_revisions_and_the_folder_are_opened_by_name(stub, monkeypatch, capsys):
    """Without a checkout; other rows and results of other parameters are refused."""
    monkeypatch.chdir(stub)
    monkeypatch.setenv("COLUMNS", "150")
    compare.compare(["HEAD", "longer"], samples=500, markdown=stub / "c.md", html=stub / "c.html")
    text = capsys.readouterr().out
    assert re.search(r"^longer is better than HEAD: accuracy \+0\.\d+ .*, p = 0\.002", text)
    assert re.search(r"train\.epochs\s*│\s*1\.?0?\s*│\s*4", text)
    assert "no seconds, latency or memory: there is no" in text
    assert (stub / "c.md").read_text().startswith("# sample-paraphrase: comparison")
    assert "longer is better than HEAD" in (stub / "c.html").read_text()
    with pytest.raises(InputError, match=r"HEAD~1: no dvc\.lock, so nothing says which results"):
        compare.compare(["HEAD", "HEAD~1"], html=stub / "c.html")
    repository.set_params(stub, train__epochs=2)
    message = "workspace: data/evaluation was not made with the train of its params"
    with pytest.raises(InputError, match=message):
        compare.compare(["HEAD", "workspace"], html=stub / "c.html")
    repository.run(stub, "dvc repro -q")
    compare.compare(["HEAD", "workspace"], samples=500, html=stub / "c.html")
    assert re.search(r"workspace (is better than|and) HEAD", capsys.readouterr().out)


@pytest.mark.slow
def test_a_run_is_led_back_to_the_files_that_dvc_has(origin, tmp_path, monkeypatch, capsys):
    """By its metrics.json; its seconds, latency and memory stand beside the scores."""
    folder = repository.clone(origin, tmp_path / "clone", cache=True)
    shutil.copy(origin / "mlflow.db", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    run_id = next(path.name for path in (origin / "mlruns").iterdir())
    compare.compare([run_id, "HEAD"], samples=500, html=tmp_path / "c.html")
    text = capsys.readouterr().out
    name = f"sample-paraphrase {run_id[:8]}"
    assert f"HEAD and {name} score alike in each of 24 test rows" in text
    line = re.search(r"│ HEAD .*", text.partition("\ncosts")[2])
    assert line is not None
    assert len(re.findall(r"\d\.\d+", line[0])) == 8
    shutil.rmtree(folder / ".dvc/cache")
    shutil.rmtree(folder / "data/evaluation")
    with pytest.raises(
        InputError, match=r"run \w+: no commit or experiment here, nor workspace, holds"
    ):
        compare.compare([run_id, "HEAD"], html=tmp_path / "c.html")
    with pytest.raises(
        InputError, match=r"HEAD: .*csv|metrics\.json is neither in DVC's cache nor"
    ):
        compare.compare(["HEAD", "workspace"], html=tmp_path / "c.html")
