"""The verdict as Markdown and as a page."""

from temper.compare import console_tables, model_comparison, page, verdicts
from tests.helpers.comparisons import SAMPLES, TEXTS, WANTED, WORSE, labelled, model, two


def test_markdown_and_page_hold_the_verdict_and_the_rows():
    """The page links to nothing, and texts are escaped in both."""
    odd = {**TEXTS, "sentence1": [f"<b>{i}</b> | x" for i in range(600)]}
    models = [model("a", labelled(WANTED, WORSE), odd), two()[1]]
    history = b"step,epoch,loss,accuracy\n5,1.0,0.7,0.5\n10,2.0,0.5,0.8\n"
    for one in models:
        one.experiment.files.files["data/history/validation.csv"] = history
    found = model_comparison.compare(models, None, None, SAMPLES)
    verdict = verdicts.verdict(found.comparisons[0], found)
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


def test_plots_are_drawn_to_scale():
    """Low losses are down; a single epoch is drawn too."""
    drawn = page.line_plot("x", [[(1.0, 4.0), (3.0, 2.0)], []], [(1.0, 4.0), (3.0, 2.0)])
    [line] = drawn["lines"]
    (x1, y1), (x2, y2) = line["dots"]
    assert (x1, x2) == (0, page.CURVE[0])
    assert y1 < y2
    alone = page.line_plot("x", [[(1.0, 4.0)]], [(1.0, 4.0)])
    assert alone["lines"][0]["dots"] == [(page.CURVE[0] / 2, page.CURVE[1] / 2)]
    assert page.x_position(0.5, (0, 1)) == page.LINE / 2
