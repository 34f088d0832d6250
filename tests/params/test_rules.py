"""Values that are valid alone and not together are refused before anything runs."""

import json

import pytest

from temper import params
from temper.core.errors import InputError
from temper.params import rules
from temper.params.model import Head
from tests.helpers.parameters import load_changed, mistakes_changed
from tests.helpers.workspace import ROOT

CRF = {"kind": "linear", "pooling": "mean", "dropout": 0.1, "crf": True}
PAIR = {"kind": "linear", "pooling": "pair", "dropout": 0.1}
LORA = {"rank": 4, "alpha": 8.0, "dropout": 0.0}
WSD = {"num_decay_steps": 9, "num_cycles": 1.5, "warmup_type": "cosine", "decay_type": "linear"}
ONE_TEXT = {"task.text": ["sentence1"]}
TEACHERS = {"big": {"name": "sample"}}
TAUGHT = {"train.teachers": TEACHERS, "train.distillation": {"weight": 0.5, "temperature": 2.0}}
MULTI_LABEL = {"task.problem_type": "multi_label_classification", "evaluate.positive_label": None}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("task.label", "sentence1", "two of the task's columns are the same: "),
        ("task.text", ["sentence1"] * 2, "two of the task's columns are the same: "),
        ("task.text", ["sentence1", "sentence2", "sentence3"], "at most 2 items"),
        ("task.labels", ["not_equivalent"], "labels needs at least two names"),
        ("task.labels", ["equivalent"] * 2, "labels holds a name twice"),
        ("task.problem_type", "regression", "regression has no labels; remove labels"),
        ("data.files", {"test": "data/sample/test.csv"}, "files needs a train split"),
        ("data.source", "hub", "hub.name is needed"),
        ("model.name", "data/sample", "a folder that DVC does not watch"),
        ("model.name", "sampel", "did you mean 'sample'?"),
        ("train.warmup_ratio", 1.0, "less than 1"),
        ("train.epochs", 0, "greater than 0"),
        ("train.evaluate_every", 0, "train.evaluate_every"),
        ("train.per_device_batch_size", 5, "batch_size 32 is not a multiple"),
        ("train.batch_size", None, "train: batch_size is missing (or batch_tokens in its place)"),
        ("train.batch_tokens", 2048, "in place of batch_size; remove one of them"),
        ("train.class_weights", [1.0], "1 numbers for 2 labels"),
        ("train.early_stopping", {"min_delta": 0.1}, "train.early_stopping.patience: missing"),
        ("train.weight_averaging", {"kind": "last"}, "weight_averaging.count is needed for last"),
        ("train.huber_delta", 1.0, "(only with problem_type: regression); remove it"),
        ("evaluate.threshold", "tunde", "'tuned'"),
        ("evaluate.positive_label", "equivalnt", "did you mean 'equivalent'?"),
        ("evaluate.positive_label", None, "say which one"),
        ("evaluate.slices", ["topic"], "add it to data.extra_columns"),
        ("evaluate.zero_shot", {"nli": {"nam": "x"}}, "evaluate.zero_shot.nli.nam: unknown key"),
        ("model.head", {"kind": "linear", "dropout": 0.1}, "makes one vector of a text"),
        ("model.head", {"kind": "mlp", "dropout": 0.1}, "head.hidden_size is needed for mlp"),
        ("model.head", {"kind": "linear", "pooling": "mean"}, "head.dropout is needed for linear"),
        ("model.head", {"kind": "new", "dropout": 0.1}, "head.dropout has no effect with new"),
        ("model.head", {"kind": "new"}, "everything is new with from_scratch"),
        ("model.head", CRF, "crf is for token_classification"),
    ],
)
def test_cross_field_checks(tmp_path, key, value, message):
    """One value that does not fit the others."""
    assert message in mistakes_changed(tmp_path, {key: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.lora": LORA, "train.freeze.embeddings": True}, "model.lora: already freezes"),
        ({"model.lora": LORA, "train.freeze": {"layers": 1}}, "model.lora: already freezes"),
        ({"model.head": PAIR} | ONE_TEXT, "pair is for two texts"),
        (
            {"model.custom_class": "mine.A", "model.head": {"kind": "new"}},
            "model.custom_class: already has a head",
        ),
        (
            {"model.new_tokens": ["x"], "train.freeze.embeddings": True},
            "model.new_tokens: their embeddings are",
        ),
        (
            {"model.new_tokens": ["x"], "train.freeze.layers": "all"},
            "model.new_tokens: their embeddings are",
        ),
        ({"train.teachers": TEACHERS}, "train.distillation: missing; train.teachers needs its w"),
        ({"train.distillation": {"weight": 0.5}}, "has no effect without train.teachers; remove"),
        (TAUGHT | {"train.distillation": {"weight": 0}}, "greater than 0"),
        (TAUGHT | {"train.distillation": {"weight": 0.5, "temperature": 0}}, "greater than 0"),
        (TAUGHT | {"train.loss": "m.f"}, "train.loss: may be of another scale than the teachers'"),
        (TAUGHT | {"train.collator": "m.f"}, "train.collator: may change rows, and the teachers"),
        (
            TAUGHT | {"train.distillation": {"weight": 1.0}, "train.focal_gamma": 2.0},
            "train.focal_gamma: has no effect with train.distillation.weight: 1; remove it",
        ),
        (
            TAUGHT
            | {"task.problem_type": "regression", "task.labels": None}
            | {"evaluate.positive_label": None, "train.metric_for_best_model": "loss"},
            "temperature divides logits, and regression has none; remove it",
        ),
        (
            {"train.loss": "m.f", "train.label_smoothing": 0.1},
            "train.label_smoothing: 0.1 has no effect on a custom train.loss; remove it",
        ),
        ({"train.loss": "m.f", "train.focal_gamma": 2}, "2.0 has no effect on"),
        (
            {"train.batch_size": None, "train.batch_tokens": 999, "tokenize.padding": "max_length"},
            "train.batch_tokens: has no effect here with sequence_classification (only with paddin",
        ),
        (
            {
                "train.batch_size": None,
                "train.batch_tokens": 999,
                "train.per_device_batch_size": 10,
            },
            "batch_tokens 999 is not a multiple of per_device_batch_size 10",
        ),
        ({"train.compile": True}, "only with engine: loop and precision: bf16 or auto"),
        ({"train.loss": "m.f", "train.class_weights": "balanced"}, "'balanced' has no effect"),
        (
            {"train.lr_scheduler_type": "constant"},
            "train.warmup_ratio: 0.1 has no effect with lr_scheduler_type: constant",
        ),
        (
            {"train.lr_scheduler_type": "mine.schedule"},
            "train.warmup_ratio: 0.1 has no effect with lr_scheduler_type: mine.schedule",
        ),
        ({"train.warmup_steps": 9}, "train.warmup_steps: warmup_ratio is 0.1; set that to 0"),
        (
            {"train.lr_scheduler_type": "cosine_with_restarts"},
            "lr_scheduler_type: cosine_with_restarts needs num_cycles there",
        ),
        (
            {"train.lr_scheduler_kwargs": {"power": 2.0}},
            "power has no effect with lr_scheduler_type: linear, which takes none",
        ),
        (
            {"train.lr_scheduler_type": "polynomial", "train.lr_scheduler_kwargs": {"lr_end": 1.0}},
            "lr_end must be below train.learning_rate",
        ),
        (
            {"train.lr_scheduler_type": "warmup_stable_decay", "train.lr_scheduler_kwargs": WSD},
            "num_cycles has no effect without decay_type: cosine",
        ),
        (
            {
                "train.lr_scheduler_type": "cosine_with_min_lr",
                "train.lr_scheduler_kwargs": {"min_lr": 0.0, "min_lr_rate": 0.1},
            },
            "lr_scheduler_type: cosine_with_min_lr needs exactly one of min_lr, min_lr_rate there",
        ),
    ],
)
def test_techniques_that_exclude_each_other(tmp_path, changes, message):
    """The message says which, and what to remove."""
    assert message in mistakes_changed(tmp_path, changes)


