"""Parameters → those that do not fit the task or each other, each with its key and what to do.

`temper.params.schema` says what a value may be and which labels and columns must agree; here is
which techniques have an effect together.
"""

from collections.abc import Callable, Iterator

from temper.params.model import Head
from temper.params.schema import Params
from temper.params.train import TrainParams

AUGMENTED = ("sequence_classification", "seq2seq_lm")  # no label belongs to a word of the text
LABELS = ("sequence_classification", "token_classification", "image_classification")
HEADS = LABELS[:2]  # tasks of `model.head`
TASK_KEYS: dict[str, Callable[[Params], bool]] = {  # keys that not every task has
    "tokenize.max_length": lambda p: p.task.name != "image_classification",
    "tokenize.padding": lambda p: p.task.name != "image_classification",
    "tokenize.pad_to_multiple_of": lambda p: p.task.name != "image_classification",
    "tokenize.overflow": lambda p: p.task.name in LABELS[:2],
    "tokenize.stride": lambda p: (
        p.task.name == "question_answering" or p.tokenize.overflow == "window"
    ),
    "tokenize.window_pooling": lambda p: (
        p.task.name == LABELS[0] and p.tokenize.overflow == "window"
    ),
    "tokenize.max_target_length": lambda p: p.task.name == "seq2seq_lm",
    "train.class_weights": lambda p: p.task.name in LABELS,
    "train.focal_gamma": lambda p: p.task.name in LABELS,
    "train.augmentation": lambda p: p.task.name == "image_classification",
    "evaluate.threshold": lambda p: p.task.name == LABELS[0],
    "evaluate.span_decoding": lambda p: p.task.name == "question_answering",
    "evaluate.generation": lambda p: p.task.name in ("seq2seq_lm", "causal_lm"),
    "export.int8": lambda p: not p.task.name.endswith("_lm"),
    "export.max_score_drop": lambda p: not p.task.name.endswith("_lm"),
}
MAY_BE_NULL = ("train.class_weights", "train.augmentation")  # null turns them off
TECHNIQUES: dict[str, Callable[[Params], bool]] = {  # off where missing, null or {} (ADR 10)
    "tokenize.augment": lambda p: p.task.name in AUGMENTED,
    "tokenize.synonym_files": lambda p: p.task.name in AUGMENTED,
    "tokenize.translators": lambda p: p.task.name in AUGMENTED,
    "train.huber_delta": lambda p: p.task.metrics == "regression",
    "train.resampling": lambda p: p.task.metrics == "classification",
    "train.r_drop_alpha": lambda p: not p.task.name.endswith("_lm"),
    "model.head": lambda p: p.task.name in HEADS,
    "model.custom_class": lambda p: p.task.name in LABELS,
    "model.new_tokens": lambda p: p.task.name != "image_classification",
}
HINTS = {  # after "has no effect here with <task>"
    "train.huber_delta": " (only with problem_type: regression)",
    "train.resampling": " (only where a row has one label)",
    "tokenize.augment": f" (only with {' and '.join(AUGMENTED)}; images: train.augmentation)",
}
LOSS_OPTIONS = {  # of temper's own losses → the value that is off
    "class_weights": None,
    "label_smoothing": 0,
    "focal_gamma": 0,
    "huber_delta": None,
}
SCHEDULE_OPTIONS = {  # schedule → those of `train.lr_scheduler_kwargs` that it reads
    "cosine": ("num_cycles",),
    "cosine_with_restarts": ("num_cycles",),
    "polynomial": ("power", "lr_end"),
    "inverse_sqrt": ("timescale",),
    "cosine_with_min_lr": ("min_lr", "min_lr_rate", "num_cycles"),
    "cosine_warmup_with_min_lr": ("min_lr", "min_lr_rate", "warmup_lr_rate", "num_cycles"),
    "warmup_stable_decay": (
        "num_decay_steps",
        "warmup_type",
        "decay_type",
        "min_lr_ratio",
        "num_cycles",
    ),
}
NEEDED_OPTIONS = {  # schedule → those of which it needs exactly one
    "cosine_with_restarts": ("num_cycles",),  # with one cycle it is cosine
    "cosine_with_min_lr": ("min_lr", "min_lr_rate"),
    "cosine_warmup_with_min_lr": ("min_lr", "min_lr_rate"),
    "warmup_stable_decay": ("num_decay_steps",),
}
Conflict = tuple[str, str]  # a dotted key, and what is wrong with its value


def conflicts(parameters: Params) -> dict[tuple[str, str], str]:
    """Return a message for each (group, key) that is missing, never read, or fits no other."""
    found: dict[tuple[str, str], str] = {}
    for rule in (_of_task, _of_head, _of_model, _of_loss, _of_schedule, _of_augmentation):
        for key, message in rule(parameters):
            group, _, name = key.partition(".")
            before = found.get((group, name))
            found[group, name] = message if before is None else f"{before}; {message}"
    return found


def unfit_head(head: Head, p: Params) -> str | None:
    """Return why a linear or MLP head, chosen or an earlier model's, fits no such training."""
    if p.task.name not in HEADS:
        return f"heads of temper are for {' and '.join(HEADS)}, not for {p.task.name}"
    if (head.pooling is None) == (p.task.name == HEADS[0]):
        return (
            "pooling makes one vector of a text: sequence_classification needs it, "
            "token_classification has no use for it"
        )
    if head.pooling == "pair" and len(p.task.inputs) != 2:
        return "pooling: pair is for two texts, and task.text names one column"
    if head.crf and p.task.name != "token_classification":
        return "crf is for token_classification"
    unread = [f"train.{n}" for n in (*LOSS_OPTIONS, "loss") if getattr(p.train, n)]
    if head.crf and unread:
        return f"crf has a loss of its own, which does not read {', '.join(unread)}: turn it off"
    return None


