"""data/export → an MLflow model folder that `mlflow models serve` runs without the repository."""

import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from temper.params.task_schema import TaskSchema

if TYPE_CHECKING:
    from mlflow.types import ColSpec, TensorSpec

PACKAGE = Path(__file__).parents[1]
PACKED = (  # what served.py imports, directly or not
    "core",
    "inference.py",
    "ingest",
    "models",
    "params",
    "prediction",
    "tasks",
)
LIBRARIES = (
    "mlflow",
    "numpy",
    "onnxruntime",
    "pandas",
    "pillow",
    "pydantic",
    "pyyaml",
    "seqeval",
    "tokenizers",
    "transformers",
)


def save(export_folder: Path, target: Path, task: TaskSchema) -> None:
    """Write the model folder: the export, the code that runs it, pinned requirements, signature."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

    needs_torch = (export_folder / "code").is_dir()  # the whole file: it may train too
    needs_torch |= not (export_folder / "onnx").is_dir()
    libraries = sorted([*LIBRARIES, "safetensors", "torch"]) if needs_torch else LIBRARIES
    columns: list[ColSpec | TensorSpec] = [
        mlflow_column(name, input_kind) for name, input_kind in task.inputs.items()
    ]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example")  # there is a signature
        code = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, code, ignore=_ignored)
        mlflow.pyfunc.save_model(
            str(target),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"export": str(export_folder)},
            code_paths=[str(code)],
            pip_requirements=[f"{name}=={public_version(name)}" for name in libraries],
            signature=ModelSignature(Schema(columns)),
        )


def _ignored(folder: str, names: list[str]) -> set[str]:
    """Return what `copytree` leaves out: packages that prediction does not need, and bytecode."""
    if Path(folder) == PACKAGE:
        return set(names) - {"__init__.py", *PACKED}
    return set(names) & {"__pycache__"}


def public_version(library: str) -> str:
    """Return a library's version as an index has it, without a build's local part (+cpu)."""
    return version(library).partition("+")[0]


def mlflow_column(name: str, input_kind: str) -> "ColSpec":
    """Return the MLflow column of an input.

    MLflow's `string` would make the text "None" of null, and its required columns would refuse a
    request without rows, so the served code checks both. `binary` decodes the base64 of JSON.
    """
    from mlflow.types import ColSpec, DataType
    from mlflow.types.schema import AnyType

    kind = DataType.binary if input_kind == "image" else AnyType()
    return ColSpec(kind, name, required=False)
