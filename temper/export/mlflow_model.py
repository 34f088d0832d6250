"""data/export → an MLflow model folder that `mlflow models serve` runs without the repository."""

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.params.task_schema import MEDIA, TaskSchema
from temper.prediction import packed, stored
from temper.prediction.engines import GRAPHS_FOLDER
from temper.prediction.predictor import PLACEHOLDERS

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
    "tokenizers",
)
EXAMPLES = PLACEHOLDERS | {  # of a request's values, on the model's page; none is a row of the data
    "text": "A text.",
    "texts": ["a", "list", "of", "texts"],
    "messages": [{"role": "user", "content": "A question."}],
}


def save(export_folder: Path, target: Path, task: TaskSchema) -> None:
    """Write the model folder: the export, its code, pinned requirements, signature, a request."""
    import mlflow
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import Schema
    from mlflow.utils import requirements_utils

    columns: list[ColSpec | TensorSpec] = [
        mlflow_column(name, input_kind) for name, input_kind in task.inputs.items()
    ]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        code = Path(folder) / PACKAGE.name
        copy_code(code)
        # to warn of versions that are not the installed ones, it lists every installed file
        unchecked: Any = requirements_utils
        unchecked._MODULES_TO_PACKAGES = {}
        mlflow.pyfunc.save_model(
            str(target),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"export": str(export_folder)},
            code_paths=[str(code)],
            pip_requirements=requirements(export_folder),
            signature=ModelSignature(Schema(columns)),
            input_example=pd.DataFrame([{n: EXAMPLES[kind] for n, kind in task.inputs.items()}]),
        )


def copy_code(target: Path, packed: Sequence[str] = PACKED) -> None:
    """Copy these packages and modules of `temper`, without bytecode."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        others = {"__pycache__", *names} - {"__init__.py", *packed}
        return others if Path(folder) == PACKAGE else {"__pycache__"}

    shutil.copytree(PACKAGE, target, ignore=ignored)


def requirements(export_folder: Path, more: Sequence[str] = ()) -> list[str]:
    """Return the libraries that an export needs to predict, and more, each with its version."""
    needs_torch = (export_folder / "code").is_dir()  # the whole file: it may train too
    needs_torch |= not (export_folder / GRAPHS_FOLDER).is_dir()
    extractor = stored.feature_extractor(export_folder)
    needs_torch |= extractor in stored.TORCH_EXTRACTORS or stored.writes_texts(export_folder)
    libraries = [*LIBRARIES, *more, *(("safetensors", "torch") if needs_torch else ())]
    if needs_torch or packed.read(export_folder) is None:
        libraries.append("transformers")
    libraries += ["jinja2"] if (export_folder / "chat_template.jinja").exists() else []
    libraries += ["scipy"] if extractor is not None else []  # it reads and resamples clips
    return [f"{name}=={public_version(name)}" for name in sorted(libraries)]


def public_version(library: str) -> str:
    """Return a library's version as an index has it, without a build's local part (+cpu)."""
    return version(library).partition("+")[0]


def mlflow_column(name: str, input_kind: str) -> "ColSpec":
    """Return the MLflow column of an input.

    It is required: without a column that it knows, MLflow hands on no rows. `string` would make the
    text "None" of null, which the served code refuses. `binary` decodes the base64 of JSON.
    """
    from mlflow.types import ColSpec, DataType
    from mlflow.types.schema import AnyType

    kind = DataType.binary if input_kind in MEDIA else AnyType()
    return ColSpec(kind, name)