def users_of_validation(p: TrainParams) -> list[str]:
    """Return the parameters that need a validation split with labels."""
    averaged = p.weight_averaging is not None and p.weight_averaging.kind != "ema"
    needs = {
        "metric_for_best_model": p.metric_for_best_model != "loss",
        "early_stopping": p.early_stopping.patience > 0,
        "weight_averaging": averaged,
    }
    return [f"train.{name}" for name, needed in needs.items() if needed]


def _of_task(p: Params) -> Iterator[Conflict]:
    """Yield keys that the task needs and lacks, or has and never reads."""
    task = p.task.name
    for name, is_read in TASK_KEYS.items():
        group, key = name.split(".")
        values = getattr(p, group)
        given, is_null = key in values.model_fields_set, getattr(values, key) is None
        if is_read(p) and is_null and not (given and name in MAY_BE_NULL):
            yield name, f"{'null' if given else 'missing'}; {task} needs it here"
        elif given and not is_read(p):
            yield name, f"has no effect here with {task}; remove it"
    for name, is_read in TECHNIQUES.items():
        group, key = name.split(".")
        if getattr(getattr(p, group), key) and not is_read(p):
            yield name, f"has no effect here with {task}{HINTS.get(name, '')}; remove it"


def _of_head(p: Params) -> Iterator[Conflict]:
    head = p.model.head
    if head is None:
        return
    if p.model.custom_class is not None:
        yield "model.custom_class", "has a head of its own: set model.head to null"
    elif head.kind == "new" and p.model.from_scratch:
        yield "model.head", "everything is new with from_scratch: true; set it to null"
    elif head.kind != "new" and (message := unfit_head(head, p)):
        yield "model.head", message


def _of_model(p: Params) -> Iterator[Conflict]:
    freeze = p.train.freeze
    if p.model.lora is not None and (freeze.embeddings or freeze.layers):
        yield "model.lora", "freezes all but the head: leave train.freeze at none"
    if p.model.new_tokens and (freeze.embeddings or freeze.layers == "all"):
        yield (
            "model.new_tokens",
            "their embeddings are new, and train.freeze keeps them as they are: set "
            "train.freeze.embeddings to false, and layers to a number",
        )


def _of_loss(p: Params) -> Iterator[Conflict]:
    """Yield options that the loss of the task, or of the user's, does not read."""
    labels, weights = p.task.classes, p.train.class_weights
    if isinstance(weights, tuple) and labels is not None and len(weights) != len(labels):
        yield "train.class_weights", f"has {len(weights)} numbers for {len(labels)} labels"
    for name, off in LOSS_OPTIONS.items():
        value, fix = getattr(p.train, name), f"set it to {'null' if off is None else off}"
        if not value:
            continue
        if p.train.loss is not None:
            yield f"train.{name}", f"{value!r} has no effect on train.loss, which is yours; {fix}"
        elif p.task.metrics == "regression" and name != "huber_delta":
            yield f"train.{name}", f"{value!r} is about classes, and regression has none; {fix}"


def _of_schedule(p: Params) -> Iterator[Conflict]:
    schedule, options = p.train.lr_scheduler_type, p.train.lr_scheduler_kwargs
    if schedule == "constant" and p.train.warmup_ratio:
        yield (
            "train.warmup_ratio",
            f"{p.train.warmup_ratio} has no effect with schedule: constant; set it to 0, or use "
            "constant_with_warmup",
        )
    given = [] if options is None else list(options.model_dump(exclude_none=True))
    known, needed = SCHEDULE_OPTIONS.get(schedule, ()), NEEDED_OPTIONS.get(schedule)
    for name in given:
        if name not in known:
            yield (
                "train.lr_scheduler_kwargs",
                f"{name} has no effect with schedule: {schedule}, which takes "
                f"{', '.join(known) or 'none'}",
            )
    if needed and sum(name in given for name in needed) != 1:
        either = " or ".join(needed)
        yield (
            "train.lr_scheduler_kwargs",
            f"schedule: {schedule} needs {either} there, and one only",
        )
    if options is None:
        return
    for name in ("lr_end", "min_lr"):
        if (getattr(options, name) or 0) >= p.train.learning_rate:
            yield "train.lr_scheduler_kwargs", f"{name} must be below train.learning_rate"
    for name in ("warmup_type", "warmup_lr_rate"):
        if name in given and not p.train.warmup_ratio:
            yield "train.lr_scheduler_kwargs", f"{name} has no effect with warmup_ratio: 0"
    shapes = {options.warmup_type, options.decay_type or "cosine"}
    if schedule == "warmup_stable_decay" and "num_cycles" in given and "cosine" not in shapes:
        yield "train.lr_scheduler_kwargs", "num_cycles has no effect without a cosine"


def _of_augmentation(p: Params) -> Iterator[Conflict]:
    augment = p.tokenize.augment
    if augment is not None and augment.exchange and len(p.task.inputs) != 2:
        yield "tokenize.augment", "exchange is for pairs of texts; remove it"
