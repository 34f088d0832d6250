"""The `train` group of params.yaml: engine, batches, optimizer, losses, checkpoints."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from temper.core.errors import InputError
from temper.params.group import Count, Examples, FileName, Group, Name, Share, Steps, Tokens, Unit
from temper.params.model import HubModel
from temper.params.teachers import Distillation


class Augmentation(Group):
    flip: bool = False
    """Mirror half of the images horizontally. Absent: false."""
    crop: float = Field(default=1.0, gt=0, le=1)
    """Smallest share of the area that a random crop keeps. Absent: 1, no crop."""
    brightness: float = Field(default=0.0, ge=0, lt=1)
    """Brightness changes by a factor of up to 1 ± this. Absent: 0."""
    contrast: float = Field(default=0.0, ge=0, lt=1)
    """Contrast changes by a factor of up to 1 ± this. Absent: 0."""


class Freeze(Group):
    embeddings: bool = False
    """Freeze the embeddings. Absent: false."""
    layers: Annotated[Count, Unit("layers")] | Literal["all"] = 0
    """Freeze the first n layers; all: train the head alone. Absent: 0, none."""


class WeightAveraging(Group):
    kind: Literal["ema", "last", "best"]
    """ema: moving average over all steps; last, best: mean of evaluated checkpoints."""
    decay: float | None = Field(default=None, gt=0, lt=1)
    """Share of the old average kept at each step; ema needs it. Absent: none."""
    count: Annotated[int, Field(ge=2), Unit("checkpoints")] | None = None
    """Evaluated checkpoints that are averaged; last and best need it. Absent: none."""

    @model_validator(mode="after")
    def _check_keys_of_kind(self) -> Self:
        needed, unread = ("decay", "count") if self.kind == "ema" else ("count", "decay")
        if getattr(self, needed) is None:
            raise ValueError(f"weight_averaging.{needed} is needed for {self.kind}")
        if getattr(self, unread) is not None:
            raise ValueError(f"weight_averaging.{unread} has no effect with {self.kind}; remove it")
        return self


class EarlyStopping(Group):
    patience: Annotated[Count, Unit("evaluations")]
    """Evaluations without improvement before training stops; 0 turns it off."""
    min_delta: float = Field(default=0.0, ge=0)
    """Smallest change of metric_for_best_model that is an improvement. Absent: 0."""


Shape = Literal["linear", "cosine", "1-sqrt"]


class SchedulerKwargs(Group):
    """Arguments of the schedule, with transformers' names; absent ones have its values."""

    num_cycles: float | None = Field(default=None, gt=0)
    """cosine: number of waves; cosine_with_restarts: number of restarts. Absent: transformers'
    value."""
    power: float | None = Field(default=None, gt=0)
    """polynomial: its power. Absent: transformers' value."""
    lr_end: float | None = Field(default=None, ge=0)
    """polynomial: the last rate. Absent: transformers' value."""
    timescale: Steps | None = None
    """inverse_sqrt: steps in which the rate falls by √2. Absent: transformers' value."""
    min_lr: float | None = Field(default=None, ge=0)
    """cosine_*_min_lr: the last rate. Absent: see min_lr_rate."""
    min_lr_rate: Share | None = None
    """cosine_*_min_lr: the last rate as a share of the peak. Absent: see min_lr."""
    warmup_lr_rate: Share | None = None
    """cosine_warmup_with_min_lr: the first rate as a share of the peak. Absent: transformers'
    value."""
    num_decay_steps: Steps | None = None
    """warmup_stable_decay: steps of the decay at the end; needed there. Absent: none."""
    warmup_type: Shape | None = None
    """warmup_stable_decay: shape of the warmup. Absent: transformers' value."""
    decay_type: Shape | None = None
    """warmup_stable_decay: shape of the decay. Absent: transformers' value."""
    min_lr_ratio: Share | None = None
    """warmup_stable_decay: the last rate as a share of the peak. Absent: transformers' value."""


CustomName = Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]  # module.name of a file under code