def test_a_hub_source_leaves_no_local_file_to_watch(tmp_path):
    """DVC would hash files that no stage reads."""
    text = mistakes_changed(tmp_path, {"data.source": "hub", "data.hub.name": "nyu-mll/glue"})
    assert "files must be {} while source is 'hub'" in text


def test_a_threshold_is_for_multi_label_tasks(tmp_path):
    """Needed there, refused elsewhere with its line, because nothing would read it."""
    text = mistakes_changed(tmp_path, {"evaluate.threshold": 0.5})
    lines = (tmp_path / "params.yaml").read_text().splitlines()
    line = lines.index("  threshold: 0.5") + 1
    assert text.splitlines()[1:] == [
        f"  {tmp_path}/params.yaml:{line}: evaluate.threshold: has no effect here with "
        "sequence_classification (only with problem_type: multi_label_classification); remove it"
    ]
    assert "evaluate.threshold: missing" in mistakes_changed(tmp_path, MULTI_LABEL)
    assert load_changed(tmp_path, MULTI_LABEL | {"evaluate.threshold": "tuned"})


def test_int8_needs_a_limit_of_what_it_may_lose(tmp_path):
    """A limit without int8 does no harm: it waits for int8 to be turned on."""
    changes = {"export": {"name": "x", "int8": True}}
    assert "export.max_score_drop: missing; int8: true" in mistakes_changed(tmp_path, changes)
    changes = {"export": {"name": "x", "int8": True, "max_score_drop": 0.1, "onnx": "off"}}
    assert "export.int8: remove it, or export.onnx: off" in mistakes_changed(tmp_path, changes)
    assert not load_changed(tmp_path, {"export.int8": False}).export.int8
    assert not load_changed(tmp_path, {"export": {"name": "x"}}).export.int8


