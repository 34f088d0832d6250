"""Columns of a request, as JSON has them → the columns that `temper predict` adds.

Shared by the model that MLflow serves and by `temper serve`.
"""

import base64
import itertools
from collections.abc import Iterator
from typing import Any

from temper.core.errors import InputError, naming_rows
from temper.ingest.columns import ColumnBatch, get_column, locate_in, read_inputs, texts_of
from temper.params.task_schema import MEDIA
from temper.prediction.predictor import Predictor

WHERE = "request"
CHARACTERS_AT_ONCE = 2**20  # encoded together: their tokens take a hundred times that


def answer(predictor: Predictor, columns: ColumnBatch, num_rows: int) -> ColumnBatch:
    """Return the predictions of a request's rows; columns that the task does not read are ignored.

    Images and clips are the bytes of a file, or these in base64. A text has to be there: a caller
    who misspells a column in some rows would be given answers to the empty text. A column of a
    template may be null, as in training.

    Args:
        num_rows: rows may be without any column.

    Raises:
        InputError: an input is missing, or a value cannot be read.
    """
    task, locate = predictor.settings.task, locate_in(WHERE)
    inputs = task.inputs
    for name, kind in inputs.items() if num_rows else ():
        values = get_column(columns, name, WHERE)
        if kind == "text" and name in task.texts and None in values:
            raise InputError(f'{locate(name)(values.index(None))}: no value; "" is the empty text')
    files = {
        name: [file_bytes(v, locate(name)(i)) for i, v in enumerate(columns[name])]
        for name, kind in inputs.items()
        if kind in MEDIA and name in columns
    }
    examples = read_inputs(columns | files, inputs, locate)
    parts = []
    for part in list(parts_of(examples)) or [slice(0, 0)]:
        with naming_rows(WHERE, part.start):
            parts.append(predictor.predict({n: values[part] for n, values in examples.items()}))
    return {name: [*itertools.chain(*(part[name] for part in parts))] for name in parts[0]}


def parts_of(examples: ColumnBatch) -> Iterator[slice]:
    """Yield the rows to encode together: a part ends where it has `CHARACTERS_AT_ONCE`."""
    first, size, rows = 0, 0, list(zip(*examples.values(), strict=True))
    for i, row in enumerate(rows):
        size += sum(len(text) for value in row for text in texts_of(value))
        if size >= CHARACTERS_AT_ONCE or i + 1 == len(rows):
            yield slice(first, i + 1)
            first, size = i + 1, 0


def file_bytes(value: Any, where: str) -> Any:
    """Return the bytes that a text holds in base64; another value as it is.

    Raises:
        InputError: the text is no base64.
    """
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:  # binascii.Error too; others of characters outside ASCII
        raise InputError(f"{where}: expected the bytes of a file in base64: {error}") from None
