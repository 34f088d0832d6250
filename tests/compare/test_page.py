"""The verdict as Markdown and as a page."""

import pytest

from temper.compare import model_comparison, page, seed_groups, tables, verdicts
from tests.compare.test_seed_groups import grouped, trained, with_mistakes
from tests.helpers.comparisons import SAMPLES, TEXTS, WANTED, WORSE, labelled, model, two


def test_markdown_and_page_hold_the_verdict_and_the_rows():
    """The page links to nothing, and texts are escaped in both."""
    odd = {**TEXTS, "sentence1": [f"<b>{i}</b> | x" for i in range(600)]}
    models = [model("a", labelled(WANTED, WORSE), odd), two()[1]]
    history = b"step,epoch,loss,accuracy\n5,1.0,0.7,0.5\n10,2.0,0.5,0.8\n"
    for one in models:
        one.files.files["data/history/validation.csv"] = history
    found = model_comparison.compare(models, None, None, SAMPLES)
    verdict = verdicts.verdict(found.comparisons[0], found)
    text = tables.as_markdown(found, [tables.parameters(models)], "title", ["a note"])
    assert f"- **{verdict}**" in text
    assert "| train.epochs | 2 | 3 |" in text
    assert "## 60 rows wrong with a, right with b, 10 of them" in text
    assert r"<b>40</b> \| x" in text
    html = page.page(found, [tables.parameters(models)], ["a note"], "title")
    assert verdict.replace("<", "&lt;") in html
    assert "http" not in html
    assert "&lt;b&gt;40&lt;/b&gt; | x" in html
    assert html.count('stroke-width="2.2"') == 4  # two lines in two plots
    assert 'd="M0.0,' in html


def test_marks_are_drawn_to_scale():
    """The lowest and highest score are equally far from the ends of the axis."""
    drawn = page.panel(model_comparison.compare(two(), None, None, SAMPLES), "accuracy")
    low, high = (row["marks"][1] for row in drawn["rows"])
    assert (low, high) == (pytest.approx(500 / 600, abs=1e-6), pytest.approx(550 / 600, abs=1e-6))
    assert low - drawn["ends"][0] == pytest.approx(drawn["ends"][1] - high)
    assert drawn["rows"][0]["difference"] is None
    assert drawn["signed_ends"][0] < 0 < drawn["rows"][1]["signed"][0]


def test_configurations_come_before_their_trainings():
    """Their verdict and table come first on the page and in Markdown; models are folded away."""
    models = with_mistakes({"a1": 60, "a2": 48, "b1": 120, "b2": 102})
    groups, tests, found = grouped(models)
    over_seeds = seed_groups.verdicts(groups, tests, found)
    table = seed_groups.table(groups, tests, found)
    html = page.page(found, [], [], "title", (over_seeds, [table]))
    text = tables.as_markdown(found, [table], "title", [], over_seeds)
    model_verdict = verdicts.verdict(found.comparisons[0], found)
    for whole in (html, text):
        assert 0 < whole.index(over_seeds[0].text) < whole.index(model_verdict)
    assert html.index("Configurations over") < html.index(
        "<summary>Each model against a1</summary>"
    )
    assert html.count("<th>score, 95 % interval</th>") == html.count("<th>minus a1</th>") == 6
    assert "<details><summary>Each model" not in page.page(found, [], [], "title")


def test_one_row_that_changed_is_singular():
    """As a heading."""
    pair = [trained("a1", range(60)), trained("b1", range(59))]
    (found,) = model_comparison.compare(pair, None, None, SAMPLES).comparisons
    assert [rows.table.title for rows in found.changed] == [
        "1 row wrong with a1, right with b1",
        "0 rows right with a1, wrong with b1",
    ]


def test_an_empty_prediction_is_shown_as_none():
    """As the report shows it: a question without an answer, for example."""
    assert model_comparison.format_prediction({"prediction": ""}) == "none"
    row = {"prediction": "", "score": "0.4321", "score_toxic": "0.4321"}
    assert model_comparison.format_prediction(row) == "none (0.43)"
    assert model_comparison.format_prediction({"prediction": "a"}) == "a"
