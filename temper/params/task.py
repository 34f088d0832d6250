"""The `task` group of params.yaml: one schema per task, selected by `task.name`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from temper.params.classification import (
    AudioClassification,
    ImageClassification,
    SequenceClassification,
)
from temper.params.group import Columns, Group, Name
from temper.params.task_schema import NAME, Input, Target, TaskSchema, Template, TruncateColumn

ANSWER = "last_answer"  # the column of data/raw with the last message of conversations


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
    text: Annotated[Name | None, Input("text")] = None
    """The column of unlabelled texts. Absent: template makes them."""
    template: Template = None
    mask_probability: float = Field(gt=0, lt=1)
    """Share of the words to predict."""
    whole_word: bool
    """Mask all tokens of a word rather than single tokens."""


class CausalLM(TaskSchema):
    name: Literal["causal_lm"] = Field(description=NAME)
    prompt: Annotated[Name | None, Input("text")] = None
    """The column to complete. Absent: template makes the prompts, or `text` is plain text, packed
    into blocks."""
    template: Template = None
    truncate_column: TruncateColumn = None
    text: Annotated[Name | None, Target("text")] = None
    """The column to learn: texts, or the completions of prompts. Absent: template makes plain
    texts."""
    messages: Annotated[Name | None, Input("messages")] = None
    """The column of conversations, whose answers are learned as the tokenizer's chat template
    writes them. Absent: `text` is learned."""

    @property
    def inputs(self) -> dict[str, str]:
        return super().inputs or ({self.text: "text"} if self.text else {})

    @property
    def target(self) -> tuple[str, str] | None:
        if self.messages:
            return ANSWER, "text"
        return super().target if self.prompt or self.template else None

    @property
    def label_columns(self) -> Columns:
        return (self.messages,) if self.messages else super().label_columns

    @property
    def no_label(self) -> tuple[str, str]:
        if self.messages:
            return "no answer at its end", "no conversation that ends with an answer"
        return super().no_label


class Seq2SeqLM(TaskSchema):
    name: Literal["seq2seq_lm"] = Field(description=NAME)
    problem_type: Literal["summarization", "translation"]
    """Which scores come first (ROUGE, or BLEU and chrF), and the baselines."""
    source: Annotated[Name | None, Input("text")] = None
    """The input column; a.b is b inside a. Absent: template makes the text."""
    template: Template = None
    truncate_column: TruncateColumn = None
    target_text: Annotated[Name, Target("text")]
    """The output column; a.b is b inside a."""
    prefix: str = ""
    """Prepended to every source, such as T5's summarize:. Absent: none."""
    source_language: Name | None = None
    """The language of sources, as a multilingual tokenizer names it: en_XX for mBART, eng_Latn for
    NLLB, en for M2M100. Absent: the checkpoint has one, or names it itself."""
    target_language: Name | None = None
    """The language of targets, likewise. Absent: as for source_language."""

    @model_validator(mode="after")
    def _check_languages(self) -> Self:
        if (self.source_language is None) != (self.target_language is None):
            raise ValueError("source_language and target_language are set together, or neither")
        return self

    @property
    def metrics(self) -> str:
        return self.problem_type


class Prompts(Group):
    query: str
    """Prepended to what is searched with: anchors, and the first text of a scored pair."""
    document: str
    """Prepended to what is found: positives, negatives, and the second text of a scored pair."""


class Embeddings(TaskSchema):
    name: Literal["embeddings"] = Field(description=NAME)
    anchor: Annotated[Name | None, Input("text")] = None
    """The column of texts to search with, such as questions. Absent: `text` and `score`."""
    positive: Annotated[Name | None, Target("text")] = None
    """The column of texts that each anchor should find. Absent: `text` and `score`."""
    negative: Annotated[Name | None, Input("text")] = None
    """A column of texts that each anchor should not find. Absent: the other rows of the batch."""
    text: Annotated[Annotated[Columns, Field(min_length=2, max_length=2)] | None, Input("text")] = (
        None
    )
    """The two columns of pairs with a similarity score. Absent: `anchor` and `positive`."""
    score: Annotated[Name | None, Target("number")] = None
    """The column of scores, the higher the more alike. Absent: `anchor` and `positive`."""
    pooling: Literal["mean", "cls", "max"] | None = None
    """How the tokens' vectors become one. Absent: as the checkpoint says, or mean."""
    prompts: Prompts | None = None
    """Prepended to texts, such as E5's "query: " and "passage: ". Absent: none."""
    temperature: float = Field(default=0.05, gt=0)
    """Divides cosine similarities in the loss. Absent: 0.05."""

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        found = {key for key in ("anchor", "positive", "negative", "text", "score")
                 if getattr(self, key) is not None}  # fmt: skip
        if found - {"negative"} != {"anchor", "positive"} and found != {"text", "score"}:
            raise ValueError(
                f"the rows are anchor and positive, with or without negative, or text and score; "
                f"found {', '.join(sorted(found)) or 'none of them'}"
            )
        return self

    @property
    def metrics(self) -> str:
        return "similarity" if self.anchor is None else "retrieval"

    @property
    def num_texts_together(self) -> int:
        return 1

    @property
    def has_in_batch_loss(self) -> bool:
        return True

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of a row's texts: anchor, positive and negative, or those of a pair."""
        columns = (self.anchor, self.positive, self.negative)
        return self.text or tuple(column for column in columns if column is not None)

    def prompted(self, columns: Mapping[str, Sequence[str]]) -> list[list[str]]:
        """Return the texts of some of `text_columns` with their prompts, in that order."""
        if self.prompts is None:
            return [[*texts] for texts in columns.values()]
        first, by_column = self.text_columns[0], self.prompts
        return [
            [(by_column.query if name == first else by_column.document) + text for text in texts]
            for name, texts in columns.items()
        ]

    def for_prediction(self) -> Self:
        return self.model_copy(update={"negative": None})

    def for_documents(self) -> Self:
        """Return the parameters of predicting documents, in the anchor's column."""
        assert self.prompts is not None
        prompts = self.prompts.model_copy(update={"query": self.prompts.document})
        return self.model_copy(update={"prompts": prompts})


TaskParams = Annotated[
    SequenceClassification
    | TokenClassification
    | QuestionAnswering
    | MultipleChoice
    | MaskedLM
    | ImageClassification
    | AudioClassification
    | Seq2SeqLM
    | CausalLM
    | Embeddings,
    Field(discriminator="name"),
]


TASKS: dict[str, type[TaskSchema]] = {  # `task.name` → schema, in the order of the union above
    get_args(schema.model_fields["name"].annotation)[0]: schema
    for schema in get_args(get_args(TaskParams)[0])
}
