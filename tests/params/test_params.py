"""params.yaml is strict, typed and YAML 1.2; every mistake is reported together."""

import pytest
import yaml

from temper import params
from temper.core import yaml_file
from temper.core.errors import InputError
from tests.helpers.parameters import line_of, load, load_changed, mistakes
from tests.helpers.workspace import ROOT

WRITTEN_AS_OFF = {
    "data.glob": "*",
    "data.hub": {"name": None, "config": None, "revision": None, "splits": {}},
    "data.extra_columns": [],
    "data.overlap": "report",
    "model.revision": None,
    "model.config": {},
    "train.per_device_batch_size": None,
    "train.layer_decay": 1.0,
    "train.freeze": {"embeddings": False, "layers": 0},
    "train.label_smoothing": 0.0,
    "train.focal_gamma": 0,
    "train.class_weights": None,
    "train.early_stopping": {"patience": 0, "min_delta": 0.0},
    "evaluate.slices": [],
}


def test_every_mistake_is_reported_with_its_line_and_the_nearest_key(tmp_path):
    """Unknown, missing and mistyped keys are reported together."""
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
    assert "'auto', 'fp32', 'bf16' or 'fp16'" in text


def test_reads_numbers_and_words_by_yaml_1_2(tmp_path):
    """1e-5 is a number, whereas PyYAML alone reads a string."""
    assert (
        load(tmp_path, ("learning_rate: 1.0e-3", "learning_rate: 1e-5")).train.learning_rate == 1e-5
    )
    assert load(tmp_path, ("label: label", "label: no")).task.label == "no"


def test_accepts_int_as_float_and_refuses_bool_as_int(tmp_path):
    """`epochs: 3` is valid."""
    assert load(tmp_path, ("epochs: 8", "epochs: 3")).train.epochs == 3.0
    assert "num_threads" in mistakes(tmp_path, ("num_threads: 2", "num_threads: true"))


def test_a_rule_on_several_groups_is_reported_at_the_key_it_names(tmp_path):
    """The positive label has to be one of task.labels."""
    text = mistakes(tmp_path, ("positive_label: equivalent", "positive_label: equivalnt"))
    assert f"params.yaml:{line_of('positive_label')}: evaluate.positive_label: 'equivalnt'" in text


def test_a_wrong_choice_lists_what_is_allowed(tmp_path):
    """The value may be a word, a number or null."""
    text = mistakes(tmp_path, ("  epochs: 8", "  class_weights: balancd\n  epochs: 8"))
    assert f"params.yaml:{line_of('epochs: 8')}: train.class_weights: " in text
    assert text.startswith("1 mistake in ")
    assert "'balanced'" in text
    assert "found 'balancd'" in text


def test_names_a_missing_or_scalar_group_once(tmp_path):
    """There is no message for each of its keys."""
    text = mistakes(tmp_path, ("tokenize:\n", "tokenise:\n"))
    assert "tokenise: unknown key (did you mean 'tokenize'?)" in text
    assert "tokenize: missing" in text
    (tmp_path / "params.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match="expected keys and values, found a list"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("seed: [")
    with pytest.raises(InputError, match="not YAML"):
        params.load(tmp_path / "params.yaml")


def test_absent_means_off(tmp_path):
    """Left out or written as off, a key gives the same parameters and MLflow entries."""
    absent = load(tmp_path)
    written = load_changed(tmp_path, WRITTEN_AS_OFF)
    assert written == absent
    assert written.model_dump() == absent.model_dump()
    assert params.flatten(written) == params.flatten(absent)


def test_a_part_of_a_group_is_enough(tmp_path):
    """What it leaves out is off."""
    changes = {"train.freeze": {"layers": 2}, "train.early_stopping.patience": 3}
    p = load_changed(tmp_path, changes | {"train.weight_averaging": {"kind": "last", "count": 2}})
    assert (p.train.freeze.layers, p.train.freeze.embeddings) == (2, False)
    assert (p.train.early_stopping.patience, p.train.early_stopping.min_delta) == (3, 0.0)
    flat = params.flatten(p)
    assert flat["train.freeze.layers"] == 2
    assert "train.freeze.embeddings" not in flat


def test_flattened_parameters_keep_lists_whole(tmp_path):
    """MLflow shows one entry per leaf."""
    flat = params.flatten(load(tmp_path))
    assert flat["train.learning_rate"] == 1e-3
    assert flat["task.text"] == ("sentence1", "sentence2")
    assert flat["code"] == {}
    assert flat["data.files.train"] == "data/sample/train.csv"
    without = params.flatten(load(tmp_path), without="export")
    assert set(flat) - set(without) == {key for key in flat if key.startswith("export.")}


def test_files_are_short():
    """One reads params.yaml and a recipe in a minute; what is off is not in them."""
    files = [ROOT / "params.yaml", ROOT / "tests/params.yaml", *(ROOT / "recipes").glob("*.yaml")]
    for file in files:
        lines = file.read_text().splitlines()
        assert len(lines) <= 75, file
        assert all(len(line) <= 110 for line in lines), file
        parsed = params.load(file)
        tree = yaml.load(file.read_text(), Loader=yaml_file.Loader)
        for name, values in tree.items():
            group = getattr(parsed, name)
            for key in values if name not in ("seed", "code") else ():
                field = type(group).model_fields[key]
                assert field.is_required() or getattr(group, key) != field.default, (file, key)


def test_a_duplicate_key_is_a_mistake(tmp_path):
    """YAML would silently take the last one."""
    text = mistakes(
        tmp_path, ("  lr_scheduler_type: linear", "  epochs: 3\n  lr_scheduler_type: linear")
    )
    line = line_of("lr_scheduler_type: linear")
    assert f"params.yaml:{line}: epochs: duplicate key 'epochs'" in text


def test_names_a_missing_params_yaml(tmp_path):
    """The message says where to run the command."""
    with pytest.raises(InputError, match="no such file"):
        params.load(tmp_path / "params.yaml")
