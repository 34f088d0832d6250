"""The learning-rate schedule and its options → those that are missing or have no effect."""

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


def schedule_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield the keys of the schedule that do not fit it."""
    schedule, options = p.train.lr_scheduler_type, p.train.lr_scheduler_kwargs
    if schedule == "constant" and p.train.warmup_ratio:
        yield (
            "train.warmup_ratio",
            f"{p.train.warmup_ratio} has no effect with lr_scheduler_type: constant; set it to 0, "
            "or use constant_with_warmup",
        )
    written = [] if options is None else list(options.model_dump(exclude_none=True))
    readable, needed = SCHEDULE_OPTIONS.get(schedule, ()), NEEDED_OPTIONS.get(schedule)
    for name in written:
        if name not in readable:
            yield (
                "train.lr_scheduler_kwargs",
                f"{name} has no effect with lr_scheduler_type: {schedule}, which takes "
                f"{', '.join(readable) or 'none'}",
            )
    if needed and sum(name in written for name in needed) != 1:
        yield (
            "train.lr_scheduler_kwargs",
            f"lr_scheduler_type: {schedule} needs exactly one of {', '.join(needed)} there"
            if len(needed) > 1
            else f"lr_scheduler_type: {schedule} needs {needed[0]} there",
        )
    if options is None:
        return
    for name in ("lr_end", "min_lr"):
        if (getattr(options, name) or 0) >= p.train.learning_rate:
            yield "train.lr_scheduler_kwargs", f"{name} must be below train.learning_rate"
    for name in ("warmup_type", "warmup_lr_rate"):
        if name in written and not p.train.warmup_ratio:
            yield "train.lr_scheduler_kwargs", f"{name} has no effect with warmup_ratio: 0"
    shapes = {options.warmup_type, options.decay_type or "cosine"}
    if schedule == "warmup_stable_decay" and "num_cycles" in written and "cosine" not in shapes:
        yield "train.lr_scheduler_kwargs", "num_cycles has no effect without a cosine"
