"""Rules across keys: which have an effect with the task and with each other.

`temper.params.schema` says what a single value may be, and which labels and columns must agree.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from temper.core.errors import InputError
from temper.params.model import Head, ModelParams
from temper.params.schedule import Conflict, schedule_conflicts
from temper.params.schema import Params, ZeroShot, label_phrases
from temper.params.task import TASKS
from temper.params.tokenize import Translator
from temper.params.train import TrainParams

AUGMENTED = ("sequence_classification", "seq2seq_lm")  # no label belongs to a word of the text
LABELS = ("sequence_classification", "token_classification", "image_classification")
HEADS = ("sequence_classification", "token_classification")  # tasks of `model.head`
TEXT = tuple(task for task in TASKS if task != "image_classification")
NOT_LM = tuple(task for task in TASKS if not task.endswith("_lm"))


@dataclass(frozen=True)
class Scope:
    """Where a key has an effect.

    Args:
        tasks: values of `task.name`.
        condition: what else has to hold.
        hint: tasks or condition in words, for errors and docs/parameters.md.
    """

    tasks: tuple[str, ...]
    condition: Callable[[Params], bool] = lambda _: True
    hint: str = ""

    def covers(self, p: Params) -> bool:
        return p.task.name in self.tasks and self.condition(p)


TASK_KEYS = {  # needed where they have an effect, refused elsewhere (ADR 8)
    "tokenize.max_length": Scope(TEXT),
    "tokenize.padding": Scope(TEXT),
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
    "tokenize.pad_to_multiple_of": Scope(TEXT),
    "train.bucket_window": Scope(TEXT),
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
        ("sequence_classification", "image_classification"),
        lambda p: p.task.metrics == "classification",
        "only where a row has one label",
    ),
    "train.r_drop_alpha": Scope(NOT_LM),
    "model.head": Scope(HEADS),
    "model.custom_class": Scope(LABELS),
    "model.new_tokens": Scope(TEXT),
    "export.int8": Scope(NOT_LM),
    "export.max_score_drop": Scope(NOT_LM),
}
LOSS_OPTIONS = ("class_weights", "label_smoothing", "focal_gamma", "huber_delta")


def conflicts(parameters: Params) -> dict[tuple[str, str], str]:
    """Return a message for each (group, key) that is missing, has no effect or rules out another.

    The values that `Params` validates one by one are taken as valid.
    """
    messages: dict[tuple[str, str], str] = {}
    rules = (_unused_source, _task, _columns, _phrases, _head, _frozen, _loss, schedule_conflicts)
    rules += (_augmentation, _int8)
    for rule in rules:
        for dotted, message in rule(parameters):
            group, _, key = dotted.partition(".")
            before = messages.get((group, key))
            messages[group, key] = message if before is None else f"{before}; {message}"
    return messages


def head_conflict(head: Head, p: Params) -> str | None:
    """Return why a linear or MLP head, of params.yaml or an earlier model, rules out a training."""
    if p.task.name not in HEADS:
        return f"linear and mlp are for {' and '.join(HEADS)}, not for {p.task.name}"
    if (head.pooling is None) == (p.task.name == "sequence_classification"):
        return (
            "pooling makes one vector of a text: sequence_classification needs it, "
            "token_classification has no use for it"
        )
    if head.pooling == "pair" and len(p.task.inputs) != 2:
        return "pooling: pair is for two texts, and task.text names one column"
    if head.crf and p.task.name != "token_classification":
        return "crf is for token_classification"
    unread = [f"train.{name}" for name in (*LOSS_OPTIONS, "loss") if getattr(p.train, name)]
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


def _unused_source(p: Params) -> Iterator[Conflict]:
    """Yield keys about a source that is not read: they would be recorded as where it came from."""
    hub = p.data.hub.model_dump(exclude_defaults=True)
    if p.data.source == "files" and hub:
        yield "data.hub", f"{', '.join(hub)} has no effect with source: files; remove data.hub"
    if p.data.source == "hub" and p.data.glob != "*":
        yield "data.glob", "chooses among local files, and source is hub; remove it"
    models: list[tuple[str, ModelParams | ZeroShot | Translator]] = [("model.revision", p.model)]
    models += [(f"evaluate.zero_shot.{key}", m) for key, m in p.evaluate.zero_shot.items()]
    models += [(f"tokenize.translators.{key}", m) for key, m in p.tokenize.translators.items()]
    for key, model in models:
        if model.revision is not None and model.name in p.model.files:
            text = f"revision {model.revision!r} is of a Hub model, and {model.name!r} is a folder "
            yield key, f"{text}under model.files; remove it"


def _task(p: Params) -> Iterator[Conflict]:
    """Yield keys that the task needs and lacks, or has and never reads."""
    task = p.task.name
    for dotted, scope in TASK_KEYS.items():
        group, key = dotted.split(".")
        values = getattr(p, group)
        is_written, value = key in values.model_fields_set, getattr(values, key)
        if scope.covers(p) and value is None:
            yield dotted, f"{'null' if is_written else 'missing'}; {task} needs it here"
        elif is_written and not scope.covers(p):
            yield dotted, _no_effect(scope, task)
    for dotted, scope in TECHNIQUES.items():
        group, key = dotted.split(".")
        if getattr(getattr(p, group), key) and not scope.covers(p):
            yield dotted, _no_effect(scope, task)


def _columns(p: Params) -> Iterator[Conflict]:
    kept = {*p.task.inputs, *(p.task.target or ())[:1]}
    for column in p.data.extra_columns:
        if column in kept:
            yield "data.extra_columns", f"{column!r} is kept in any case, by the task; remove it"


def _phrases(p: Params) -> Iterator[Conflict]:
    for name, model in p.evaluate.zero_shot.items():
        try:
            label_phrases(model.phrases, p.task.classes or ())
        except InputError as error:
            yield "evaluate.zero_shot", f"{name}: {error}"


def _no_effect(scope: Scope, task: str) -> str:
    hint = f" ({scope.hint})" if scope.hint else ""
    return f"has no effect here with {task}{hint}; remove it"


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


def _frozen(p: Params) -> Iterator[Conflict]:
    freeze = p.train.freeze
    if p.model.lora is not None and (freeze.embeddings or freeze.layers):
        yield "model.lora", "already freezes everything but the head: remove train.freeze"
    if p.model.new_tokens and (freeze.embeddings or freeze.layers == "all"):
        yield (
            "model.new_tokens",
            "their embeddings are new, and train.freeze keeps them from being trained: remove "
            "train.freeze.embeddings, and give layers a number",
        )


def _loss(p: Params) -> Iterator[Conflict]:
    """Yield options that the task's loss, or a custom one, does not read."""
    labels, weights = p.task.classes, p.train.class_weights
    if isinstance(weights, tuple) and labels is not None and len(weights) != len(labels):
        yield "train.class_weights", f"has {len(weights)} numbers for {len(labels)} labels"
    if isinstance(weights, tuple) and (min(weights, default=0) < 0 or not any(weights)):
        found = list(weights)
        yield "train.class_weights", f"found {found}; none may be negative, one must be above 0"
    for key in LOSS_OPTIONS:
        value = getattr(p.train, key)
        if not value:
            continue
        if p.train.loss is not None:
            yield f"train.{key}", f"{value!r} has no effect on a custom train.loss; remove it"
        elif p.task.metrics == "regression" and key != "huber_delta":
            yield f"train.{key}", f"{value!r} is about classes, and regression has none; remove it"


def _augmentation(p: Params) -> Iterator[Conflict]:
    augment = p.tokenize.augment
    if augment is not None and augment.exchange and len(p.task.inputs) != 2:
        yield "tokenize.augment", "exchange is for pairs of texts; remove it"


def _int8(p: Params) -> Iterator[Conflict]:
    if p.export.int8 and p.export.max_score_drop is None:
        yield "export.max_score_drop", "missing; int8: true needs it"
    if p.export.int8 and p.export.onnx == "off":
        yield "export.int8", "remove it, or export.onnx: off; int8 is made from the ONNX model"
