"""params.yaml: strict, typed, YAML 1.2, every mistake at once with its line."""

import json
from pathlib import Path

import pytest

from stages import params
from stages.errors import InputError

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "params.yaml").read_text()


def load(tmp_path, *replacements):
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "params.yaml").write_text(text)
    return params.load(tmp_path / "params.yaml")


def mistakes(tmp_path, *replacements):
    with pytest.raises(InputError) as caught:
        load(tmp_path, *replacements)
    return str(caught.value)


def line_of(fragment):
    return next(i for i, line in enumerate(TEXT.splitlines(), 1) if fragment in line)


def test_every_mistake_is_reported_with_its_line_and_the_nearest_key(tmp_path):
    """Unknown, missing and mistyped keys come together."""
    text = mistakes(
        tmp_path,
        ("learning_rate: 1.0e-3", "learning_rat: 1.0e-3"),
        ("num_threads: 2", "num_threads: two"),
        ("precision: fp32", "precision: fp8"),
    )
    assert "4 mistakes" in text
    assert f"params.yaml:{line_of('learning_rate')}: train.learning_rat: unknown key" in text
    assert "did you mean 'learning_rate'?" in text
    assert "train.learning_rate: missing" in text
    assert f"params.yaml:{line_of('num_threads')}: determinism.num_threads" in text
    assert "found 'two'" in text
    assert "'fp32', 'bf16' or 'fp16'" in text


def test_numbers_and_words_are_read_by_yaml_1_2(tmp_path):
    """1e-5 is a number and no a string; PyYAML alone says the opposite."""
    assert (
        load(tmp_path, ("learning_rate: 1.0e-3", "learning_rate: 1e-5")).train.learning_rate == 1e-5
    )
    assert load(tmp_path, ("label: label", "label: no")).task.label == "no"


def test_an_int_serves_as_float_and_a_bool_not_as_int(tmp_path):
    """Strictness does not get in the way of `epochs: 3`."""
    assert load(tmp_path, ("epochs: 8", "epochs: 3")).train.epochs == 3.0
    assert "num_threads" in mistakes(tmp_path, ("num_threads: 2", "num_threads: true"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("label: label", "label: sentence1", "must name different columns"),
        ("    - equivalent\n", "    - not_equivalent\n", "holds a name twice"),
        ("data/sample/train.csv", "data/sample/*.csv", "data.glob"),
        ("name: sample  ", "name: sampel  ", "did you mean 'sample'?"),
        ("source: files", "source: hub", "hub.name is needed"),
        ("per_device_batch_size: null", "per_device_batch_size: 5", "no multiple"),
        ("positive_label: equivalent", "positive_label: equivalnt", "did you mean 'equivalent'?"),
        ("positive_label: equivalent", "positive_label: null", "say which one"),
        ("slices: []", "slices: [topic]", "add it to data.columns"),
        ("class_weights: null", "class_weights: [1.0]", "1 numbers for 2 labels"),
    ],
)
def test_cross_field_checks(tmp_path, old, new, message):
    """What fits alone and not together is said before anything runs."""
    assert message in mistakes(tmp_path, (old, new))


def test_the_json_schema_is_the_code(tmp_path):
    """params.schema.json is what `python -m stages.params` writes."""
    committed = json.loads((ROOT / "params.schema.json").read_text())
    assert committed == params.Params.model_json_schema()


def test_every_parameter_has_a_description():
    """Editors show one line for each key."""
    schema = params.Params.model_json_schema()
    for group in (schema, *schema["$defs"].values()):
        for name, field in group["properties"].items():
            assert "description" in field or "$ref" in field, name


def test_a_missing_file_is_named(tmp_path):
    """The message says where to stand."""
    with pytest.raises(InputError, match="no such file"):
        params.load(tmp_path / "params.yaml")
