"""The groups of params.yaml: every key with its type, range and one line of description.

`stages.task_params` holds the `task` group; `stages.params` reads the file.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from stages.errors import nearest
from stages.task_params import Group, Name, TaskParams

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class Determinism(Group):
    num_threads: Positive = Field(description="Threads of torch, ONNX Runtime and BLAS.")
    portable: bool = Field(description="Use AVX2 kernels on every x86-64 machine.")
    deterministic: bool = Field(description="Use deterministic kernels on a GPU.")


class HubDataset(Group):
    name: Name | None = Field(description="Dataset id on the Hub.")
    config: Name | None = Field(description="Configuration of the dataset; null: its only one.")
    revision: Name | None = Field(description="Commit, branch or tag; resolved to a commit.")
    splits: dict[Name, Name] = Field(
        description="Split here → split there; {} keeps the dataset's names."
    )


class SplitParams(Group):
    validation: Share = Field(description="Share of train that becomes a missing validation.")
    test: Share = Field(description="Share of train that becomes a missing test.")
    seed: int = Field(description="Seed of the cut, apart from the run's seed.")
    group: Name | None = Field(
        default=None, description="Column: rows of train that share its value stay together."
    )


class FilterParams(Group):
    min_characters: Count | None = Field(
        default=None, description="Fewest characters of a row's texts together."
    )
    max_characters: Count | None = Field(
        default=None, description="Most characters of a row's texts together."
    )
    labels: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="Labels whose rows are kept."
    )
    applies_to: tuple[Name, ...] = Field(
        min_length=1, description="Splits that are filtered, such as train."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.min_characters, self.max_characters
        if low is None and high is None and self.labels is None:
            raise ValueError("give min_characters, max_characters or labels, or set filter to null")
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_characters {low} is more than max_characters {high}")
        return self


class FoldParams(Group):
    k: int = Field(ge=2, description="Parts that train is divided into.")
    index: Count = Field(description="The part that becomes validation, from 0.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.index >= self.k:
            raise ValueError(f"index {self.index} is none of 0 to {self.k - 1} (k is {self.k})")
        return self


Size = Positive | Annotated[float, Field(gt=0, le=1)]


class Head(Group):
    kind: Literal["new", "linear", "mlp"] = Field(
        description="The class's own head drawn anew, one layer, or a hidden layer before it."
    )
    pooling: Literal["first", "mean", "max"] | None = Field(
        default=None, description="linear, mlp: one vector per text from its tokens'."
    )
    hidden_size: Positive | None = Field(default=None, description="mlp: units of the layer.")
    dropout: Share | None = Field(default=None, description="linear, mlp: share of units dropped.")
    crf: bool | None = Field(
        default=None, description="token_classification: score paths of tags, not single tags."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own = self.kind != "new"
        for key, wanted in (
            ("hidden_size", self.kind == "mlp"),
            ("dropout", own),
        ):
            if wanted and getattr(self, key) is None:
                raise ValueError(f"head.{key} is needed for {self.kind}")
        for key, wanted in (
            ("hidden_size", self.kind == "mlp"),
            ("dropout", own),
            ("pooling", own),
            ("crf", own),
        ):
            if not wanted and getattr(self, key) is not None:
                raise ValueError(f"head.{key} has no effect with {self.kind}; remove it")
        return self


class Lora(Group):
    rank: Positive = Field(description="Rank of the two small matrices beside each weight.")
    alpha: float = Field(gt=0, description="Their product is scaled by alpha / rank.")
    dropout: Share = Field(description="Share of their input dropped while training.")
    target_modules: tuple[Name, ...] | None = Field(
        description="Names of the layers; null: every linear layer of the backbone."
    )


class DataParams(Group):
    source: Literal["files", "hub"] = Field(description="Where the data comes from.")
    files: dict[Name, Name] = Field(description="Split → file or folder; {} with a Hub source.")
    glob: Name = Field(description="Which files of a folder; {split} is the split's name.")
    hub: HubDataset
    rename: dict[Name, Name] | None = Field(
        default=None, description="Column as it is read → the name that all else uses."
    )
    columns: tuple[Name, ...] = Field(description="Further columns to carry along.")
    filter: FilterParams | None = Field(default=None, description="Which rows are kept.")
    split: SplitParams
    fold: FoldParams | None = Field(
        default=None, description="Cross-validation: a part of train becomes validation."
    )
    subset: dict[Name, Size] | None = Field(
        default=None, description="Split → rows, or a share, to keep of it; drawn by split.seed."
    )
    overlap: Literal["report", "drop_from_train", "error"] = Field(
        description="What to do with training rows that also stand in another split."
    )
    license: Name | None = Field(description="SPDX id, or null for what the Hub says.")
    description: Name | None = Field(description="One sentence, or null for what the Hub says.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source == "files" and "train" not in self.files:
            raise ValueError("files needs a train split while source is 'files'")
        if self.source == "hub" and self.hub.name is None:
            raise ValueError("hub.name is needed while source is 'hub'")
        if self.source == "hub" and self.files:
            raise ValueError("files must be {} while source is 'hub': DVC would watch them")
        if len(set((self.rename or {}).values())) < len(self.rename or {}):
            raise ValueError("rename gives two columns the same name")
        for split, path in self.files.items():
            if any(sign in path for sign in "*?["):
                raise ValueError(
                    f"files.{split} holds a pattern, which DVC cannot watch: name the folder here "
                    "and put the pattern in data.glob"
                )
        return self


class ModelParams(Group):
    name: Name = Field(description="A name under files, or a Hub id.")
    files: dict[Name, Name] = Field(description="Local model folders by name; {} with a Hub model.")
    revision: Name | None = Field(description="Commit, branch or tag of the Hub model.")
    from_scratch: bool = Field(description="New weights from the config and the seed.")
    trust_remote_code: bool = Field(description="Run the code a Hub model brings along.")
    config: dict[str, Any] = Field(description="Overrides of the model's config.json.")
    head: Head | None = Field(default=None, description="null: the task's, as the checkpoint's.")
    lora: Lora | None = Field(
        default=None, description="Train small matrices beside the frozen weights; merged after."
    )
    new_tokens: tuple[Name, ...] | None = Field(
        default=None, description="Added to the vocabulary, their embeddings trained."
    )
    own: Name | None = Field(
        default=None, description="A class of yours, built from the config, that returns logits."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.name not in self.files and Path(self.name).is_dir():
            raise ValueError(
                f"name is a folder that DVC does not watch: write files: {{local: {self.name}}} "
                "and name: local"
            )
        if self.files and self.name not in self.files:
            raise ValueError(
                f"name is {self.name!r} but files holds {sorted(self.files)}"
                f"{nearest(self.name, list(self.files))}: use one of those, or files: {{}} "
                "for a Hub model"
            )
        return self


class WordChange(Group):
    rate: float = Field(gt=0, description="Made rows per training row; 0.5: one for half of them.")
    share: float = Field(gt=0, le=1, description="Share of a text's words to change, at least 1.")


class Synonyms(WordChange):
    file: Name = Field(description="A word list, by its name under tokenize.files.")


class BackTranslation(Group):
    rate: float = Field(
        gt=0, le=1, description="Made rows per training row; nothing is sampled, so at most 1."
    )
    there: Name = Field(description="Model to the other language, a name under translators.")
    back: Name = Field(description="Model back, a name under translators; may be the same.")
    there_prefix: str = Field(description="Put before texts on their way there, for T5.")
    back_prefix: str = Field(description="Put before texts on their way back, for T5.")
    source_lang: Name | None = Field(
        description="Code of the texts' language, for M2M100, NLLB and the like; or null."
    )
    target_lang: Name | None = Field(description="The other language's code, or null.")
    max_new_tokens: Positive = Field(description="Most tokens that are written, either way.")
    num_beams: Positive = Field(description="Beams; 1 is greedy.")
    batch_size: Positive = Field(description="Texts translated at once.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.source_lang is None) != (self.target_lang is None):
            missing = "source_lang" if self.source_lang is None else "target_lang"
            raise ValueError(
                f"{missing} is null and the other language is not: a multilingual model needs "
                "both codes, any other none"
            )
        return self


class Augment(Group):
    seed: Count = Field(description="Seed of the draws, apart from the run's seed.")
    synonyms: Synonyms | None = Field(
        default=None, description="Replace words by those a word list gives."
    )
    swap: WordChange | None = Field(default=None, description="Swap neighbouring words.")
    delete: WordChange | None = Field(default=None, description="Leave words out.")
    characters: WordChange | None = Field(
        default=None, description="Misspell words: a letter swapped, dropped, added or replaced."
    )
    back_translation: BackTranslation | None = Field(
        default=None, description="Translate a text to another language and back."
    )

    @property
    def methods(self) -> dict[str, WordChange | BackTranslation]:
        """Return the methods that are on, by name, in the order of the schema."""
        values = {name: value for name, value in self if name != "seed"}
        return {name: value for name, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.methods:
            names = [name for name in type(self).model_fields if name != "seed"]
            raise ValueError(
                f"augment names no method; there are {', '.join(names)} (augment: null turns it "
                "off)"
            )
        return self


class Translator(Group):
    name: Name = Field(description="A name under model.files, or a Hub id.")
    revision: Name | None = Field(description="Commit, branch or tag of the Hub model.")


class TokenizeParams(Group):
    encode: Name | None = Field(
        default=None, description="A function of yours around the task's encoding; null: none."
    )
    max_length: Positive | None = Field(
        default=None, description="Tokens per example; for long see `long`."
    )
    padding: Literal["dynamic", "max_length"] | None = Field(
        default=None,
        description="Pad to the longest of a batch, or every example to max_length (TPU).",
    )
    pad_to_multiple_of: Positive | None = Field(
        default=None, description="Padded lengths are multiples of this."
    )
    long: Literal["truncate", "window"] | None = Field(
        default=None,
        description="Longer texts are cut, or divided into overlapping windows with one score.",
    )
    stride: Count | None = Field(
        default=None, description="Tokens that a window shares with the one before."
    )
    pool: Literal["mean", "max", "first"] | None = Field(
        default=None, description="A document's logits from its windows'."
    )
    max_target_length: Positive | None = Field(
        default=None, description="Tokens of a target text; what is longer is cut."
    )
    augment: Augment | None = Field(
        default=None,
        description="Changed copies of training texts (images: train.augmentation); null: none.",
    )
    files: dict[Name, Name] = Field(description="Word lists of augment, by name; {} for none.")
    translators: dict[Name, Translator] = Field(
        description="Translation models of augment, by name; {} for none."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        augment = self.augment
        if augment and augment.synonyms:
            _check_name("augment.synonyms.file", augment.synonyms.file, "files", self.files)
        if augment and augment.back_translation:
            for key in ("there", "back"):
                name = getattr(augment.back_translation, key)
                where = f"augment.back_translation.{key}"
                _check_name(where, name, "translators", self.translators)
        return self


def _check_name(key: str, name: str, group: str, known: dict[str, Any]) -> None:
    if name not in known:
        raise ValueError(
            f"{key} is {name!r}, which tokenize.{group} does not name"
            f"{nearest(name, list(known))}: {'it has ' + ', '.join(known) if known else 'it is {}'}"
        )


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


class Averaging(Group):
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
            raise ValueError(f"averaging.{needed} is needed for {self.kind}")
        if getattr(self, other) is not None:
            raise ValueError(f"averaging.{other} has no effect with {self.kind}; remove it")
        return self


class EarlyStopping(Group):
    patience: Count = Field(description="Evaluations without a gain; 0 turns it off.")
    min_gain: float = Field(ge=0, description="What counts as a gain in best_metric.")


class TrainParams(Group):
    engine: Literal["trainer", "loop"] = Field(
        description="Hugging Face Trainer, or the loop of stages/training/loop.py."
    )
    launch: Name = Field(description="A file under launch/, without .yaml.")
    epochs: float = Field(gt=0, description="Passes over the training split.")
    batch_size: Positive = Field(description="Examples per optimizer step, over all processes.")
    per_device_batch_size: Positive | None = Field(
        description="Examples a device sees at once; null: its whole share of batch_size."
    )
    eval_batch_size: Positive = Field(description="Examples per device while evaluating.")
    bucket_window: Count = Field(description="Batches sorted by length together; 0: no buckets.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(ge=0, description="Decay of weights, not of biases and norms.")
    layer_decay: float = Field(gt=0, le=1, description="Rate times this, per layer from the top.")
    adam_beta1: float = Field(ge=0, lt=1, description="AdamW's first moment.")
    adam_beta2: float = Field(ge=0, lt=1, description="AdamW's second moment.")
    adam_epsilon: float = Field(gt=0, description="AdamW's epsilon.")
    optimizer: Name | None = Field(
        default=None,
        description="null: AdamW; adamw_8bit (a GPU, bitsandbytes); or a function of yours.",
    )
    schedule: Literal[
        "linear",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "constant",
        "constant_with_warmup",
        "inverse_sqrt",
    ] = Field(description="Learning-rate schedule, in transformers' words.")
    warmup_ratio: Share = Field(description="Share of the steps in which the rate rises.")
    max_grad_norm: float = Field(ge=0, description="Clip the gradient's norm; 0 turns it off.")
    precision: Literal["fp32", "bf16", "fp16"] = Field(description="Autocast; fp16 needs a GPU.")
    gradient_checkpointing: bool = Field(description="Recompute activations to save memory.")
    freeze: Freeze
    label_smoothing: Share = Field(description="Share of the target spread over all classes.")
    class_weights: Literal["balanced"] | tuple[float, ...] | None = Field(
        default=None, description="Loss weight per label; balanced: inverse to its count in train."
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
    averaging: Averaging | None = Field(default=None, description="Of weights; null: none.")
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
    keep: Literal["best", "last", "all"] = Field(
        description="Checkpoints that become data/checkpoints; data/model is the best, or the last."
    )
    best_metric: Name = Field(description="loss, or a metric of the validation split.")
    early_stopping: EarlyStopping

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        part = self.per_device_batch_size
        if part is not None and self.batch_size % part:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of per_device_batch_size {part}"
            )
        return self


class Answers(Group):
    n_best: Positive = Field(description="Starts and ends that are combined to spans.")
    max_answer_length: Positive = Field(description="Longest span, in tokens.")
    no_answer_threshold: float | None = Field(
        description="Logits by which no answer must beat the best span; null: always answer."
    )


class Generation(Group):
    max_new_tokens: Positive = Field(description="Most tokens that are written.")
    num_beams: Positive = Field(description="Beams; 1 is greedy.")
    length_penalty: float = Field(description="Above 0 beams favour longer texts.")
    no_repeat_ngram_size: Count = Field(description="No n-gram comes twice; 0: off.")


class ZeroShot(Group):
    name: Name = Field(description="A name under model.files, or a Hub id.")
    revision: Name | None = Field(description="Commit, branch or tag of the Hub model.")
    template: Name = Field(description="A sentence in which {} stands for a label's phrase.")
    phrases: dict[Name, Name] | None = Field(
        description="Label → phrase; null: the names, underscores as spaces."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "{}" not in self.template:
            raise ValueError(f"template {self.template!r} has no {{}} for the phrase")
        return self


class EvaluateParams(Group):
    batch_size: Positive = Field(description="Examples per batch.")
    positive_label: Name | None = Field(
        description="Binary: the class that precision, recall and F1 are about."
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["tuned"] | None = Field(
        default=None,
        description="Multi-label: a probability, or tuned on validation for each label.",
    )
    answers: Answers | None = Field(default=None, description="From start and end to a span.")
    generation: Generation | None = Field(default=None, description="How texts are written.")
    zero_shot: dict[Name, ZeroShot] = Field(
        description="Models that score the same rows without training; {} for none."
    )
    bootstrap_samples: Positive = Field(description="Resamples behind the 95 % intervals.")
    slices: tuple[Name, ...] = Field(description="Columns to score by value.")
    metrics: tuple[Name, ...] | None = Field(
        default=None, description="Functions of yours of (predictions, references)."
    )
    num_worst: Count = Field(description="Examples with the highest loss to list.")


class ExportParams(Group):
    name: Name = Field(description="Title of the model card, name in the registry.")
    license: Name | None = Field(description="SPDX id of the model.")
    int8: bool | None = Field(default=None, description="Also write a quantized ONNX model.")
    max_accuracy_drop: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="What int8 may lose on validation before the stage fails.",
    )


class Settings(Group):
    """What a task needs to know, in training and in `temper predict`."""

    task: TaskParams
    tokenize: TokenizeParams
    evaluate: EvaluateParams
    code: dict[Name, Name] = Field(description="Your modules: name → Python file; {} for none.")


class Params(Settings):
    """Everything a run depends on besides code, data and library versions."""

    seed: Count = Field(description="Initial weights, batch order, dropout.")
    determinism: Determinism
    data: DataParams
    model: ModelParams
    train: TrainParams
    export: ExportParams

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        labels, positive = self.task.classes, self.evaluate.positive_label
        if positive is not None and self.task.metrics != "classification":
            kind = getattr(self.task, "problem_type", self.task.name)
            raise ValueError(f"evaluate.positive_label must be null for {kind}")
        if labels is not None and self.task.metrics == "classification":
            if len(labels) == 2 and positive is None:
                raise ValueError(
                    "evaluate.positive_label is null: with two labels, say which one precision, "
                    f"recall and F1 are about: {' or '.join(labels)}"
                )
            if positive is not None and positive not in labels:
                raise ValueError(
                    f"evaluate.positive_label {positive!r} is not in task.labels"
                    f"{nearest(positive, labels)}"
                )
        target = [self.task.target[0]] if self.task.target else []
        known = {*self.task.inputs, *target, *self.data.columns}
        for column in self.evaluate.slices:
            if column not in known:
                raise ValueError(
                    f"evaluate.slices names {column!r}, which is not carried along: "
                    "add it to data.columns"
                )
        self._check_filter()
        for name, found in self.evaluate.zero_shot.items():
            if self.task.metrics not in ("classification", "multi_label"):
                raise ValueError(f"evaluate.zero_shot must be {{}} for {self.task.name}")
            for label in found.phrases or ():
                if labels is not None and label not in labels:
                    raise ValueError(
                        f"evaluate.zero_shot.{name}.phrases names {label!r}, which is not in "
                        f"task.labels{nearest(label, labels)}"
                    )
        head, p = self.model.head, self.train
        if head is not None and head.kind != "new":
            if (head.pooling is None) == (self.task.name == "sequence_classification"):
                raise ValueError(
                    "model.head.pooling makes one vector of a text: sequence_classification needs "
                    "it, token_classification has no use for it"
                )
            if head.crf and self.task.name != "token_classification":
                raise ValueError("model.head.crf is for token_classification")
            if head.crf and (p.label_smoothing or p.class_weights or p.focal_gamma):
                raise ValueError(
                    "model.head.crf has a loss of its own: set train.label_smoothing 0, "
                    "class_weights null and focal_gamma 0"
                )
        if self.model.lora is not None and (p.freeze.embeddings or p.freeze.layers):
            raise ValueError("model.lora freezes all but the head: leave train.freeze at none")
        weights = self.train.class_weights
        if isinstance(weights, tuple) and labels is not None and len(weights) != len(labels):
            raise ValueError(
                f"train.class_weights has {len(weights)} numbers for {len(labels)} labels"
            )
        return self

    def _check_filter(self) -> None:
        """Refuse a filter by what the task's rows do not have."""
        found, kind = self.data.filter, self.task.target[1] if self.task.target else None
        if found is None:
            return
        by_length = (found.min_characters, found.max_characters) != (None, None)
        if by_length and "image" in self.task.inputs.values():
            raise ValueError(
                "data.filter: min_characters and max_characters must be null for "
                f"{self.task.name}: an image has no characters"
            )
        if found.labels is not None and kind != "class":
            raise ValueError(
                "data.filter.labels must be null here: only rows with exactly one label can be "
                "chosen by it"
            )
