"""The verdict as Markdown and as a page."""

import pytest

from temper.compare import model_comparison, page, tables, verdicts
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
