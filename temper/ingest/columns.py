"""Column values as files and the Hub store them → the value types a task reads.

The types are those of a task's `inputs` and `target`: text, texts, messages, image, audio, index
and answers are converted here, labels in `label_values`. `a.b` names the value b inside the objects
of column a, as in {"translation": {"en": …}}.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from temper.core.errors import InputError, alternatives
from temper.ingest import literals
from temper.ingest.file_names import file_bytes, file_name, with_name
from temper.tasks.base import audio, images, messages

MAX_CHARACTERS = 10_000_000  # of a text: a very long novel has 3 million
ANSWER_KEYS = ("text", "answer_start")
ColumnBatch = dict[str, list[Any]]  # column → the values of some consecutive rows
Locate = Callable[[str], Callable[[int], str]]  # column → position → its split, row and column


def num_rows(batch: Mapping[str, list[Any]]) -> int:
    """Count the rows of a batch; 0 without columns."""
    return len(next(iter(batch.values()), []))


def is_null(value: Any) -> bool:
    """Say whether a cell holds null or NaN."""
    return value is None or value != value


def is_empty(value: Any) -> bool:
    """Say whether a cell holds null, NaN or an empty text."""
    return is_null(value) or value == ""


def find_column(batch: Mapping[str, list[Any]], name: str) -> list[Any] | None:
    """Look up a column, or the values a dotted name selects inside one; None if there is none."""
    if name in batch:
        return batch[name]
    outer, _, inner = name.rpartition(".")
    if not outer or outer not in batch:
        return None
    values = [row.get(inner) if isinstance(row, dict) else None for row in batch[outer]]
    return values if any(value is not None for value in values) else None


def get_column(batch: Mapping[str, list[Any]], name: str, split: str) -> list[Any]:
    """Look up a column that must exist.

    Raises:
        InputError: it does not.
    """
    values = find_column(batch, name)
    if values is None:
        raise InputError(f"{split} has no column {name!r}{alternatives(name, batch)}")
    return values


def locate_in(source: str, first_row: int = 0) -> Locate:
    """Return what names the values of a batch in errors.

    Args:
        first_row: index in the source of the batch's first row.
    """
    return lambda column: lambda i: f"{source} row {first_row + i + 1}, column {column!r}"


def read_inputs(
    batch: Mapping[str, list[Any]], inputs: Mapping[str, str], locate: Locate
) -> ColumnBatch:
    """Return a task's input columns, converted; values of a column that is not there are null.

    Args:
        inputs: column → type of its values.

    Raises:
        InputError: a value cannot be converted.
    """
    nulls = [None] * num_rows(batch)
    return {
        name: convert(find_column(batch, name) or nulls, value_type, locate(name))
        for name, value_type in inputs.items()
    }


def convert(values: Sequence[Any], value_type: str, where: Callable[[int], str]) -> list[Any]:
    """Convert a column's values.

    Args:
        value_type: a key of `CONVERTERS`.
        where: from a value's position to its split, row and column, for errors.

    Raises:
        InputError: a value cannot be converted.
    """
    converter = CONVERTERS[value_type]
    converted = []
    for i, value in enumerate(values):
        try:
            converted.append(converter(value))
        except (TypeError, ValueError, KeyError, IndexError, RecursionError) as error:
            found = "" if file_name(value) else f"; found {value!r:.80}"
            raise InputError(f"{with_name(where(i), value)}: {error}{found}") from None
    return converted


def texts_of(value: Any) -> list[str]:
    """Return the texts of a converted value: of a text itself, of a conversation its messages'."""
    items = value if isinstance(value, list) else [value]
    return [item["content"] if isinstance(item, dict) else item for item in items]


def column_type(value_type: str) -> Any:
    """Return the `datasets` type of a converted column; labels are names."""
    from datasets import List, Value

    names = List(Value("string"))
    return {
        "class": names,
        "classes": names,
        "tags": names,
        "number": Value("float32"),
        "text": Value("string"),
        "texts": List(Value("string")),
        "messages": List({"role": Value("string"), "content": Value("string")}),
        "image": Value("binary"),
        "audio": Value("binary"),
        "index": Value("int32"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
    }[value_type]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict | bytes):
        raise TypeError(f"expected a text, not a {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a text, not a number that is none; a missing text is null")
    text = str(value)
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a text of {len(text):,} characters; at most {MAX_CHARACTERS:,} fit")
    text.encode()  # half of a surrogate pair is a UnicodeEncodeError, a ValueError
    return text


def _texts(value: Any) -> list[str]:
    value = literals.split_words(value) if isinstance(value, str) else value
    if not isinstance(value, list | tuple):
        raise TypeError("expected a list of strings, a JSON list, or words separated by spaces")
    return [_text(item) for item in value]


def _conversation(value: Any) -> tuple[list[messages.Message], str | None]:
    return messages.split(literals.parse(value) if isinstance(value, str) else value)


def _image(value: Any) -> bytes:
    return _file(value, "an image", images.remarks)


def _audio(value: Any) -> bytes:
    return _file(value, "a WAV file", audio.remarks)


def _file(value: Any, what: str, check: Callable[[bytes], object]) -> bytes:
    """Return the bytes of a file; `check` raises if they are of none that can be read."""
    data = file_bytes(value)
    if not isinstance(data, bytes):
        raise TypeError(f"expected the bytes of {what}")
    check(data)
    return data


def _index(value: Any) -> int | None:
    if is_empty(value) or value in (-1, "-1"):
        return None
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("expected a whole number")
    return int(value)


def _answers(value: Any) -> dict[str, list[Any]] | None:
    if value is None:
        return None
    value = literals.parse(value) if isinstance(value, str) else value
    if isinstance(value, list) and all(isinstance(answer, dict) for answer in value):
        # SQuAD's nested format
        value = {name: [answer.get(name) for answer in value] for name in ANSWER_KEYS}
    if not isinstance(value, dict) or not all(
        isinstance(value.get(name), list | tuple) for name in ANSWER_KEYS
    ):
        raise ValueError('expected answers such as {"text": ["a"], "answer_start": [5]}')
    texts = list(value["text"])
    starts = [-1 if start in (-1, "-1") else _index(start) for start in value["answer_start"]]
    for kind, items in ((str, texts), (int, starts)):
        for item in items:
            if not isinstance(item, kind):
                raise TypeError(f"expected {kind.__name__} in answers, not {item!r:.40}")
    if len(texts) != len(starts):
        raise ValueError("answers: text and answer_start have different lengths")
    return {"text": texts, "answer_start": starts}


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "texts": _texts,
    "messages": lambda value: _conversation(value)[0],  # what an answer is generated from
    "answer": lambda value: _conversation(value)[1],  # of the same column
    "image": _image,
    "audio": _audio,
    "index": _index,
    "answers": _answers,
}
