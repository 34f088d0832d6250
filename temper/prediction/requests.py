"""Columns of a request, as JSON has them → the columns that `temper predict` adds.

Shared by the model that MLflow serves and by `temper serve`.
"""

import base64
from typing import Any

from temper.core.errors import InputError
from temper.ingest.columns import ColumnBatch, get_column, locate_in, read_inputs
from temper.params.task_schema import MEDIA
from temper.prediction.predictor import Predictor

WHERE = "request"


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
    return predictor.predict(read_inputs(columns | files, inputs, locate))


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
