"""The `train` group of params.yaml: engine, batches, optimizer, losses, checkpoints."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from temper.params.task import Count, Group, Name, Positive, Share


class Augmentation(Group):
    flip: bool = Field(description="Mirror left and right, half of the time.")
    crop: float = Field(gt=0, le=1, description="Smallest share of the area that stays; 1: off.")
    brightness: float = Field(ge=0, lt=1, description="Factor up to 1 ± this.")
    contrast: float = Field(ge=0, lt=1, description="Factor up to 1 ± this.")


class Freeze(Group):
    embeddings: bool = Field(description="Keep the embeddings as they are.")
    layers: Count | Literal["all"] = Field(
        description="Keep the first n layers as they are; all: train nothing but the head."
    )


class WeightAveraging(Group):
    kind: Literal["ema", "last", "best"] = Field(
        description="Average of all steps, decaying, or mean of evaluated checkpoints."
    )
    decay: float | None = Field(
        default=None, gt=0, lt=1, description="ema: share of the old average kept at each step."
    )
    count: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="last, best: evaluated checkpoints that are averaged."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needed, other = ("decay", "count") if self.kind == "ema" else ("count", "decay")
        if getattr(self, needed) is None:
            raise ValueError(f"weight_averaging.{needed} is needed for {self.kind}")
        if getattr(self, other) is not None:
            raise ValueError(f"weight_averaging.{other} has no effect with {self.kind}; remove it")
        return self


class EarlyStopping(Group):
    patience: Count = Field(description="Evaluations without a gain; 0 turns it off.")
    min_delta: float = Field(ge=0, description="What counts as a gain in metric_for_best_model.")


Shape = Literal["linear", "cosine", "1-sqrt"]


class SchedulerKwargs(Group):
    num_cycles: float | None = Field(
        default=None, gt=0, description="cosine…: waves, or hard restarts."
    )
    power: float | None = Field(default=None, gt=0, description="polynomial: its power.")
    lr_end: float | None = Field(default=None, ge=0, description="polynomial: the last rate.")
    timescale: Positive | None = Field(
        default=None, description="inverse_sqrt: steps after which the rate has fallen by √2."
    )
    min_lr: float | None = Field(default=None, ge=0, description="…with_min_lr: the last rate.")
    min_lr_rate: Share | None = Field(
        default=None, description="…with_min_lr: the last rate as a share of the peak."
    )
    warmup_lr_rate: Share | None = Field(
        default=None, description="cosine_warmup_with_min_lr: the first rate, as a share."
    )
    num_decay_steps: Positive | None = Field(
        default=None, description="warmup_stable_decay: steps in which the rate falls at the end."
    )
    warmup_type: Shape | None = Field(
        default=None, description="warmup_stable_decay: how the rate rises."
    )
    decay_type: Shape | None = Field(
        default=None, description="warmup_stable_decay: how the rate falls."
    )
    min_lr_ratio: Share | None = Field(
        default=None, description="warmup_stable_decay: the last rate as a share of the peak."
    )


class TrainParams(Group):
    engine: Literal["trainer", "loop"] = Field(
        description="Hugging Face Trainer, or the loop of temper/engines/loop.py."
    )
    launch: Name = Field(description="A file under launch/, without .yaml.")
    epochs: float = Field(gt=0, description="Passes over the training split.")
    batch_size: Positive = Field(description="Examples per optimizer step, over all processes.")
    per_device_batch_size: Positive | None = Field(
        description="Examples a device sees at once; null: its whole share of batch_size."
    )
    per_device_eval_batch_size: Positive = Field(
        description="Examples per device while evaluating."
    )
    bucket_window: Count = Field(description="Batches sorted by length together; 0: no buckets.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    head_learning_rate: float | None = Field(
        default=None, gt=0, description="Peak rate of the head; null: learning_rate."
    )
    weight_decay: float = Field(ge=0, description="Decay of weights, not of biases and norms.")
    layer_decay: float = Field(gt=0, le=1, description="Rate times this, per layer from the top.")
    adam_beta1: float = Field(ge=0, lt=1, description="AdamW's first moment.")
    adam_beta2: float = Field(ge=0, lt=1, description="AdamW's second moment.")
    adam_epsilon: float = Field(gt=0, description="AdamW's epsilon.")
    optimizer: Name | None = Field(
        default=None,
        description="null: AdamW; adamw_8bit (a GPU, bitsandbytes); or a function of yours.",
    )
    lr_scheduler_type: Literal[
        "linear",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "constant",
        "constant_with_warmup",
        "inverse_sqrt",
        "cosine_with_min_lr",
        "cosine_warmup_with_min_lr",
        "warmup_stable_decay",
    ] = Field(description="Learning-rate schedule, in transformers' words.")
    lr_scheduler_kwargs: SchedulerKwargs | None = Field(
        default=None, description="What else the schedule takes; null: transformers' own values."
    )
    warmup_ratio: Share = Field(description="Share of the steps in which the rate rises.")
    max_grad_norm: float = Field(ge=0, description="Clip the gradient's norm; 0 turns it off.")
    precision: Literal["fp32", "bf16", "fp16"] = Field(description="Autocast; fp16 needs a GPU.")
    gradient_checkpointing: bool = Field(description="Recompute activations to save memory.")
    freeze: Freeze
    label_smoothing: Share = Field(description="Share of the target spread over all classes.")
    class_weights: Literal["balanced"] | tuple[float, ...] | None = Field(
        default=None,
        description="Loss weight per label; balanced: more for the rarer in train.",
    )
    focal_gamma: float | None = Field(
        default=None, ge=0, description="Focal loss exponent; 0 is cross-entropy."
    )
    augmentation: Augmentation | None = Field(
        default=None, description="Changes of the training images, seeded by epoch and row."
    )
    huber_delta: float | None = Field(
        default=None, gt=0, description="Regression: errors above this count linearly; null: all²."
    )
    r_drop_alpha: float | None = Field(
        default=None, ge=0, description="Weight of R-Drop, two passes pulled together; null: off."
    )
    resampling: Literal["over", "under"] | None = Field(
        default=None, description="Repeat rows of rarer labels, or leave out those of commoner."
    )
    weight_averaging: WeightAveraging | None = Field(
        default=None, description="Of weights; null: none."
    )
    model_soup_size: Annotated[int, Field(ge=2)] | None = Field(
        default=None,
        description="Trainings from one start whose weights are averaged; null: one training.",
    )
    max_loss: float | None = Field(
        default=None, gt=0, description="A step's loss above this ends the run; null: no limit."
    )
    loss: Name | None = Field(
        default=None, description="A function of yours of (logits, labels); null: the task's."
    )
    collator: Name | None = Field(
        default=None, description="A function of yours that makes training batches."
    )
    callbacks: tuple[Name, ...] | None = Field(
        default=None, description="TrainerCallback classes of yours."
    )
    evaluate_every: Literal["epoch"] | Positive = Field(description="epoch, or steps.")
    save_every: Literal["epoch"] | Positive = Field(description="epoch, or steps.")
    keep_checkpoints: Literal["best", "last", "all"] = Field(
        description="Checkpoints that become data/checkpoints; data/model is the best, or the last."
    )
    metric_for_best_model: Name = Field(description="loss, or a metric of the validation split.")
    early_stopping: EarlyStopping

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        part = self.per_device_batch_size
        if part is not None and self.batch_size % part:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of per_device_batch_size {part}"
            )
        return self
