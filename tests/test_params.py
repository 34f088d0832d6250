"""params.yaml: strict, typed, YAML 1.2, every mistake at once with its line."""

import json
from pathlib import Path

import pytest

from temper import params
from temper.core import artifacts
from temper.core.errors import InputError

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "params.yaml").read_text()


def load(tmp_path, *replacements):
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "params.yaml").write_text(text)
    return params.load(tmp_path / "params.yaml")


CRF = "head: {kind: linear, pooling: mean, dropout: 0.1, crf: true}"
WSD = "lr_scheduler_kwargs: {num_decay_steps: 9, num_cycles: 1.5, decay_type: linear}"
SAME = ("seed", "seed")
NEW = ("head: null", "head: {kind: new}")
FROZEN = ("embeddings: false", "embeddings: true")
FROZEN_ALL = ("layers: 0", "layers: all")
PAIR = "head: {kind: linear, pooling: pair, dropout: 0.1}"
LORA = "lora: {rank: 4, alpha: 8.0, dropout: 0.0, target_modules: null}"


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
        ("label: label", "label: sentence1", "two of the task's columns are the same: "),
        ("    - sentence2", "    - sentence1", "two of the task's columns are the same: "),
        ("    - sentence2", "    - sentence2\n    - sentence3", "at most 2 items"),
        ("    - equivalent\n", "", "labels needs at least two names"),
        (": single_label_classification", ": regression", "labels must be null for regression"),
        ("    train: data/sample/train.csv\n", "", "files needs a train split"),
        ("name: sample  ", "name: data/sample  ", "a folder that DVC does not watch"),
        ("    - equivalent\n", "    - not_equivalent\n", "holds a name twice"),
        ("data/sample/train.csv", "data/sample/*.csv", "data.glob"),
        ("name: sample  ", "name: sampel  ", "did you mean 'sample'?"),
        ("warmup_ratio: 0.1", "warmup_ratio: 1.0", "less than 1"),
        ("epochs: 8", "epochs: 0", "greater than 0"),
        ("evaluate_every: epoch", "evaluate_every: 0", "train.evaluate_every"),
        ("threshold: 0.5", "threshold: tunde", "'tuned'"),
        ("source: files", "source: hub", "hub.name is needed"),
        ("per_device_batch_size: null", "per_device_batch_size: 5", "no multiple"),
        ("positive_label: equivalent", "positive_label: equivalnt", "did you mean 'equivalent'?"),
        ("positive_label: equivalent", "positive_label: null", "say which one"),
        ("slices: []", "slices: [topic]", "add it to data.extra_columns"),
        ("class_weights: null", "class_weights: [1.0]", "1 numbers for 2 labels"),
        ("head: null", "head: {kind: linear, dropout: 0.1}", "makes one vector of a text"),
        ("head: null", "head: {kind: mlp, dropout: 0.1}", "head.hidden_size is needed for mlp"),
        ("head: null", "head: {kind: new, dropout: 0.1}", "head.dropout has no effect with new"),
        ("head: null", CRF, "crf is for token_classification"),
        (
            "weight_averaging: null",
            "weight_averaging: {kind: last}",
            "weight_averaging.count is needed for last",
        ),
        ("huber_delta: null", "huber_delta: 1.0", "has no effect here with sequence_class"),
    ],
)
def test_cross_field_checks(tmp_path, old, new, message):
    """What fits alone and not together is said before anything runs."""
    assert message in mistakes(tmp_path, (old, new))


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (
            ("lora: null", LORA),
            ("embeddings: false", "embeddings: true"),
            "model.lora: freezes all but",
        ),
        (("head: null", PAIR), ("    - sentence2\n", ""), "pair is for two texts"),
        (
            ("custom_class: null", "custom_class: mine.A"),
            ("head: null", "head: {kind: new}"),
            "a head of its own",
        ),
        (("new_tokens: null", "new_tokens: [x]"), FROZEN, "model.new_tokens: their embeddings are"),
        (("new_tokens: null", "new_tokens: [x]"), FROZEN_ALL, "model.new_tokens: their embeddings"),
        (
            (" loss: null", " loss: m.f"),
            ("smoothing: 0.0", "smoothing: 0.1"),
            "train.loss, which is",
        ),
        (
            (" loss: null", " loss: m.f"),
            ("focal_gamma: 0", "focal_gamma: 2"),
            "2.0 has no effect on",
        ),
        ((" loss: null", " loss: m.f"), ("hts: null", "hts: balanced"), "'balanced' has no effect"),
        (
            ("lr_scheduler_type: linear", "lr_scheduler_type: constant"),
            SAME,
            "0.1 has no effect with schedule",
        ),
        (
            ("lr_scheduler_type: linear", "lr_scheduler_type: cosine_with_restarts"),
            SAME,
            "cosine_with_restarts needs num_cycles there, and one only",
        ),
        (
            ("lr_scheduler_kwargs: null", "lr_scheduler_kwargs: {power: 2.0}"),
            SAME,
            "power has no effect with schedule: linear, which takes none",
        ),
        (
            ("lr_scheduler_type: linear", "lr_scheduler_type: polynomial"),
            ("lr_scheduler_kwargs: null", "lr_scheduler_kwargs: {lr_end: 1.0}"),
            "lr_end must be below train.learning_rate",
        ),
        (
            ("lr_scheduler_type: linear", "lr_scheduler_type: warmup_stable_decay"),
            ("lr_scheduler_kwargs: null", WSD),
            "num_cycles has no effect without a cosine",
        ),
        (
            ("lr_scheduler_type: linear", "lr_scheduler_type: cosine_with_min_lr"),
            ("lr_scheduler_kwargs: null", "lr_scheduler_kwargs: {min_lr: 0.0, min_lr_rate: 0.1}"),
            "needs min_lr or min_lr_rate there, and one only",
        ),
        (SAME, NEW, "everything is new with from_scratch"),
    ],
)
def test_techniques_that_exclude_each_other(tmp_path, one, other, message):
    """Before anything runs."""
    assert message in mistakes(tmp_path, one, other)


def test_a_hub_source_leaves_no_local_file_to_watch(tmp_path):
    """DVC would hash files that no stage reads."""
    name = ("    name: null", "    name: nyu-mll/glue")
    text = mistakes(tmp_path, ("source: files", "source: hub"), name)
    assert "files must be {} while source is 'hub'" in text


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