class TrainParams(Group):
    engine: Literal["trainer", "loop"]
    """Hugging Face Trainer, or the loop in temper/engines/loop.py."""
    launch: FileName
    """A file under launch/, without .yaml."""
    epochs: Annotated[float, Field(gt=0), Unit("epochs")]
    """Passes over the training split."""
    batch_size: Examples | None = None
    """Global batch: examples per optimizer step, over all processes. Absent: batch_tokens, one of
    the two is needed."""
    batch_tokens: Tokens | None = None
    """Global batch in tokens, about: a few long examples or many short ones, each with the same
    weight in an epoch. Absent: batch_size."""
    per_device_batch_size: Examples | None = None
    """Examples (tokens with batch_tokens) per device and forward pass; gradients accumulate up to
    the global batch. Absent: the device's whole share of it."""
    per_device_eval_batch_size: Examples
    """Examples per device and forward pass while evaluating."""
    bucket_window: Annotated[Count, Unit("batches")] | None = None
    """Batches whose examples are sorted by length together, which saves padding; 0 sorts none.
    Absent: 0, 8, 16, 32, …, the first that keeps padding within 3 %."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    head_learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate of the head. Absent: learning_rate."""
    weight_decay: float = Field(ge=0)
    """Decoupled weight decay, not of biases and norms."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """The learning rate is multiplied by this from each layer to the one below. Absent: 1, off."""
    adam_beta1: float = Field(ge=0, lt=1)
    """AdamW's decay of the first moment."""
    adam_beta2: float = Field(ge=0, lt=1)
    """AdamW's decay of the second moment."""
    adam_epsilon: float = Field(gt=0)
    """AdamW's epsilon."""
    optimizer: Name | None = None
    """adamw_8bit (a GPU, bitsandbytes), or a custom optimizer: `module.function` of a file under
    `code`. Absent: torch's fused AdamW."""
    lr_scheduler_type: (
        Literal[
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
        ]
        | CustomName
    )
    """Learning-rate schedule, as transformers names it, or a custom one: `module.function` of a
    file under `code`."""
    lr_scheduler_kwargs: SchedulerKwargs | None = None
    """Arguments of the schedule. Absent: transformers' values."""
    warmup_ratio: Share
    """Share of the steps in which the rate rises."""
    warmup_steps: Steps | None = None
    """Steps in which it rises, with warmup_ratio: 0. Absent: warmup_ratio."""
    max_grad_norm: float = Field(ge=0)
    """Gradients are clipped to this norm; 0 turns it off."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Mixed precision (autocast); fp16 needs a GPU. auto: bf16 where a GPU, or a CPU with portable:
    false, has units for it, else fp32; train says which. Absent: auto."""
    compile: bool = False
    """Compile the layers, on a GPU: seconds at the start, then faster steps. Absent: false."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass to save memory. Absent: false."""
    freeze: Freeze = Freeze()
    """Parts that are not trained. Absent: none."""
    label_smoothing: Share = 0.0
    """Share of the target spread over all classes. Absent: 0, off."""
    class_weights: Literal["balanced"] | tuple[float, ...] | None = None
    """Loss weight per label; balanced: inverse to its frequency in train. Absent: equal weights."""
    focal_gamma: float = Field(default=0.0, ge=0)
    """Exponent of the focal loss. Absent: 0, cross-entropy."""
    augmentation: Augmentation | None = None
    """Random changes of training images, seeded by epoch and row. Absent: none."""
    huber_delta: float | None = Field(default=None, gt=0)
    """Regression: errors above this count linearly. Absent: squared error."""
    teachers: dict[FileName, HubModel] = Field(default={})
    """Trained models whose predictions are learned too, by name; see distillation. Absent: none."""
    distillation: Distillation | None = None
    """How far the teachers are followed; teachers need it. Absent: off."""
    r_drop_alpha: float | None = Field(default=None, ge=0)
    """Weight of R-Drop: two passes with different dropout are pulled together. Absent: off."""
    resampling: Literal["over", "under"] | None = None
    """over: repeat rows of rare labels; under: drop rows of frequent ones. Absent: off."""
    weight_averaging: WeightAveraging | None = None
    """Average the weights of several steps. Absent: off."""
    model_soup_size: Annotated[int, Field(ge=2), Unit("trainings")] | None = None
    """Trainings from the same weights whose results are averaged. Absent: one training."""
    max_loss: float | None = Field(default=None, gt=0)
    """A step with a higher loss ends the run. Absent: no limit."""
    loss: Name | None = None
    """Custom loss: `module.function` of a file under `code`, called with (logits, labels). Absent:
    the task's."""
    collator: Name | None = None
    """Custom collator of training batches: `module.function` of a file under `code`. Absent: the
    task's."""
    callbacks: tuple[Name, ...] | None = None
    """Custom TrainerCallback classes: `module.Class` of a file under `code`. Absent: none."""
    evaluate_every: Literal["epoch"] | Steps
    """When the validation split is scored."""
    save_every: Literal["epoch"] | Steps
    """When a checkpoint is saved."""
    keep_checkpoints: Literal["best", "last", "all"]
    """Checkpoints that become data/checkpoints; data/model is the best, or the last."""
    metric_for_best_model: Name
    """loss, a metric of the validation split, or a custom one: `module.function` of a file under
    `code`."""
    early_stopping: EarlyStopping = EarlyStopping(patience=0)
    """Stop when metric_for_best_model no longer improves. Absent: off."""

    @property
    def batch_key(self) -> Literal["batch_size", "batch_tokens"]:
        """The key that gives the global batch."""
        return "batch_size" if self.batch_tokens is None else "batch_tokens"

    @property
    def global_batch(self) -> int:
        """The value of that key, in `batch_unit`."""
        return getattr(self, self.batch_key)

    def per_device_batch(self, num_processes: int) -> int:
        """Return what a device takes per forward pass, in `batch_unit`.

        Raises:
            InputError: the processes cannot share the global batch.
        """
        size = self.per_device_batch_size or self.global_batch // num_processes or 1
        if self.global_batch % (size * num_processes):
            raise InputError(
                f"train.{self.batch_key}: {self.global_batch} is not a multiple of {num_processes} "
                f"processes x {size} {self.batch_unit}; use a multiple of {num_processes * size}, "
                "or another train.launch"
            )
        return size

    @property
    def batch_unit(self) -> str:
        return "examples" if self.batch_tokens is None else "tokens"

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        if self.batch_size is None and self.batch_tokens is None:
            raise ValueError("batch_size is missing (or batch_tokens in its place)")
        if self.batch_size is not None and self.batch_tokens is not None:
            raise ValueError("batch_tokens is there in place of batch_size; remove one of them")
        size = self.per_device_batch_size
        if size is not None and self.global_batch % size:
            raise ValueError(
                f"{self.batch_key} {self.global_batch} is not a multiple of per_device_batch_size "
                f"{size}"
            )
        return self
