"""Rules across keys: which have an effect with the task and with each other.

`temper.params.schema` says what a single value may be.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from temper.core.validation import Location
from temper.params import evaluate_rules
from temper.params.model import Head
from temper.params.model_rules import model_conflicts
from temper.params.schema import Params
from temper.params.task import TASKS
from temper.params.task_rules import column_conflicts, text_conflicts
from temper.params.train import TrainParams
from temper.params.train_rules import LOSS_OPTIONS, TRAIN_RULES, Conflict

AUGMENTED = ("sequence_classification", "seq2seq_lm")  # no label belongs to a word of the text
SINGLE_LABEL = ("image_classification", "audio_classification")
LABELS = ("sequence_classification", "token_classification", *SINGLE_LABEL)
TAUGHT = ("sequence_classification", "token_classification", "image_classification")
HEADS = ("sequence_classification", "token_classification")  # tasks of `model.head`
TEXT = tuple(task for task in TASKS if task not in SINGLE_LABEL)
PADDED = (*TEXT, "audio_classification")  # whose rows have lengths
NOT_LM = tuple(task for task in TASKS if not task.endswith("_lm"))
R_DROP = tuple(task for task in NOT_LM if task != "embeddings")  # has no predictions to compare


@dataclass(frozen=True)
class Scope:
    """Where a key has an effect."""

    tasks: tuple[str, ...]  # values of `task.name`
    condition: Callable[[Params], bool] = lambda _: True  # what else has to hold
    hint: str = ""  # tasks or condition in words, for errors and docs/parameters.md

    def covers(self, p: Params) -> bool:
        return p.task.name in self.tasks and self.condition(p)


TASK_KEYS = {  # needed where they have an effect, refused elsewhere (ADR 8)
    "tokenize.max_length": Scope(TEXT),
    "tokenize.max_seconds": Scope(("audio_classification",)),
    "tokenize.padding": Scope(PADDED),
    "tokenize.overflow": Scope(HEADS),
    "tokenize.stride": Scope(
        (*HEADS, "question_answering"),
        lambda p: p.task.name == "question_answering" or p.tokenize.overflow == "window",
        "only with question_answering or overflow: window",
    ),
    "tokenize.window_pooling": Scope(
        ("sequence_classification",),
        lambda p: p.tokenize.overflow == "window",
        "only with sequence_classification and overflow: window",
    ),
    "tokenize.max_target_length": Scope(("seq2seq_lm",)),
    "evaluate.threshold": Scope(
        ("sequence_classification",),
        lambda p: p.task.metrics == "multi_label",
        "only with problem_type: multi_label_classification",
    ),
    "evaluate.span_decoding": Scope(("question_answering",)),
    "evaluate.generation": Scope(("seq2seq_lm", "causal_lm")),
}
TECHNIQUES = {  # off where absent, null, 0 or {}; refused where they have no effect (ADR 10)
    "tokenize.augment": Scope(
        AUGMENTED, hint=f"only with {' and '.join(AUGMENTED)}; images: train.augmentation"
    ),
    "tokenize.synonym_files": Scope(AUGMENTED),
    "tokenize.translators": Scope(AUGMENTED),
    "tokenize.pad_to_multiple_of": Scope(PADDED),
    "train.bucket_window": Scope(PADDED),
    "train.batch_tokens": Scope(
        TEXT, lambda p: p.tokenize.padding == "dynamic", "only with padding: dynamic"
    ),
    "train.class_weights": Scope(LABELS),
    "train.compile": Scope(
        tuple(TASKS),
        lambda p: p.train.engine == "loop" and p.train.precision in ("auto", "bf16"),
        "only with engine: loop and precision: bf16 or auto",
    ),
    "train.focal_gamma": Scope(LABELS),
    "train.augmentation": Scope(("image_classification",)),
    "train.huber_delta": Scope(
        ("sequence_classification",),
        lambda p: p.task.metrics == "regression",
        "only with problem_type: regression",
    ),
    "train.resampling": Scope(
        ("sequence_classification", *SINGLE_LABEL),
        lambda p: p.task.metrics == "classification",
        "only where a row has one label",
    ),
    "train.teachers": Scope(TAUGHT),
    "train.distillation": Scope(TAUGHT),
    "train.r_drop_alpha": Scope(R_DROP),
    "model.head": Scope(HEADS),
    "model.custom_class": Scope(LABELS),
    "model.new_tokens": Scope(TEXT),
    **dict.fromkeys(
        [f"evaluate.{key}" for key in evaluate_rules.DECISIONS],
        Scope(
            tuple(TASKS),
            lambda p: p.task.metrics in ("classification", "multi_label"),
            "only where a row as a whole has labels",
        ),
    ),
    "export.int8": Scope(NOT_LM),
    "export.max_score_drop": Scope(NOT_LM),
}


def conflicts(p: Params) -> list[tuple[Location, str]]:
    """Return a message for each key that is missing, has no effect or rules out another.

    The values that `Params` validates one by one are taken as valid.
    """
    rules = (
        _scopes,
        text_conflicts,
        column_conflicts,
        _data,
        model_conflicts,
        _head,
        *TRAIN_RULES,
        evaluate_rules.conflicts,
        _export,
    )
    found = [conflict for rule in rules for conflict in rule(p)]
    if p.task.classes is not None:
        found += label_conflicts(p, p.task.classes)
    return [(tuple(key.split(".")), message) for key, message in found]


def label_conflicts(p: Params, labels: Sequence[str]) -> Iterator[Conflict]:
    """Yield the parameters that name or count labels and do not match those of the data."""
    yield from evaluate_rules.label_conflicts(p, labels)
    weights = p.train.class_weights
    if isinstance(weights, tuple) and len(weights) != len(labels):
        message = f"{len(weights)} numbers for {len(labels)} labels ({', '.join(labels)})"
        yield "train.class_weights", message


def head_conflict(head: Head, p: Params) -> str | None:
    """Return why a linear or MLP head, of params.yaml or an earlier model, rules out a training."""
    if p.task.name not in HEADS:
        return f"linear and mlp are for {' and '.join(HEADS)}, not for {p.task.name}"
    if (head.pooling is None) == (p.task.name == "sequence_classification"):
        return (
            "pooling makes one vector of a text: sequence_classification needs it, "
            "token_classification has no use for it"
        )
    if head.pooling == "pair" and len(p.task.texts) != 2:
        return "pooling: pair is for two texts, and the task has one"
    if head.crf and p.task.name != "token_classification":
        return "crf is for token_classification"
    options = (*LOSS_OPTIONS, "loss", "teachers")
    unread = [f"train.{name}" for name in options if getattr(p.train, name)]
    if head.crf and unread:
        return f"crf has its own loss, which does not read {', '.join(unread)}: remove it"
    return None


def users_of_validation(p: TrainParams) -> list[str]:
    """Return the parameters in use that need a validation split with labels."""
    averages = p.weight_averaging is not None and p.weight_averaging.kind != "ema"
    in_use = {
        "metric_for_best_model": p.metric_for_best_model != "loss",
        "early_stopping": p.early_stopping.patience > 0,
        "weight_averaging": averages,
    }
    return [f"train.{name}" for name, is_on in in_use.items() if is_on]


def _scopes(p: Params) -> Iterator[Conflict]:
    """Yield keys that the task needs and lacks, or has and never reads."""
    for dotted, scope in (TASK_KEYS | TECHNIQUES).items():
        group, key = dotted.split(".")
        is_needed, values = dotted in TASK_KEYS, getattr(p, group)
        is_written, value = key in values.model_fields_set, getattr(values, key)
        if is_needed and value is None and scope.covers(p):
            yield dotted, f"{'null' if is_written else 'missing'}; {p.task.name} needs it here"
        elif (is_written if is_needed else value) and not scope.covers(p):
            hint = f" ({scope.hint})" if scope.hint else ""
            yield dotted, f"has no effect here with {p.task.name}{hint}; remove it"


def _data(p: Params) -> Iterator[Conflict]:
    """Yield keys about a source that is not read, and columns and filters that do not fit."""
    hub, rows = p.data.hub.model_dump(exclude_defaults=True), p.data.filter
    if p.data.source == "files" and hub:
        yield "data.hub", f"{', '.join(hub)} has no effect with source: files; remove data.hub"
    if p.data.source == "hub" and p.data.glob != "*":
        yield "data.glob", "chooses among local files, and source is hub; remove it"
    by_task = {*p.task.inputs, *(p.task.target or ())[:1]}
    for column in p.data.extra_columns:
        if column in by_task:
            yield "data.extra_columns", f"{column!r} is kept in any case, by the task; remove it"
    for column in p.evaluate.slices:
        if column not in by_task | {*p.data.extra_columns}:
            message = f"names {column!r}, which is not a column of the rows: add it to "
            yield "evaluate.slices", f"{message}data.extra_columns"
    by_length = rows is not None and (rows.min_characters, rows.max_characters) != (None, None)
    if by_length and p.task.medium:
        message = f"remove min_characters and max_characters for {p.task.name}: "
        yield "data.filter", f"{message}{p.task.examples_name} have no characters"
    if rows is not None and rows.labels and (p.task.target or "")[1:] != ("class",):
        message = "remove labels here: only rows with exactly one label can be selected by it"
        yield "data.filter", message


def _head(p: Params) -> Iterator[Conflict]:
    head = p.model.head
    if head is None:
        return
    if p.model.custom_class is not None:
        yield "model.custom_class", "already has a head: remove model.head"
    elif head.kind == "new" and p.model.from_scratch:
        yield "model.head", "everything is new with from_scratch: true; remove it"
    elif head.kind != "new" and (message := head_conflict(head, p)):
        yield "model.head", message


def _export(p: Params) -> Iterator[Conflict]:
    if p.export.int8 and p.export.max_score_drop is None:
        yield "export.max_score_drop", "missing; int8: true needs it"
    if p.export.int8 and p.export.onnx == "off":
        yield "export.int8", "remove it, or export.onnx: off; int8 is made from the ONNX model"
