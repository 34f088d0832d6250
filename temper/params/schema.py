"""params.yaml as a whole: every key with its type, range and one line of description.

`temper.params` reads the file; the larger groups stand in `data_params`, `model_params`,
`task_params`, `tokenize_params` and `train_params`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from temper.core.errors import nearest
from temper.params.data import DataParams
from temper.params.model import ModelParams
from temper.params.task import Count, Group, Name, Positive, TaskParams
from temper.params.tokenize import TokenizeParams
from temper.params.train import TrainParams


class Determinism(Group):
    num_threads: Positive = Field(description="Threads of torch, ONNX Runtime and BLAS.")
    portable: bool = Field(description="Use AVX2 kernels on every x86-64 machine.")
    deterministic: bool = Field(description="Use deterministic kernels on a GPU.")


Probability = Annotated[float, Field(gt=0, lt=1)]


class SpanDecoding(Group):
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
    threshold: Probability | dict[Name, Probability] | Literal["tuned"] | None = Field(
        default=None,
        description="Multi-label: a probability, one per label, or tuned on validation.",
    )
    span_decoding: SpanDecoding | None = Field(
        default=None, description="From start and end to a span."
    )
    generation: Generation | None = Field(default=None, description="How texts are written.")
    zero_shot: dict[Name, ZeroShot] = Field(
        description="Models that score the same rows without training; {} for none."
    )
    bootstrap_samples: Positive = Field(description="Resamples behind the 95 % intervals.")
    slices: tuple[Name, ...] = Field(description="Columns to score by value.")
    metrics: tuple[Name, ...] | None = Field(
        default=None, description="Functions of yours of (predictions, references)."
    )
    num_worst_examples: Count = Field(description="Examples with the highest loss to list.")


class ExportParams(Group):
    name: Name = Field(description="Title of the model card, name in the registry.")
    license: Name | None = Field(description="SPDX id of the model.")
    int8: bool | None = Field(default=None, description="Also write a quantized ONNX model.")
    max_score_drop: float | None = Field(
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
        known = {*self.task.inputs, *target, *self.data.extra_columns}
        for column in self.evaluate.slices:
            if column not in known:
                raise ValueError(
                    f"evaluate.slices names {column!r}, which is not carried along: "
                    "add it to data.extra_columns"
                )
        self._check_filter()
        threshold = self.evaluate.threshold
        if isinstance(threshold, dict) and labels is not None and set(threshold) != set(labels):
            raise ValueError(
                f"evaluate.threshold names {', '.join(threshold)}; it needs each of task.labels: "
                f"{', '.join(labels)}"
            )
        for name, found in self.evaluate.zero_shot.items():
            if self.task.metrics not in ("classification", "multi_label"):
                raise ValueError(f"evaluate.zero_shot must be {{}} for {self.task.name}")
            for label in found.phrases or ():
                if labels is not None and label not in labels:
                    raise ValueError(
                        f"evaluate.zero_shot.{name}.phrases names {label!r}, which is not in "
                        f"task.labels{nearest(label, labels)}"
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
