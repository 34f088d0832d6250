"""params.yaml is strict, typed and YAML 1.2; every mistake is reported together."""

import json

import pytest

from temper import params
from temper.core import artifacts
from temper.core.errors import InputError
from tests.helpers.parameters import line_of, load, mistakes
from tests.helpers.workspace import ROOT


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


def test_a_wrong_choice_lists_what_is_allowed(tmp_path):
    """A word, a number or null, each with its place."""
    text = mistakes(tmp_path, ("class_weights: null", "class_weights: balancd"))
    line = line_of("class_weights: null")
    assert f"params.yaml:{line}: train.class_weights: " in text
    assert text.startswith("1 mistake in ")
    assert "'balanced'" in text
    assert "found 'balancd'" in text


def test_a_group_that_is_missing_or_no_group_is_named(tmp_path):
    """In place of one message for each of its keys."""
    text = mistakes(tmp_path, ("tokenize:\n", "tokenise:\n"))
    assert "tokenise: unknown key (did you mean 'tokenize'?)" in text
    assert "tokenize: missing" in text
    (tmp_path / "params.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match="expected keys and values, found a list"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("seed: [")
    with pytest.raises(InputError, match="not YAML"):
        params.load(tmp_path / "params.yaml")


def test_flattened_parameters_keep_lists_whole(tmp_path):
    """One entry per leaf, as MLflow shows them."""
    flat = params.flatten(load(tmp_path))
    assert flat["train.learning_rate"] == 1e-3
    assert flat["task.text"] == ("sentence1", "sentence2")
    assert flat["model.config"] == {}
    assert flat["data.files.train"] == "data/sample/train.csv"


def test_the_json_schema_is_the_code(tmp_path):
    """params.schema.json holds the bytes that `python -m temper.params` writes."""
    artifacts.write_json(tmp_path / "schema.json", params.Params.model_json_schema())
    written = (tmp_path / "schema.json").read_bytes()
    assert (ROOT / "params.schema.json").read_bytes() == written


def test_every_key_of_params_yaml_has_a_description(tmp_path):
    """Editors show one line for each; `files` and the like hold names of the user's own."""
    schema = json.loads((ROOT / "params.schema.json").read_text())
    for key in params.flatten(load(tmp_path)):
        node, described = schema, False
        for part in key.split("."):
            if "properties" not in node:
                break
            node = node["properties"][part]
            if part == "task":
                node = {"$ref": "#/$defs/SequenceClassification"}
            described = "description" in node
            node = schema["$defs"][node["$ref"].split("/")[-1]] if "$ref" in node else node
        assert described, key


def test_a_key_that_stands_twice_is_a_mistake(tmp_path):
    """YAML would take the last one, and say nothing."""
    text = mistakes(
        tmp_path, ("  lr_scheduler_type: linear", "  epochs: 3\n  lr_scheduler_type: linear")
    )
    assert (
        f"params.yaml:{line_of('lr_scheduler_type: linear')}: epochs: the key 'epochs' stands"
        in text
    )


def test_a_missing_file_is_named(tmp_path):
    """The message says where to stand."""
    with pytest.raises(InputError, match="no such file"):
        params.load(tmp_path / "params.yaml")
