"""The `task` group of params.yaml: one schema per task, selected by `task.name`.

Each says which raw columns the task reads and what type of value they hold (`Input`, `Target`);
`temper.ingest.columns` converts what a file holds to these types.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from temper.params.group import Columns, Group, Name

NAME = "Task: a module of temper/tasks."
METRICS = {  # type of the target → the module of temper/metrics that scores it
    "class": "classification",
    "classes": "multi_label",
    "number": "regression",
    "tags": "entities",
    "index": "choices",
    "answers": "answers",
    "text": "completions",
    None: "language",
}


@dataclass(frozen=True)
class Input:
    """Marks a key that names columns of `text`, of `texts` (a list) or of an `image`."""

    type: str


@dataclass(frozen=True)
class Target:
    """Marks the key of the target, whose type is one of METRICS."""

    type: str


class TaskSchema(Group):
    """What every task's parameters provide."""

    @property
    def inputs(self) -> dict[str, str]:
        """Column → `text`, `texts` or `image`."""
        return dict(self._marked(Input))

    @property
    def target(self) -> tuple[str, str] | None:
        """Column and type of the target; None where the inputs are all there is to learn from."""
        return next(self._marked(Target), None)

    @property
    def label_columns(self) -> Columns:
        """The columns that make up the target: itself, or several of 0 and 1."""
        return tuple(column for column, _ in self._marked(Target)) if self.target else ()

    @property
    def metrics(self) -> str:
        """The module of temper/metrics that scores the task."""
        return METRICS[self.target[1] if self.target else None]

    @property
    def classes(self) -> Columns | None:
        """The label names that params.yaml fixes, if any."""
        return getattr(self, "labels", None)

    def _marked(self, mark: type[Input | Target]) -> Iterator[tuple[str, str]]:
        """Yield the columns of the keys with a mark, and their types."""
        for key, field in type(self).model_fields.items():
            value = getattr(self, key)
            for found in field.metadata:
                if isinstance(found, mark) and value is not None:
                    for column in value if isinstance(value, tuple) else [value]:
                        yield column, found.type

    @model_validator(mode="after")
    def _check_columns_and_labels(self) -> Self:
        columns = [column for mark in (Input, Target) for column, _ in self._marked(mark)]
        if len(set(columns)) < len(columns):
            raise ValueError(
                f"two of the task's columns are the same: {', '.join(sorted(columns))}"
            )
        labels = self.classes
        if labels is not None and len(set(labels)) < len(labels):
            raise ValueError("labels holds a name twice")
        target_type = self.target[1] if self.target else None
        if labels is not None and target_type == "number":
            raise ValueError("regression has no labels; remove labels")
        if labels is not None and len(labels) < 2 and target_type == "class":
            raise ValueError("labels needs at least two names")
        return self


class SequenceClassification(TaskSchema):
    name: Literal["sequence_classification"] = Field(description=NAME)
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression"]
    """Type of label, in transformers' terms."""
    text: Annotated[Columns, Input("text")] = Field(min_length=1, max_length=2)
    """The text column, or the two columns of a pair."""
    label: Annotated[Name | Annotated[Columns, Field(min_length=1)], Target("class")]
    """The label column; for several labels also a list of columns of 0 and 1, one per label and
    named after it."""
    labels: Columns | None = None
    """Label names in the order of their ids. Absent: the order of the data."""
    label_separator: Name | None = None
    """Separator of multi-label strings such as joy|fear. Absent: the column holds lists, in a text
    file as ["joy", "fear"]."""

    @model_validator(mode="after")
    def _check_label_columns(self) -> Self:
        if isinstance(self.label, str):
            return self
        if self.problem_type != "multi_label_classification":
            raise ValueError(
                f"label is a list of columns, which {self.problem_type} has no use for: name one"
            )
        for key in ("labels", "label_separator"):
            if getattr(self, key) is not None:
                raise ValueError(f"{key} has no effect with a list of columns in label; remove it")
        return self

    @property
    def classes(self) -> Columns | None:
        return self.labels if isinstance(self.label, str) else self.label

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


class TokenClassification(TaskSchema):
    name: Literal["token_classification"] = Field(description=NAME)
    words: Annotated[Name, Input("texts")]
    """The column of word lists."""
    tags: Annotated[Name, Target("tags")]
    """The column of tag lists, one tag per word."""
    labels: Columns | None = None
    """Label names in the order of their ids. Absent: the order of the data."""
    scheme: Literal["IOB1", "IOB2", "BIOES"]
    """How tags mark entities (BIO is IOB2); decoding enforces it."""


class QuestionAnswering(TaskSchema):
    name: Literal["question_answering"] = Field(description=NAME)
    question: Annotated[Name, Input("text")]
    """The column of questions."""
    context: Annotated[Name, Input("text")]
    """The column of texts that contain the answers."""
    answers: Annotated[Name, Target("answers")]
    """The column of {text: [...], answer_start: [...]}."""


class MultipleChoice(TaskSchema):
    name: Literal["multiple_choice"] = Field(description=NAME)
    context: Annotated[Name, Input("text")]
    """The column that every choice is paired with."""
    stem: Annotated[Name | None, Input("text")] = None
    """A column that starts every choice, as in SWAG. Absent: none."""
    choices: Annotated[Columns, Input("text")] = Field(min_length=1)
    """One column per choice, or one column of lists."""
    label: Annotated[Name, Target("index")]
    """The column with the index of the correct choice, from 0."""

    @property
    def inputs(self) -> dict[str, str]:
        one_of_lists = {self.choices[0]: "texts"} if len(self.choices) == 1 else {}
        return super().inputs | one_of_lists


class MaskedLM(TaskSchema):
    name: Literal["masked_lm"] = Field(description=NAME)
    text: Annotated[Name, Input("text")]
    """The column of unlabelled texts."""
    mask_probability: float = Field(gt=0, lt=1)
    """Share of the words to predict."""
    whole_word: bool
    """Mask all tokens of a word rather than single tokens."""


class CausalLM(TaskSchema):
    name: Literal["causal_lm"] = Field(description=NAME)
    prompt: Annotated[Name | None, Input("text")] = None
    """The column to complete. Absent: `text` is plain text, packed into blocks."""
    text: Annotated[Name, Target("text")]
    """The column to learn: texts, or the completions of prompts."""

    @property
    def inputs(self) -> dict[str, str]:
        return super().inputs or {self.text: "text"}

    @property
    def target(self) -> tuple[str, str] | None:
        return super().target if self.prompt else None


class Seq2SeqLM(TaskSchema):
    name: Literal["seq2seq_lm"] = Field(description=NAME)
    problem_type: Literal["summarization", "translation"]
    """Which scores come first (ROUGE, or BLEU and chrF), and the baselines."""
    source: Annotated[Name, Input("text")]
    """The input column; a.b is b inside a."""
    target_text: Annotated[Name, Target("text")]
    """The output column; a.b is b inside a."""
    prefix: str = ""
    """Prepended to every source, such as T5's summarize:. Absent: none."""

    @property
    def metrics(self) -> str:
        return self.problem_type


TaskParams = Annotated[
    SequenceClassification
    | TokenClassification
    | QuestionAnswering
    | MultipleChoice
    | MaskedLM
    | ImageClassification
    | Seq2SeqLM
    | CausalLM,
    Field(discriminator="name"),
]


TASKS: dict[str, type[TaskSchema]] = {  # `task.name` → schema, in the order of the union above
    get_args(schema.model_fields["name"].annotation)[0]: schema
    for schema in get_args(get_args(TaskParams)[0])
}
