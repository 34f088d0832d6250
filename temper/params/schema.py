"""params.yaml as a whole: every key with its type, range and one line of description.

`temper.params.load` reads the file; `temper.params.rules` holds which keys have an effect with
which task. docs/parameters.md and params.schema.json are generated from here.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from temper.core.errors import InputError, nearest
from temper.params.data import DataParams
from temper.params.group import (
    Columns,
    Count,
    Examples,
    FileName,
    Group,
    Name,
    Positive,
    Seed,
    Tokens,
    Unit,
)
from temper.params.model import ModelParams
from temper.params.task import TaskParams
from temper.params.tokenize import TokenizeParams
from temper.params.train import TrainParams


class Determinism(Group):
    num_threads: Annotated[Positive, Unit("threads")] = Field(
        description="Threads of torch, ONNX Runtime and BLAS; results depend on their number."
    )
    portable: bool = Field(
        description="Use AVX2 kernels everywhere, so that different x86-64 machines agree."
    )
    deterministic: bool = Field(description="Use deterministic kernels on a GPU.")


Probability = Annotated[float, Field(gt=0, lt=1)]


class SpanDecoding(Group):
    n_best: Positive = Field(
        description="Best start and end positions that are combined into spans."
    )
    max_answer_length: Tokens = Field(description="Longest answer.")
    no_answer_threshold: Annotated[float, Unit("logits")] | None = Field(
        default=None,
        description="Margin by which no answer must beat the best span. Absent: always answer.",
    )


class Generation(Group):
    max_new_tokens: Tokens = Field(description="Longest generated text.")
    num_beams: Positive = Field(description="Beams; 1 is greedy search.")
    length_penalty: float = Field(description="Exponent of the length; above 0 favours long texts.")
    no_repeat_ngram_size: Annotated[Count, Unit("tokens")] = Field(
        default=0, description="No n-gram of this size occurs twice. Absent: 0, off."
    )


class ZeroShot(Group):
    name: Name = Field(description="A name under model.files, or a model id on the Hub.")
    revision: Name | None = Field(
        default=None,
        description="Commit, branch or tag of the Hub model; resolved to a commit and recorded. "
        "Absent: main.",
    )
    template: Name = Field(description="A sentence in which {} stands for a label's phrase.")
    phrases: dict[Name, Name] | None = Field(
        default=None,
        description="Label → phrase. Absent: the labels' names, underscores as spaces.",
    )

    @model_validator(mode="after")
    def _check_template(self) -> Self:
        if "{}" not in self.template:
            raise ValueError(f"template {self.template!r} has no {{}} for the phrase")
        return self


def label_phrases(phrases: Mapping[str, str] | None, labels: Sequence[str]) -> list[str]:
    """Return the phrase of each label, of `ZeroShot.phrases` or its name.

    Raises:
        InputError: two labels have the same one, which scores could not tell apart.
    """
    found = [(phrases or {}).get(label, label.replace("_", " ")) for label in labels]
    for i, phrase in enumerate(found):
        if phrase in found[:i]:
            first = labels[found.index(phrase)]
            raise InputError(
                f"the labels {first!r} and {labels[i]!r} have the same phrase, {phrase!r}; "
                "give each its own under phrases"
            )
    return found


class EvaluateParams(Group):
    batch_size: Examples = Field(description="Examples per batch.")
    positive_label: Name | None = Field(
        description="Binary classification: the class that precision, recall and F1 refer to; "
        "null elsewhere."
    )
    threshold: Probability | dict[Name, Probability] | Literal["tuned"] | None = Field(
        default=None,
        description="Probability from which a label is predicted, one for all or one per label; "
        "tuned: maximizes each label's F1 on validation.",
    )
    span_decoding: SpanDecoding | None = Field(
        default=None, description="How answers are read from start and end logits."
    )
    generation: Generation | None = Field(default=None, description="How texts are generated.")
    zero_shot: dict[FileName, ZeroShot] = Field(
        description="Models that score the same rows without training; {} for none."
    )
    bootstrap_samples: Positive = Field(description="Resamples behind the 95 % intervals.")
    slices: Columns = Field(
        default=(), description="Columns whose values are scored separately. Absent: none."
    )
    metrics: tuple[Name, ...] | None = Field(
        default=None,
        description="Custom metrics: `module.function` of a file under `code`, called with "
        "(predictions, references). Absent: only the task's.",
    )
    num_worst_examples: Annotated[Count, Unit("examples")] = Field(
        description="Examples with the highest loss that the report lists."
    )


class ExportParams(Group):
    name: Name = Field(description="Title of the model card, and name in the model registry.")
    license: Name | None = Field(default=None, description="SPDX id of the model. Absent: none.")
    onnx: Literal["auto", "required", "off"] = Field(
        default="auto",
        description="required: the stage fails where the model has no ONNX export that agrees with "
        "it; auto: then the export is without ONNX, and says why; off: no ONNX. Absent: auto.",
    )
    int8: bool = Field(
        default=False, description="Also export a quantized ONNX model. Absent: false."
    )
    max_score_drop: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Largest loss of the int8 model's validation score; above it the stage fails. "
        "int8: true needs it. Absent: no int8 model.",
    )


class Settings(Group):
    """What a task needs to know, in training and in `temper predict`."""

    task: TaskParams
    tokenize: TokenizeParams
    evaluate: EvaluateParams
    code: dict[FileName, Name] = Field(
        description="Custom code by module name → Python file; {} for none. DVC watches each."
    )


class Params(Settings):
    """Everything a run depends on besides code, data and library versions."""

    seed: Seed = Field(description="Seed of initial weights, batch order and dropout.")
    determinism: Determinism
    data: DataParams
    model: ModelParams
    train: TrainParams
    export: ExportParams

    @model_validator(mode="after")
    def _check_labels_and_columns(self) -> Self:
        self._check_positive_label()
        self._check_slices()
        self._check_filter()
        self._check_threshold()
        self._check_zero_shot()
        return self

    def _check_positive_label(self) -> None:
        labels, positive = self.task.classes, self.evaluate.positive_label
        if self.task.metrics != "classification":
            if positive is not None:
                problem = getattr(self.task, "problem_type", self.task.name)
                raise ValueError(f"evaluate.positive_label must be null for {problem}")
            return
        if labels is None:
            return
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

    def _check_slices(self) -> None:
        target = [self.task.target[0]] if self.task.target else []
        columns = {*self.task.inputs, *target, *self.data.extra_columns}
        for column in self.evaluate.slices:
            if column not in columns:
                raise ValueError(
                    f"evaluate.slices names {column!r}, which is not a column of the rows: "
                    "add it to data.extra_columns"
                )

    def _check_filter(self) -> None:
        """Refuse a filter by what the task's rows do not have."""
        rows, target_type = self.data.filter, self.task.target[1] if self.task.target else None
        if rows is None:
            return
        by_length = (rows.min_characters, rows.max_characters) != (None, None)
        if by_length and "image" in self.task.inputs.values():
            raise ValueError(
                f"data.filter: remove min_characters and max_characters for {self.task.name}: an "
                "image has no characters"
            )
        if rows.labels is not None and target_type != "class":
            raise ValueError(
                "data.filter: remove labels here: only rows with exactly one label can be "
                "selected by it"
            )

    def _check_threshold(self) -> None:
        labels, threshold = self.task.classes, self.evaluate.threshold
        if isinstance(threshold, dict) and labels is not None and set(threshold) != set(labels):
            raise ValueError(
                f"evaluate.threshold names {', '.join(threshold)}; it needs each of task.labels: "
                f"{', '.join(labels)}"
            )

    def _check_zero_shot(self) -> None:
        labels = self.task.classes
        for name, model in self.evaluate.zero_shot.items():
            if self.task.metrics not in ("classification", "multi_label"):
                raise ValueError(f"evaluate.zero_shot must be {{}} for {self.task.name}")
            for label in model.phrases or ():
                if labels is not None and label not in labels:
                    raise ValueError(
                        f"evaluate.zero_shot.{name}.phrases names {label!r}, which is not in "
                        f"task.labels{nearest(label, labels)}"
                    )
