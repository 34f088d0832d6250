"""Columns and wishes → the text that a task reads: a column, a pair, or one text of several."""

from collections.abc import Mapping, Sequence
from typing import Any

from temper.core.errors import InputError
from temper.init.names import PAIRS, TEXTS
from temper.init.roles import Columns, Wishes
from temper.params import text_template

TEMPLATED = (  # read one text of several
    "seq2seq_lm", "sequence_classification", "causal_lm", "masked_lm"
)  # fmt: skip


def split(name: str, columns: Mapping[str, Any] | Sequence[str]) -> tuple[str, ...]:
    """Return the columns of `a, b`; a column that is called so is itself."""
    return (name,) if name in columns else tuple(part.strip() for part in name.split(","))


def is_joined(wishes: Wishes, columns: Columns) -> bool:
    """Check whether one text of several columns is wished."""
    return any(len(split(name, columns)) > 1 for name in wishes.text)


def find(columns: Columns, wishes: Wishes, exclude: Sequence[str]) -> list[str]:
    """Return the text's column, two for a pair, or as one name several that make one text."""
    if wishes.text:
        return [*wishes.text]
    for pair in PAIRS:
        if {*pair} <= {*columns} - {*exclude}:
            return [*pair]
    texts = [n for n, c in columns.items() if c.is_text and n not in exclude]
    named = [name for key in TEXTS for name in columns if name.lower() == key and name in texts]
    if not texts:
        texts = [n for n in columns if n not in exclude and not columns[n].holds_numbers]
    if len(texts) == 1:
        return texts
    if not texts:
        raise InputError(f"no column of {', '.join(columns)} holds texts")
    longest = max(texts, key=lambda name: columns[name].mean_characters)
    default = named[0] if len(named) == 1 else longest
    question = "which column holds the text? (a comma between several makes one text of them)"
    return [wishes.choose(question, texts, default, "--text")]


def template(names: Sequence[str]) -> str:
    """Return the template that makes one text of columns, each in a line.

    Raises:
        InputError: a template cannot name a column that is called so.
    """
    text = "\n".join(f"{{{name}}}" for name in names)
    try:
        text_template.check(text)
    except ValueError as error:
        raise InputError(f"--text: {error}") from None
    if text_template.columns(text) != tuple(names):
        raise InputError(f"--text: a name with braces makes no template: {', '.join(names)}")
    return text
