"""Columns of a request, as JSON has them → the columns that `temper predict` adds.

Shared by the model that MLflow serves and by `temper serve`.
"""

from temper.ingest.columns import ColumnBatch, get_column, locate_in, num_rows, read_inputs
from temper.prediction.predictor import Predictor

WHERE = "request"


def answer(predictor: Predictor, columns: ColumnBatch) -> ColumnBatch:
    """Return the predictions of a request's rows; columns that the task does not read are ignored.

    Raises:
        InputError: an input is missing, or a value cannot be read.
    """
    inputs = predictor.settings.task.inputs
    for name in inputs if num_rows(columns) else ():
        get_column(columns, name, WHERE)
    return predictor.predict(read_inputs(columns, inputs, locate_in(WHERE)))
