"""The `task` group of params.yaml for one or several labels, or a number, per row."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from temper.params.group import Columns, Name
from temper.params.task_schema import NAME, Input, Target, TaskSchema, Template, TruncateColumn

UNSEEDED = {  # keys of a config → off: audio models draw these from states that no step's seed sets
    "apply_spec_augment": False,
    "layerdrop": 0.0,
    "encoder_layerdrop": 0.0,
}


class SequenceClassification(TaskSchema):
    name: Literal["sequence_classification"] = Field(description=NAME)
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression"]
    """Type of label, in transformers' terms."""
    text: Annotated[Columns | None, Input("text")] = Field(None, min_length=1, max_length=2)
    """The text column, or the two columns of a pair. Absent: template makes the text."""
    template: Template = None
    truncate_column: TruncateColumn = None
    label: Annotated[Name | Annotated[Columns, Field(min_length=1)] | None, Target("class")] = None
    """The label column; for several labels also a list of columns of 0 and 1, one per label and
    named after it. Absent: the label that is likeliest in label_probabilities."""
    label_probabilities: Annotated[dict[Name, Name], Field(min_length=2)] | None = None
    """Label → column of its probability, such as the share of annotators; learned in place of the
    label. Absent: the labels are certain."""
    labels: Columns | None = None
    """Label names in the order of their ids. Absent: the order of the data."""
    label_separator: Name | None = None
    """Separator of multi-label strings such as joy|fear. Absent: the column holds lists, in a text
    file as ["joy", "fear"]."""

    @model_validator(mode="after")
    def _check_label_columns(self) -> Self:
        if self.label_probabilities is not None:
            self._check_label_probabilities(self.label_probabilities)
        elif self.label is None:
            raise ValueError("label is missing (or label_probabilities in its place)")
        if self.label is None or isinstance(self.label, str):
            return self
        if self.problem_type != "multi_label_classification":
            raise ValueError(
                f"label is a list of columns, which {self.problem_type} has no use for: name one"
            )
        for key in ("labels", "label_separator"):
            if getattr(self, key) is not None:
                raise ValueError(f"{key} has no effect with a list of columns in label; remove it")
        return self

    def _check_label_probabilities(self, columns: dict[str, str]) -> None:
        if self.problem_type != "single_label_classification":
            raise ValueError(
                f"label_probabilities are for single_label_classification, not {self.problem_type}"
            )
        if self.labels is not None:
            raise ValueError("labels has no effect with label_probabilities, in whose order they "
                             "are; remove it")  # fmt: skip
        if len({*columns.values()} - {*self.inputs, self.label}) < len(columns):
            raise ValueError("label_probabilities needs a column of its own for each label")

    @property
    def classes(self) -> Columns | None:
        if self.label_probabilities is not None:
            return tuple(self.label_probabilities)
        return self.label if isinstance(self.label, tuple) else self.labels

    @property
    def label_columns(self) -> Columns:
        if self.label is None:
            return tuple((self.label_probabilities or {}).values())
        return super().label_columns

    @property
    def target(self) -> tuple[str, str]:
        types = {
            "single_label_classification": "class",
            "multi_label_classification": "classes",
            "regression": "number",
        }
        name = self.label if isinstance(self.label, str) else "labels"
        return name, types[self.problem_type]


class ImageClassification(TaskSchema):
    name: Literal["image_classification"] = Field(description=NAME)
    image: Annotated[Name, Input("image")]
    """The image column; `image` for a folder of images."""
    label: Annotated[Name, Target("class")]
    """The label column; `label` for a folder of images."""
    labels: Columns | None = None
    """Label names in the order of their ids. Absent: the order of the data."""
    problem_type: Literal["single_label_classification"] = "single_label_classification"
    """Type of label, in transformers' terms. Absent: the only one there is."""


class AudioClassification(TaskSchema):
    name: Literal["audio_classification"] = Field(description=NAME)
    audio: Annotated[Name, Input("audio")]
    """The column of WAV files; `audio` for a folder of them."""
    label: Annotated[Name, Target("class")]
    """The label column; `label` for a folder of WAV files."""
    labels: Columns | None = None
    """Label names in the order of their ids. Absent: the order of the data."""
    problem_type: Literal["single_label_classification"] = "single_label_classification"
    """Type of label, in transformers' terms. Absent: the only one there is."""
