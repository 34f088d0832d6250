"""The code inside the MLflow model: columns of raw examples → predictions, by the packed `temper`.

MLflow runs this file from the model's folder (models from code); its last line registers the model.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class ServedModel(PythonModel):
    """The exported folder on ONNX Runtime, or on torch where it has no ONNX."""

    def load_context(self, context: PythonModelContext) -> None:
        from temper.core import cores
        from temper.prediction.predictor import open_export

        folder, threads = Path(context.artifacts["export"]), cores.num_usable()
        # who serves the model runs this file too
        self.predictor = open_export(folder, "auto", num_threads=threads, trust_code=True)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None
    ) -> Any:
        """Return the columns that `temper predict` adds.

        Raises:
            MlflowException: a value cannot be read; the server answers with status 400.
        """
        from temper.core.errors import InputError
        from temper.prediction import requests

        columns = {str(name): _values(column) for name, column in model_input.items()}
        try:
            return pd.DataFrame(requests.answer(self.predictor, columns, len(model_input)))
        except InputError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _values(column: pd.Series) -> list[Any]:
    """Return a column's values as JSON has them: pandas makes null NaN, and 1 beside it 1.0."""
    if column.hasnans:
        column = column.convert_dtypes()
    return column.astype(object).where(column.notna(), None).tolist()


set_model(ServedModel())
