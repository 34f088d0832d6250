"""The options of the learning-rate schedule, the loss and its batch → those that do not fit."""

from collections.abc import Iterator

from temper.params.schema import Params

Conflict = tuple[str, str]  # a dotted key, and what is wrong with its value
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
WITHOUT_CLASSES = {  # module of temper/metrics → how it is called
    "regression": "regression has",
    "retrieval": "embeddings have",
    "similarity": "embeddings have",
}
LOSS_OPTIONS = ("class_weights", "label_smoothing", "focal_gamma", "huber_delta")


def loss_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield options that the task's loss, or a custom one, does not read."""
    weights = p.train.class_weights
    if isinstance(weights, tuple) and (min(weights, default=0) < 0 or not any(weights)):
        message = f"found {list(weights)}; none may be negative, one must be above 0"
        yield "train.class_weights", message
    for key in LOSS_OPTIONS:
        value = getattr(p.train, key)
        if value and p.train.loss is not None:
            yield f"train.{key}", f"{value!r} has no effect on a custom train.loss; remove it"
        elif value and p.task.metrics in WITHOUT_CLASSES and key != "huber_delta":
            message = f"{value!r} is about classes, and {WITHOUT_CLASSES[p.task.metrics]} none"
            yield f"train.{key}", f"{message}; remove it"
    if p.train.loss is not None and "temperature" in p.task.model_fields_set:
        message = "has no effect on a custom train.loss; remove it"
        yield "task.temperature", message


def embedding_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield what a loss that compares rows, and anchors without a prediction, rule out."""
    size = p.train.per_device_batch_size
    if p.task.has_in_batch_loss and size not in (None, p.train.global_batch):
        message = f"{size} would leave each row fewer others to be compared with than "
        yield "train.per_device_batch_size", f"{message}train.{p.train.batch_key}; remove it"
    if p.task.metrics == "retrieval":
        message = "a custom metric gets predictions, and anchors have none; name one of the task's"
        if "." in p.train.metric_for_best_model:
            yield "train.metric_for_best_model", message
        if p.evaluate.metrics:
            yield "evaluate.metrics", message.partition(";")[0] + "; remove it"


def schedule_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield the keys of the schedule that do not fit it."""
    schedule, kwargs = p.train.lr_scheduler_type, p.train.lr_scheduler_kwargs
    key, name = "train.lr_scheduler_kwargs", f"lr_scheduler_type: {schedule}"
    warmup = p.train.warmup_steps or p.train.warmup_ratio
    if p.train.warmup_steps and p.train.warmup_ratio:
        yield "train.warmup_steps", f"warmup_ratio is {p.train.warmup_ratio}; set that to 0"
    elif warmup and (schedule == "constant" or "." in schedule):
        warmup_key = "warmup_steps" if p.train.warmup_steps else "warmup_ratio"
        instead = "set it to 0" if warmup_key == "warmup_ratio" else "remove it"
        instead += ", or use constant_with_warmup" if schedule == "constant" else ""
        yield f"train.{warmup_key}", f"{warmup} has no effect with {name}; {instead}"
    options = {} if kwargs is None else kwargs.model_dump(exclude_none=True)
    readable, needed = SCHEDULE_OPTIONS.get(schedule, ()), NEEDED_OPTIONS.get(schedule, ())
    for option in options:
        if option not in readable:
            takes = ", ".join(readable) or "none"
            yield key, f"{option} has no effect with {name}, which takes {takes}"
    if needed and len(options.keys() & set(needed)) != 1:
        number = "exactly one of " if len(needed) > 1 else ""
        yield key, f"{name} needs {number}{', '.join(needed)} there"
    for option in ("lr_end", "min_lr"):
        if options.get(option, 0) >= p.train.learning_rate:
            yield key, f"{option} must be below train.learning_rate"
    for option in ("warmup_type", "warmup_lr_rate"):
        if option in options and not warmup:
            yield key, f"{option} has no effect with warmup_ratio: 0"
    is_cosine = options.get("decay_type", "cosine") == "cosine"
    if schedule == "warmup_stable_decay" and "num_cycles" in options and not is_cosine:
        yield key, "num_cycles has no effect without decay_type: cosine"


def distillation_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield teachers without a weight, and what they or their rows rule out."""
    teachers, options = p.train.teachers, p.train.distillation
    if teachers and options is None:
        yield "train.distillation", "missing; train.teachers needs its weight"
    if options is None:
        return
    if not teachers:
        yield "train.distillation", "has no effect without train.teachers; remove it"
    if p.task.metrics == "regression" and "temperature" in options.model_fields_set:
        yield "train.distillation", "temperature divides logits, and regression has none; remove it"
    unread = {
        "loss": "may be of another scale than the teachers' part",
        "collator": "may change rows, and the teachers scored them as they are",
        "augmentation": "changes images in each epoch, and the teachers score them once",
    }
    for key, why in unread.items():
        if getattr(p.train, key):
            yield f"train.{key}", f"{why}; remove it, or train.teachers"
    for key in (*LOSS_OPTIONS,) if options.weight == 1 else ():
        if getattr(p.train, key):
            yield f"train.{key}", "has no effect with train.distillation.weight: 1; remove it"


def label_probability_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield what changes or replaces the loss of labels where probabilities are learned."""
    for key in (*LOSS_OPTIONS, "loss") if p.task.has_label_probabilities else ():
        if getattr(p.train, key):
            message = "has no effect on task.label_probabilities, which are learned as they are"
            yield f"train.{key}", f"{message}; remove it"
    if not p.task.has_label_probabilities:
        return
    if p.train.collator is not None:
        message = "may change rows, and task.label_probabilities are of the rows as they are"
        yield "train.collator", f"{message}; remove it"
    if p.train.distillation is not None and p.train.distillation.weight == 1:
        message = "weight: 1 leaves no share to task.label_probabilities; set it below 1"
        yield "train.distillation", message


TRAIN_RULES = (
    loss_conflicts,
    schedule_conflicts,
    embedding_conflicts,
    distillation_conflicts,
    label_probability_conflicts,
)
