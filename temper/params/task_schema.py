"""What the parameters of every task have: the raw columns it reads, and the types of their values.

`temper.ingest.columns` converts what a file holds to these types.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from temper.params import text_template
from temper.params.group import Columns, Group, Name

NAME = "Task: a module of temper/tasks."  # the description of each schema's `name`
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
MEDIA = {"image": "images", "audio": "clips"}  # type of an input that is bytes → many of them


@dataclass(frozen=True)
class Input:
    """Marks a key that names columns of `text`, `texts` (lists), `messages`, `image` or `audio`."""

    type: str


@dataclass(frozen=True)
class Target:
    """Marks the key of the target, whose type is one of METRICS."""

    type: str


Template = Annotated[
    Annotated[str, AfterValidator(text_template.check)] | None,
    Input("text"),
    Field(
        description='The text made of several columns: "{subject}\\n{body}"; a brace that is text '
        "is written twice. Absent: the text is a column."
    ),
]
TruncateColumn = Annotated[
    Name | None,
    Field(
        description="The column of template that is cut at its end where the text has more than "
        "tokenize.max_length tokens. Absent: the text is cut at its end."
    ),
]
TEXT = "text"  # what the text of a template is called beside columns


class TaskSchema(Group):
    """What every task's parameters provide."""

    HINTS: ClassVar = {  # on keys that other tasks have
        "template": "not for this task; make one column of several in the data's files"
    }

    @property
    def inputs(self) -> dict[str, str]:
        """Column → `text`, `texts`, `messages`, `image` or `audio`."""
        return dict(self._marked(Input))

    @property
    def texts(self) -> dict[str, str]:
        """What the model reads → its type: the inputs, or the text a template makes of them."""
        return self.inputs if self._template is None else {TEXT: "text"}

    @property
    def num_texts_together(self) -> int:
        """How many texts the model reads in one sequence."""
        return min(len(self.texts), 2)

    def read_texts(self, examples: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
        """Return the values of `texts` for columns of examples."""
        if self._template is None:
            return {name: examples[name] for name in self.inputs}
        return {TEXT: text_template.render(self._template, examples)}

    def read_text(self, examples: Mapping[str, Any]) -> Sequence[str]:
        """Return the text of each example, for a task of one text."""
        (texts,) = self.read_texts(examples).values()
        return texts

    def placeholder(self, text: str) -> str:
        """Return a text that stands for any other: that of a template has `<column>`s."""
        if self._template is None:
            return text
        return text_template.fill(self._template, {name: f"<{name}>" for name in self.inputs})

    @property
    def _template(self) -> str | None:
        return getattr(self, "template", None)

    @property
    def target(self) -> tuple[str, str] | None:
        """Column and type of the target; None where the inputs are all there is to learn from."""
        return next(self._marked(Target), None)

    @property
    def target_type(self) -> str | None:
        """The type of the target, a key of METRICS; None: there is none."""
        return self.target[1] if self.target else None

    @property
    def has_label_names(self) -> bool:
        """Whether the target's values are names, which become ids."""
        return self.target_type in ("class", "classes", "tags")

    @property
    def has_label_probabilities(self) -> bool:
        """Whether a probability of each label is learned."""
        return getattr(self, "label_probabilities", None) is not None

    @property
    def label_columns(self) -> Columns:
        """The columns that make up the target: itself, or several of 0 and 1."""
        return tuple(column for column, _ in self._marked(Target)) if self.target else ()

    @property
    def no_label(self) -> tuple[str, str]:
        """What is said that a row without a label has, and rows that all lack one."""
        return "no label", "no labels; all are empty, null or -1"

    @property
    def examples_name(self) -> str:
        """What examples are called where they are counted."""
        return MEDIA[self.medium] if self.medium else "rows"

    @property
    def medium(self) -> str | None:
        """The type of the inputs that are bytes, a key of MEDIA; None: they are texts."""
        return next((kind for kind in self.inputs.values() if kind in MEDIA), None)

    @property
    def metrics(self) -> str:
        """The module of temper/metrics that scores the task."""
        return METRICS[self.target_type]

    @property
    def classes(self) -> Columns | None:
        """The label names that params.yaml fixes, if any."""
        return getattr(self, "labels", None)

    @property
    def has_in_batch_loss(self) -> bool:
        """Whether a row's loss depends on the other rows of its batch."""
        return False

    def for_prediction(self) -> Self:
        """Return the parameters without input columns that only training and evaluation read."""
        return self

    def _marked(self, mark: type[Input | Target]) -> Iterator[tuple[str, str]]:
        """Yield the columns of the keys with a mark, and their types."""
        for key, field in type(self).model_fields.items():
            value: Any = getattr(self, key)
            for found in field.metadata:
                if isinstance(found, mark) and value is not None:
                    named = text_template.columns(str(value)) if key == "template" else value
                    for column in named if isinstance(named, tuple) else [named]:
                        yield column, found.type

    @model_validator(mode="after")
    def _check_columns_and_labels(self) -> Self:
        columns = [column for mark in (Input, Target) for column, _ in self._marked(mark)]
        if self._template is not None:  # one of its columns may also be named by another key
            columns = [*self.inputs, *(column for column, _ in self._marked(Target))]
        if len(set(columns)) < len(columns):
            raise ValueError(
                f"two of the task's columns are the same: {', '.join(sorted(columns))}"
            )
        labels, target_type = self.classes, self.target_type
        if labels is not None and len(set(labels)) < len(labels):
            raise ValueError("labels holds a name twice")
        if labels is not None and target_type == "number":
            raise ValueError("regression has no labels; remove labels")
        if labels is not None and len(labels) < 2 and target_type == "class":
            raise ValueError("labels needs at least two names")
        return self
