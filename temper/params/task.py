"""The `task` group of params.yaml: one schema per task, selected by `task.name`.

Each says which raw columns the task reads and what type of value they hold (`inputs`, `target`);
`temper.ingest.columns` converts what a file holds to these types.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from temper.params.group import Columns, Group, Name

NAME = "Task: a module of temper/tasks."
PROBLEM_TYPE = "Type of label, in transformers' terms."
Labels = Annotated[
    Columns | None,
    Field(description="Label names in the order of their ids. Absent: the order of the data."),
]


class TaskSchema(Group):
    """What every task's parameters provide.

    `inputs` maps a column to `text`, `texts` (a list) or `image`; `target` is a column and
    `class`, `classes`, `number`, `tags`, `index`, `answers` or `text`, or None where the inputs are
    all there is to learn from.
    """

    @property
    def inputs(self) -> dict[str, str]:
        raise NotImplementedError

    @property
    def target(self) -> tuple[str, str] | None:
        raise NotImplementedError

    @property
    def label_columns(self) -> Columns:
        """The columns that make up the target: itself, or several of 0 and 1."""
        return (self.target[0],) if self.target else ()

    @property
    def metrics(self) -> str:
        """The module of temper/metrics that scores the task."""
        raise NotImplementedError

    @property
    def classes(self) -> Columns | None:
        """The label names that params.yaml fixes, if any."""
        return getattr(self, "labels", None)

    @model_validator(mode="after")
    def _check_columns_and_labels(self) -> Self:
        columns = [*self.inputs, *dict.fromkeys(self.label_columns)]
        for name, value in self:  # a mapping holds a repeated name once
            if isinstance(value, tuple) and name != "labels":
                columns += value[len(set(value)) :]
        if len(set(columns)) < len(columns):
            names = ", ".join(sorted(columns))
            raise ValueError(f"two of the task's columns are the same: {names}")
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
    problem_type: Literal[
        "single_label_classification", "multi_label_classification", "regression"
    ] = Field(description=PROBLEM_TYPE)
    text: Columns = Field(
        min_length=1, max_length=2, description="The text column, or the two columns of a pair."
    )
    label: Name | Annotated[Columns, Field(min_length=1)] = Field(
        description="The label column; for several labels also a list of columns of 0 and 1, one "
        "per label and named after it."
    )
    labels: Labels = None
    label_separator: Name | None = Field(
        default=None,
        description="Separator of multi-label strings such as joy|fear. "
        'Absent: the column holds lists, in a text file as ["joy", "fear"].',
    )

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
    def label_columns(self) -> Columns:
        return (self.label,) if isinstance(self.label, str) else self.label

    @property
    def classes(self) -> Columns | None:
        return self.labels if isinstance(self.label, str) else self.label

    @property
    def inputs(self) -> dict[str, str]:
        return dict.fromkeys(self.text, "text")

    @property
    def target(self) -> tuple[str, str]:
        types = {
            "single_label_classification": "class",
            "multi_label_classification": "classes",
            "regression": "number",
        }
        name = self.label if isinstance(self.label, str) else "labels"
        return name, types[self.problem_type]

    @property
    def metrics(self) -> str:
        modules = {
            "single_label_classification": "classification",
            "multi_label_classification": "multi_label",
            "regression": "regression",
        }
        return modules[self.problem_type]


class ImageClassification(TaskSchema):
    name: Literal["image_classification"] = Field(description=NAME)
    image: Name = Field(description="The image column; `image` for a folder of images.")
    label: Name = Field(description="The label column; `label` for a folder of images.")
    labels: Labels = None
    problem_type: Literal["single_label_classification"] = Field(
        default="single_label_classification",
        description=f"{PROBLEM_TYPE} Absent: the only one there is.",
    )

    @property
    def inputs(self) -> dict[str, str]:
        return {self.image: "image"}

    @property
    def target(self) -> tuple[str, str]:
        return self.label, "class"

    @property
    def metrics(self) -> str:
        return "classification"


class TokenClassification(TaskSchema):
    name: Literal["token_classification"] = Field(description=NAME)
    words: Name = Field(description="The column of word lists.")
    tags: Name = Field(description="The column of tag lists, one tag per word.")
    labels: Labels = None
    scheme: Literal["IOB1", "IOB2", "BIOES"] = Field(
        description="How tags mark entities (BIO is IOB2); decoding enforces it."
    )

    @property
    def inputs(self) -> dict[str, str]:
        return {self.words: "texts"}

    @property
    def target(self) -> tuple[str, str]:
        return self.tags, "tags"

    @property
    def metrics(self) -> str:
        return "entities"


class QuestionAnswering(TaskSchema):
    name: Literal["question_answering"] = Field(description=NAME)
    question: Name = Field(description="The column of questions.")
    context: Name = Field(description="The column of texts that contain the answers.")
    answers: Name = Field(description="The column of {text: [...], answer_start: [...]}.")

    @property
    def inputs(self) -> dict[str, str]:
        return {self.question: "text", self.context: "text"}

    @property
    def target(self) -> tuple[str, str]:
        return self.answers, "answers"

    @property
    def metrics(self) -> str:
        return "answers"


class MultipleChoice(TaskSchema):
    name: Literal["multiple_choice"] = Field(description=NAME)
    context: Name = Field(description="The column that every choice is paired with.")
    stem: Name | None = Field(
        default=None, description="A column that starts every choice, as in SWAG. Absent: none."
    )
    choices: Columns = Field(
        min_length=1, description="One column per choice, or one column of lists."
    )
    label: Name = Field(description="The column with the index of the correct choice, from 0.")

    @property
    def inputs(self) -> dict[str, str]:
        choice_type = "texts" if len(self.choices) == 1 else "text"
        texts = dict.fromkeys(filter(None, (self.context, self.stem)), "text")
        return texts | dict.fromkeys(self.choices, choice_type)

    @property
    def target(self) -> tuple[str, str]:
        return self.label, "index"

    @property
    def metrics(self) -> str:
        return "choices"


class MaskedLM(TaskSchema):
    name: Literal["masked_lm"] = Field(description=NAME)
    text: Name = Field(description="The column of unlabelled texts.")
    mask_probability: float = Field(gt=0, lt=1, description="Share of the words to predict.")
    whole_word: bool = Field(description="Mask all tokens of a word rather than single tokens.")

    @property
    def inputs(self) -> dict[str, str]:
        return {self.text: "text"}

    @property
    def target(self) -> None:
        return None

    @property
    def metrics(self) -> str:
        return "language"


class CausalLM(TaskSchema):
    name: Literal["causal_lm"] = Field(description=NAME)
    prompt: Name | None = Field(
        default=None,
        description="The column to complete. Absent: `text` is plain text, packed into blocks.",
    )
    text: Name = Field(description="The column to learn: texts, or the completions of prompts.")

    @property
    def inputs(self) -> dict[str, str]:
        return {self.prompt or self.text: "text"}

    @property
    def target(self) -> tuple[str, str] | None:
        return (self.text, "text") if self.prompt else None

    @property
    def metrics(self) -> str:
        return "completions" if self.prompt else "language"


class Seq2SeqLM(TaskSchema):
    name: Literal["seq2seq_lm"] = Field(description=NAME)
    problem_type: Literal["summarization", "translation"] = Field(
        description="Which scores come first (ROUGE, or BLEU and chrF), and the baselines."
    )
    source: Name = Field(description="The input column; a.b is b inside a.")
    target_text: Name = Field(description="The output column; a.b is b inside a.")
    prefix: str = Field(
        default="", description="Prepended to every source, such as T5's summarize:. Absent: none."
    )

    @property
    def inputs(self) -> dict[str, str]:
        return {self.source: "text"}

    @property
    def target(self) -> tuple[str, str]:
        return self.target_text, "text"

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


def _tasks() -> dict[str, type[TaskSchema]]:
    """Map `task.name` to its schema, in the order of the union above."""
    union, _ = get_args(TaskParams)
    tasks = {}
    for schema in get_args(union):
        (name,) = get_args(schema.model_fields["name"].annotation)  # a Literal of one value
        tasks[name] = schema
    return tasks


TASKS = _tasks()