@pytest.mark.parametrize("task", params.TASKS)
def test_a_technique_that_is_off_is_allowed_everywhere(task, tmp_path):
    """Written as off, with a task where it has no effect, it is the same as absent."""
    recipe = ROOT / f"recipes/sample-{task}.yaml"
    parsed = params.load(recipe)
    for key, scope in rules.TECHNIQUES.items():
        group, name = key.split(".")
        field = type(getattr(parsed, group)).model_fields[name]
        if field.is_required() or scope.covers(parsed):
            continue
        off = f"\n{group}:\n  {name}: {json.dumps(field.default)}\n"
        text = recipe.read_text().replace(f"\n{group}:\n", off)
        assert off in text
        (tmp_path / "params.yaml").write_text(text)
        assert params.load(tmp_path / "params.yaml") == parsed


def test_every_rule_names_a_key_of_the_schema():
    """A rule of a renamed key would never apply."""
    for key in (*rules.TASK_KEYS, *rules.TECHNIQUES):
        group, name = key.split(".")
        annotation = params.Params.model_fields[group].annotation
        assert name in annotation.model_fields, key
        assert set({**rules.TASK_KEYS, **rules.TECHNIQUES}[key].tasks) <= set(params.TASKS)


def test_what_is_missing_is_asked_for_with_its_line(write_params):
    """A key that the task needs, written as null or not at all."""
    with pytest.raises(InputError, match=r"tokenize\.max_length: null; sequence_classif"):
        write_params(tokenize__max_length=None)


def test_a_folder_may_be_a_teachers_alone(tmp_path):
    """The model itself is of the Hub then; a folder that nobody uses is a mistake as before."""
    changes = {
        "model.name": "org/model",
        "model.from_scratch": False,
        "model.files": {"big": "big"},
    }
    teachers = TAUGHT | {"train.teachers": {"a": {"name": "big"}}}
    assert load_changed(tmp_path, changes | teachers).model.name == "org/model"
    assert "name is 'org/model' but files holds ['big']" in mistakes_changed(tmp_path, changes)


def test_a_crf_learns_from_no_teacher(tmp_path):
    """Its logits are no probabilities."""
    parameters = load_changed(tmp_path, TAUGHT)
    task = parameters.task.model_copy(update={"name": "token_classification"})
    tagger = parameters.model_copy(update={"task": task})
    head = Head(kind="linear", dropout=0.1, crf=True)
    assert "does not read train.teachers" in str(rules.head_conflict(head, tagger))
