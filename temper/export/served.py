"""The code inside the MLflow model: columns of raw examples → predictions, by the packed `temper`.

MLflow runs this file from the model's folder (models from code); its last line registers the model.
"""

import os
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class ServedModel(PythonModel):
    """The exported folder on ONNX Runtime."""

    def load_context(self, context: PythonModelContext) -> None:
        from temper.prediction import predictor

        folder, threads = Path(context.artifacts["export"]), os.cpu_count() or 1
        self.predictor = predictor.open_export(folder, "onnx", batch_size=32, num_threads=threads)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None
    ) -> pd.DataFrame:
        """Return the columns that `temper predict` adds."""
        columns = {name: model_input[name].tolist() for name in self.predictor.task.columns}
        return pd.DataFrame(self.predictor.predict(columns))


set_model(ServedModel())
