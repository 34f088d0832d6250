"""The `task` group of params.yaml: one schema per task, chosen by `task.name`.

Each says which raw columns the task reads and what kind of value they hold (`inputs`, `target`);
`temper.ingest.columns` turns what a file holds into these kinds.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Columns = tuple[Name, ...]
Labels = Annotated[
    Columns | None,
    Field(description="Label names in the order of their ids; null takes the data's order."),
]


class Group(BaseModel):
    """A group of parameters: frozen, unknown keys refused, nothing filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Schema(Group):
    """What every task's parameters answer.

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
    def metrics(self) -> str:
        """Return the module of temper/metrics that scores the task."""
        raise NotImplementedError

    @property
    def classes(self) -> Columns | None:
        """Return the label names that params.yaml fixes, if any."""
        return getattr(self, "labels", None)

    @model_validator(mode="after")
    def _columns_and_labels(self) -> Self:
        used = [*self.inputs, *([self.target[0]] if self.target else [])]
        for name, value in self:  # a mapping keeps one of two equal names
            used += (
                value[len(set(value)) :] if isinstance(value, tuple) and name != "labels" else ()
            )
        if len(set(used)) < len(used):
            raise ValueError(f"two of the task's columns are the same: {', '.join(sorted(used))}")
        labels = self.classes
        if labels is not None and len(set(labels)) < len(labels):
            raise ValueError("labels holds a name twice")
        kind = self.target[1] if self.target else None
        if labels is not None and kind == "number":
            raise ValueError("labels must be null for regression")
        if labels is not None and len(labels) < 2 and kind == "class":
            raise ValueError("labels needs at least two names")
        return self


class SequenceClassification(Schema):
    name: Literal["sequence_classification"] = Field(
        description="A module of temper/tasks/base/registry."
    )
    problem_type: Literal[
        "single_label_classification", "multi_label_classification", "regression"
    ] = Field(description="The kind of label, in transformers' words.")
    text: Columns = Field(
        min_length=1, max_length=2, description="The text column, or the two of a pair."
    )
    label: Name = Field(description="The label column.")
    labels: Labels
    label_separator: Name | None = Field(
        description="Where a multi-label string is split; null: the column holds lists."
    )

    @property
    def inputs(self) -> dict[str, str]:
        return dict.fromkeys(self.text, "text")

    @property
    def target(self) -> tuple[str, str]:
        kinds = {"s": "class", "m": "classes", "r": "number"}
        return self.label, kinds[self.problem_type[0]]

    @property
    def metrics(self) -> str:
        kinds = {"s": "classification", "m": "multi_label", "r": "regression"}
        return kinds[self.problem_type[0]]


class ImageClassification(Schema):
    name: Literal["image_classification"] = Field(
        description="A module of temper/tasks/base/registry."
    )
    image: Name = Field(description="The image column; `image` for a folder of images.")
    label: Name = Field(description="The label column; `label` for a folder of images.")
    labels: Labels

    problem_type: Literal["single_label_classification"] = Field(
        description="The kind of label, in transformers' words."
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


class TokenClassification(Schema):
    name: Literal["token_classification"] = Field(
        description="A module of temper/tasks/base/registry."
    )
    words: Name = Field(description="The column of word lists.")
    tags: Name = Field(description="The column of tag lists, a tag per word.")
    labels: Labels
    scheme: Literal["IOB1", "IOB2", "BIOES"] = Field(
        description="How tags mark entities; BIO is IOB2. Decoding keeps to it."
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


class QuestionAnswering(Schema):
    name: Literal["question_answering"] = Field(
        description="A module of temper/tasks/base/registry."
    )
    question: Name = Field(description="The column of questions.")
    context: Name = Field(description="The column of texts that hold the answers.")
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


class MultipleChoice(Schema):
    name: Literal["multiple_choice"] = Field(description="A module of temper/tasks/base/registry.")
    context: Name = Field(description="The column that every choice is judged with.")
    stem: Name | None = Field(description="A column that begins every choice (SWAG), or null.")
    choices: Columns = Field(
        min_length=1, description="One column per choice, or one column of lists."
    )
    label: Name = Field(description="The column with the number of the right choice, from 0.")

    @property
    def inputs(self) -> dict[str, str]:
        kind = "texts" if len(self.choices) == 1 else "text"
        texts = dict.fromkeys(filter(None, (self.context, self.stem)), "text")
        return texts | dict.fromkeys(self.choices, kind)

    @property
    def target(self) -> tuple[str, str]:
        return self.label, "index"

    @property
    def metrics(self) -> str:
        return "choices"


class MaskedLM(Schema):
    name: Literal["masked_lm"] = Field(description="A module of temper/tasks/base/registry.")
    text: Name = Field(description="The column of unlabelled texts.")
    mask_probability: float = Field(gt=0, lt=1, description="Share of the words to guess.")
    whole_word: bool = Field(description="Mask all tokens of a word, or single tokens.")

    @property
    def inputs(self) -> dict[str, str]:
        return {self.text: "text"}

    @property
    def target(self) -> None:
        return None

    @property
    def metrics(self) -> str:
        return "language"


class CausalLM(Schema):
    name: Literal["causal_lm"] = Field(description="A module of temper/tasks/base/registry.")
    prompt: Name | None = Field(description="The column to complete; null: plain text.")
    text: Name = Field(description="The column to learn: texts, or the prompts' completions.")

    @property
    def inputs(self) -> dict[str, str]:
        return {self.prompt or self.text: "text"}

    @property
    def target(self) -> tuple[str, str] | None:
        return (self.text, "text") if self.prompt else None

    @property
    def metrics(self) -> str:
        return "completions" if self.prompt else "language"


class Seq2SeqLM(Schema):
    name: Literal["seq2seq_lm"] = Field(description="A module of temper/tasks/base/registry.")
    problem_type: Literal["summarization", "translation"] = Field(
        description="Which scores come first (ROUGE, or BLEU and chrF), and the baselines."
    )
    source: Name = Field(description="The column to read; a.b is b inside a.")
    target_text: Name = Field(description="The column to write; a.b is b inside a.")
    prefix: str = Field(description="Put before every source, for T5: 'summarize: '.")

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
