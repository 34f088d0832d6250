"""data/export → an MLflow model folder that `mlflow models serve` answers from anywhere."""

from importlib.metadata import version
from pathlib import Path

from stages.params import TaskParams

LIBRARIES = ("mlflow", "numpy", "onnxruntime", "pandas", "tokenizers")


def save(export_folder: Path, target: Path, task: TaskParams) -> None:
    """Write the model folder: its code, the export, pinned requirements, signature and example."""
    import mlflow
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = Schema([ColSpec(DataType.string, name) for name in task.text])
    kind = DataType.double if task.problem_type == "regression" else DataType.string
    mlflow.pyfunc.save_model(
        str(target),
        python_model=str(Path(__file__).with_name("served.py")),
        artifacts={"export": str(export_folder)},
        pip_requirements=[f"{name}=={version(name)}" for name in LIBRARIES],
        signature=ModelSignature(inputs, Schema([ColSpec(kind, "prediction")])),
        input_example=pd.DataFrame({name: ["an example text"] for name in task.text}),
    )
