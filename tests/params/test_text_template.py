"""A template is a text with the names of columns in braces; params.yaml says what is wrong."""

import pytest

from temper.params import text_template
from tests.helpers.parameters import load_changed, mistakes_changed

ROW = {"subject": "Hi {you}", "body": "one\ntwo", "a.b c": "3.5"}
TEMPLATES = ("{subject}\n{body}", "{{{body}}} {{subject}} {subject}", "x{body}", "{subject}{body}y")


@pytest.mark.parametrize("template", TEMPLATES)
def test_fills_in_columns_as_python_does(template):
    """Braces in values are text; those of the template are written twice."""
    assert text_template.fill(template, ROW) == template.format(**ROW)
    for column in text_template.columns(template):
        before, after = text_template.around(template, ROW, column)
        assert before + ROW[column] + after == template.format(**ROW)
        assert before == template[: template.rindex(f"{{{column}}}")].format(**ROW)


def test_a_column_may_have_any_name():
    """A dot selects a value inside an object, which `data/raw` holds under the whole name."""
    assert text_template.columns("{subject}: {a.b c}") == ("subject", "a.b c")
    assert text_template.fill("{subject}: {a.b c}", ROW) == "Hi {you}: 3.5"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "{a"}, "task.template: expected '}' before end of string: a brace"),
        ({"template": "a}"}, "a brace that is text is written twice, {{ or }}"),
        ({"template": "{}"}, "task.template: {} names no column"),
        ({"template": "text"}, "task.template: names no column; write its name in braces"),
        ({"template": "{a} {b} {a}"}, "task.template: names a twice"),
        ({"template": "{a:.2f}"}, "task.template: {a…} has a ! or :, which would format a value"),
        ({"template": {"a": None}}, "task.template: expected text, found keys; a text that begins"),
        ({"template": None}, "task.text: missing; name the column, or write a template"),
        ({"text": ["a"]}, "task.template: makes the text that task.text names a column for"),
        ({"template": "{label}"}, "two of the task's columns are the same: label, label"),
        ({"truncate_column": "bb"}, "'bb' is no column of task.template (did you mean 'b'?)"),
        ({"template": None, "text": ["b"], "truncate_column": "b"}, "no effect without task.temp"),
    ],
)
def test_refuses_what_makes_no_text(tmp_path, changes, message):
    """A mistake is named with its key and its line."""
    changes = {"text": None, "template": "{a} {b}"} | changes
    found = mistakes_changed(tmp_path, {f"task.{key}": value for key, value in changes.items()})
    assert message in found
    assert "params.yaml:" in found


def test_refuses_a_cut_where_nothing_is_cut(tmp_path):
    """Windows hold all of a text."""
    changes = {"task.text": None, "task.template": "{a} {b}", "task.truncate_column": "a"}
    windows = {"overflow": "window", "stride": 4, "window_pooling": "mean"}
    changes |= {f"tokenize.{key}": value for key, value in windows.items()}
    assert "task.truncate_column: has no effect with tokenize.overflow: window" in mistakes_changed(
        tmp_path, changes
    )


def test_a_template_is_one_text(tmp_path):
    """What needs a pair of texts is refused, whatever the number of columns."""
    template = {"task.text": None, "task.template": "{a} {b}"}
    assert load_changed(tmp_path, template).task.inputs == {"a": "text", "b": "text"}
    exchange = {"tokenize.augment": {"seed": 1, "exchange": {"rate": 0.5}}}
    assert "exchange is for pairs" in mistakes_changed(tmp_path, template | exchange)
    pair = {"model.head": {"kind": "linear", "pooling": "pair", "dropout": 0.1}}
    assert "pair is for two texts" in mistakes_changed(tmp_path, template | pair)
