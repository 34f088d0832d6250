"""Values that are fine alone and not together are refused before anything runs."""

import pytest

from tests.helpers.parameters import mistakes

CRF = "head: {kind: linear, pooling: mean, dropout: 0.1, crf: true}"
WSD = "lr_scheduler_kwargs: {num_decay_steps: 9, num_cycles: 1.5, decay_type: linear}"
SAME = ("seed", "seed")
NEW = ("head: null", "head: {kind: new}")
FROZEN = ("embeddings: false", "embeddings: true")
FROZEN_ALL = ("layers: 0", "layers: all")
PAIR = "head: {kind: linear, pooling: pair, dropout: 0.1}"
LORA = "lora: {rank: 4, alpha: 8.0, dropout: 0.0, target_modules: null}"


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
