"""Values as files and the Hub hold them → the kinds a task reads: text, texts, image, answers.

`a.b` names the value b inside the objects of column a, as in {"translation": {"en": …}}.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from temper.core.errors import InputError, nearest
from temper.ingest.readers import ColumnBatch


def lookup(columns: ColumnBatch, name: str) -> list | None:
    """Return a column, or what a dotted name finds inside of one; None where there is none."""
    if name in columns:
        return columns[name]
    outer, _, inner = name.rpartition(".")
    if not outer or outer not in columns:
        return None
    found = [row.get(inner) if isinstance(row, dict) else None for row in columns[outer]]
    return found if any(value is not None for value in found) else None


def get(columns: ColumnBatch, name: str, split: str) -> list:
    """Return a column.

    Raises:
        InputError: there is none of this name.
    """
    found = lookup(columns, name)
    if found is None:
        raise InputError(
            f"{split} has no column {name!r}{nearest(name, list(columns))}; "
            f"it has {', '.join(columns)}"
        )
    return found


def rename_columns(
    batches: Iterator[ColumnBatch],
    names: Mapping[str, str] | None,
    split: str,
    optional: str | None,
) -> Iterator[ColumnBatch]:
    """Yield batches under other column names.

    Args:
        batches: as they are read.
        names: column as it is read → its name from here on.
        split: where they come from.
        optional: a name from here on whose column the split may lack: the labels to predict.

    Raises:
        InputError: the first batch lacks a column, or a name is taken.
    """
    if not names:
        yield from batches
        return
    for i, batch in enumerate(batches):
        for old, new in names.items() if batch and i == 0 else ():
            if old not in batch and new != optional:
                raise InputError(
                    f"data.rename: {split} has no column {old!r}{nearest(old, list(batch))}; "
                    f"it has {', '.join(batch)}"
                )
        for old, new in names.items():
            if old in batch and new in batch and new not in names:
                raise InputError(
                    f"data.rename: {split} already has a column {new!r}; give {old!r} another name"
                )
        yield {names.get(column, column): values for column, values in batch.items()}


def convert(values: Sequence[Any], kind: str, where: Callable[[int], str]) -> list:
    """Return a column's values as a kind.

    Args:
        values: as they were read.
        kind: text, texts, image, index or answers.
        where: from a value's position to its split, row and column.

    Raises:
        InputError: a value that cannot be one of the kind.
    """
    one = CONVERT[kind]
    found = []
    for i, value in enumerate(values):
        try:
            found.append(one(value))
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise InputError(f"{where(i)}: {error}; found {value!r:.80}") from None
    return found


def feature(kind: str) -> Any:
    """Return the `datasets` feature of a kind."""
    from datasets import List, Value

    return {
        "text": Value("string"),
        "texts": List(Value("string")),
        "image": Value("binary"),
        "index": Value("int32"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
    }[kind]


def key_of(value: Any) -> str:
    """Return a string that two values share exactly when they are equal."""
    if isinstance(value, bytes):
        return value.hex()
    return "\x1e".join(value) if isinstance(value, list) else value


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _texts(value: Any) -> list[str]:
    """Return a list of strings; in a CSV file a JSON list, or words between spaces."""
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("[") else value.split()
    if not isinstance(value, list | tuple):
        raise TypeError("expected a list of strings, a JSON list, or words between spaces")
    return [_text(item) for item in value]


def _image(value: Any) -> bytes:
    value = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(value, bytes):
        raise TypeError("expected the bytes of an image")
    from PIL import Image, UnidentifiedImageError

    try:
        Image.open(io.BytesIO(value)).close()
    except UnidentifiedImageError:
        raise ValueError("these bytes are no image that Pillow knows") from None
    return value


def _index(value: Any) -> int | None:
    return None if value in (None, "", -1, "-1") else int(value)


def _answers(value: Any) -> dict[str, list] | None:
    if value is None:
        return None
    value = json.loads(value) if isinstance(value, str) else value
    if isinstance(value, list):  # the nested form of the SQuAD files
        value = {name: [one[name] for one in value] for name in ("text", "answer_start")}
    texts, starts = list(value["text"]), [int(start) for start in value["answer_start"]]
    if len(texts) != len(starts):
        raise ValueError("answers: text and answer_start have different lengths")
    return {"text": texts, "answer_start": starts}


CONVERT: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "texts": _texts,
    "image": _image,
    "index": _index,
    "answers": _answers,
}
