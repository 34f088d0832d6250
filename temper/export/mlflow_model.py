"""data/export → an MLflow model folder that `mlflow models serve` answers from anywhere."""

import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
PACKED = (
    "core",
    "inference.py",
    "models",
    "params",
    "prediction",
    "tasks",
)  # what served.py imports
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


def save(export_folder: Path, target: Path, task: Any) -> None:
    """Write the model folder: the export, the code that runs it, pinned requirements, signature."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

    has_code = (export_folder / "code").is_dir()  # the user's file, whole: it may train too
    needed = sorted([*LIBRARIES, "torch"]) if has_code else LIBRARIES
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example")  # the signature says it
        code = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, code, ignore=_unpacked)
        mlflow.pyfunc.save_model(
            str(target),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"export": str(export_folder)},
            code_paths=[str(code)],
            pip_requirements=[f"{name}=={public(name)}" for name in needed],
            signature=ModelSignature(
                Schema([column(name, kind) for name, kind in task.inputs.items()])
            ),
        )


def _unpacked(folder: str, names: list[str]) -> set[str]:
    """Return what `copytree` leaves out: packages that no prediction needs, and bytecode."""
    kept = {"__init__.py", *PACKED} if Path(folder) == PACKAGE else set(names) - {"__pycache__"}
    return set(names) - kept


def public(name: str) -> str:
    """Return a library's version as an index knows it, without the build's own part (+cpu)."""
    return version(name).partition("+")[0]


def column(name: str, kind: str) -> Any:
    """Return the MLflow column of a kind of input."""
    from mlflow.types import ColSpec, DataType
    from mlflow.types.schema import Array

    known = {"text": DataType.string, "texts": Array(DataType.string), "image": DataType.binary}
    return ColSpec(known[kind], name)
