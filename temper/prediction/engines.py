"""An export and `--engine` → the ONNX graph that predicts, or the reason why torch has to."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from temper import inference
from temper.core import artifacts
from temper.core.errors import InputError, summary
from temper.prediction import stored

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GRAPHS_FOLDER = "onnx"
GRAPHS = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
ENGINES = ("auto", *GRAPHS, "torch")


def choose_engine(folder: Path, engine: str) -> str:
    """Return the engine, where it is auto ONNX if the export's graph predicts, and fast.

    Raises:
        InputError: it is not known.
    """
    if engine not in ENGINES:
        raise InputError(f"--engine {engine}: unknown; allowed: {', '.join(ENGINES)}")
    if engine != "auto":
        return engine
    if stored.writes_texts(folder):
        return "torch"
    reason = why_no_graph(folder)
    if reason is None:
        return "onnx"
    print(f"no ONNX: {reason}; predicting with torch", file=sys.stderr)
    return "torch"


def open_session(file: Path, num_threads: int) -> "InferenceSession":
    """Open an ONNX model on the CPU with a fixed number of threads.

    Raises:
        InputError: ONNX Runtime cannot load it.
    """
    try:
        return inference.onnx_session(str(file), num_threads)
    except Exception as error:  # ONNX Runtime has many
        raise InputError(
            f"{file}: ONNX Runtime cannot load it ({summary(error):.200}); copy it or export again"
        ) from error


def onnx_file(folder: Path, engine: str) -> Path:
    """Return the ONNX file of an engine.

    Raises:
        InputError: the folder has none.
    """
    file = folder / GRAPHS_FOLDER / GRAPHS[engine]
    if not file.exists():
        reason = why_no_graph(folder, engine)
        because = f" (no ONNX: {reason})" if reason else ""
        raise InputError(f"--engine {engine}: {file} does not exist{because}; use --engine torch")
    return file


def needs_torch(folder: Path) -> bool:
    """Say whether an export has no graph that predicts, or its inputs are made with torch."""
    uses_torch = stored.feature_extractor(folder) in stored.TORCH_EXTRACTORS
    return uses_torch or stored.writes_texts(folder) or why_no_graph(folder) is not None


def why_no_graph(folder: Path, engine: str = "onnx") -> str | None:
    """Return why an export has no graph for onnx or int8, as parity.json says; None: it has."""
    try:
        verified = artifacts.read_json(folder / "parity.json")
    except (OSError, ValueError):  # an export without it has every graph
        return None
    return verified.get("no_onnx") or verified.get(f"no_{engine}")
