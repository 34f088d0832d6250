"""The model card shows what it is given as text, whatever it holds."""

import ast
import html
import json
import re

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from temper import metrics
from temper.export import card
from tests.helpers.samples import SEQ2SEQ, load

HOSTILE = "<script>alert(1)</script> | a **b** `c`\n\n---\n# [x](http://y) _z_ &lt; \\"
TAGS = {"h1", "h2", "p", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}
TAGS |= {"details", "summary"}
PARITY = {"rows": 3, "split": "validation", "onnx_tolerance": 1e-3}


@pytest.fixture
def write(write_params, tmp_path):
    """Return a function from parameters and values of summary.json to the card."""

    def write_card(values=None, parity=None, test=None, **changes):
        parameters = write_params(**changes)
        summary = dict.fromkeys(["description", "license", "name", "commit"]) | {
            "labels": [],
            "source": "files",
            "overlap": {"train in test": 2, "validation in test": 0},
            "splits": {"train": {"rows": 3, "sha256": "0"}},
        }
        scores = {"baseline": {}, "test": test or {"accuracy": 0.5}}
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
        target = tmp_path / "README.md"
        card.write(target, parameters, summary | (values or {}), scores, parity or PARITY)
        return target.read_text()

    return write_card


def shown(text: str) -> str:
    """Return the HTML of a card's body, as a viewer makes it that lets HTML through."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(ModelCard(text).text)


def test_hostile_values_are_shown_as_text(write):
    """Neither tags nor markup nor further cells come of them."""
    page = shown(
        write(
            {"labels": [HOSTILE, "b"], "description": HOSTILE, "license": HOSTILE, "name": HOSTILE},
            parity=PARITY | {"no_int8": HOSTILE},
            export__name=HOSTILE,
            data__description=HOSTILE,
            task__labels=[HOSTILE, "b"],
            evaluate__positive_label="b",
        )
    )
    tags = set(re.findall(r"<(\w+)", page))
    assert tags <= TAGS
    plain = html.unescape(re.sub(r"<[^>]*>", "", page))
    assert plain.count(" ".join(HOSTILE.split())) >= 6
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    assert {len(re.findall("<t[dh]", row)) for row in rows} == {2, 3}


def test_a_card_counts_the_labels_that_it_leaves_out(write):
    assert "l19 and 3 more.\n" in write({"labels": [f"l{i}" for i in range(23)]})
    assert "Labels: a, b.\n" in write({"labels": ["a", "b"]})


def test_the_metadata_holds_hostile_values_whole(write):
    """The Hub reads the block that the first lines are."""
    data = ModelCard(write(export__name=HOSTILE, export__license="a\n---\nb: c")).data
    assert data.model_name == HOSTILE
    assert data.license == "a\n---\nb: c"


@pytest.mark.parametrize("value", ["a", "`", "``a`", "a|b", " ", "a\nb", "\\|"])
def test_code_spans_end_where_they_should(value):
    """Also in a table, where | ends a cell and a backtick the span."""
    table = f"| a | b |\n| --- | --- |\n| {card.as_code(value)} | c |\n"
    cells = re.findall("<td>(.*?)</td>", MarkdownIt("commonmark").enable("table").render(table))
    assert len(cells) == 2
    assert " ".join(value.split()) in html.unescape(cells[0])


@pytest.mark.parametrize("prefix", ['x"); import os; ("', "a\nb", "\\", "summarize: "])
def test_the_snippet_of_a_prefix_is_one_text(prefix):
    """It is Python with the prefix inside a string."""
    task, _, _ = load(SEQ2SEQ)
    task.params = task.params.model_copy(update={"prefix": prefix})
    calls = [node for node in ast.walk(ast.parse(task.snippet())) if isinstance(node, ast.Call)]
    texts = [c.args[0].value for c in calls if c.args and getattr(c.func, "id", "") == "tokenizer"]
    assert texts == [f"{prefix}a text"]


def test_the_command_has_the_option_that_it_needs(write, write_params):
    """An export whose encoding is custom code, or whose class without ONNX, asks for it."""
    assert "--trust-code" not in write()
    code = {"code__mine": "mine.py"}
    assert "scored.csv --trust-code\n" in write(**code, tokenize__encode="mine.encode")
    parameters = write_params(**code, model__custom_class="mine.Bag")
    assert not card.runs_code(parameters, PARITY)
    assert card.runs_code(parameters, PARITY | {"no_onnx": "off"})


def test_rows_that_splits_share_are_named(write):
    """Unless they were dropped; parameters are spelled as in params.yaml."""
    card = write()
    assert "2 rows of train are in test too.\n" in card
    one = write({"overlap": {"train in test": 1}})
    assert "1 row of train is in test too.\n" in one
    assert '| `task.text` | `["sentence1", "sentence2"]` |' in card
    assert "are in test too" not in write(data__overlap="drop_from_train")


def test_an_interval_of_zero_width_has_a_note(write):
    """1.000 to 1.000 is what a bootstrap of rows that are all right gives, however few they are."""
    score = {"accuracy": 1.0, "accuracy_low": 1.0, "accuracy_high": 1.0}
    assert metrics.NO_SPREAD in write(test=score)
    assert metrics.NO_SPREAD not in write(test=score | {"accuracy_low": 0.9})


def test_teachers_are_named(write, tmp_path):
    """Who taught, at which commit and with which weights, and how far it was followed."""
    teacher = {"name": HOSTILE, "commit": "c0ffee", "sha256": {"model.safetensors": "0123"}}
    local = {"name": "mine", "sha256": {"model.safetensors": "4567"}}
    taught = {"teachers": {"big": teacher, "local": local}, "weight": 0.5, "temperature": 2.0}
    assert "teacher" not in write().lower()
    (tmp_path / "teachers.json").write_text(json.dumps(taught))
    page = shown(write())
    assert "of 2 teachers on the training rows, with weight 0.5 and temperature 2.0" in page
    assert "at commit c0ffee (model.safetensors sha256 <code>0123</code>)" in page
    assert "; mine (model.safetensors sha256 <code>4567</code>)" in page
    assert set(re.findall(r"<(\w+)", page)) <= TAGS | {"code"}
