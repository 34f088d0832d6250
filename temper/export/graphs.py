"""A trained model → ONNX and int8 ONNX that agree with it, or the reason why there are none."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from temper import inference, params
from temper.core.errors import InputError, summary
from temper.export import onnx, parity
from temper.prediction import generation
from temper.prediction.engines import GRAPHS, GRAPHS_FOLDER
from temper.prediction.predictor import Predictor

if TYPE_CHECKING:
    from datasets import Dataset

Result = TypeVar("Result")
REASON_CHARACTERS = 200  # of an exception's first line
NAMES = {"onnx": "ONNX", "int8": "int8 ONNX"}


def load_predictor(folder: Path, parameters: params.Params, engine: str) -> Predictor:
    return Predictor(
        folder,
        parameters,
        engine=engine,
        batch_size=parity.BATCH_SIZE,
        num_threads=parameters.determinism.num_threads,
    )


def write(
    predictor: Predictor, features: "Dataset", target: Path, parameters: params.Params
) -> tuple[dict[str, Any], dict[str, float]]:
    """Write `onnx/` as `export.onnx` asks, and compare it with the trained model on every row.

    Returns:
        what was verified and within which limits, or `no_onnx` or `no_int8` with a reason, for
        parity.json; and what was measured, which depends on the CPU (docs/adr/0020).

    Raises:
        InputError: ONNX is required and fails, or int8 loses more than `export.max_score_drop`.
    """
    if parameters.export.onnx == "off":
        return {"no_onnx": "export.onnx is off"}, {}
    graphs, required = target / GRAPHS_FOLDER, parameters.export.onnx == "required"
    graphs.mkdir()
    file = graphs / GRAPHS["onnx"]
    made, verified = attempt(
        "onnx", lambda: write_onnx(predictor, features, file, parameters), required=required
    )
    if made is None:
        shutil.rmtree(graphs)
        return verified, {}
    largest, trained_outputs, verified = made
    measured = {"onnx_max_difference": largest}
    if parameters.export.int8:
        outputs, limits = attempt(
            "int8", lambda: int8_outputs(features, target, parameters), required=required
        )
        if outputs is None:
            (graphs / GRAPHS["int8"]).unlink(missing_ok=True)
        else:
            max_drop = parameters.export.max_score_drop or 0.0
            limits, differences = parity.compare_int8(
                predictor.task, trained_outputs, outputs, features, max_drop
            )
            measured |= differences
        verified |= limits
    return verified, measured


def attempt(
    name: str, make: Callable[[], Result], *, required: bool
) -> tuple[Result | None, dict[str, Any]]:
    """Return what `make` does, or None and the reason why there is no such graph.

    Raises:
        InputError: there is none, and ONNX is required.
    """
    try:
        return make(), {}
    except (OSError, MemoryError):
        raise  # the machine's, not the model's
    except Exception as error:  # exporters and ONNX Runtime raise anything
        message = f"no {NAMES[name]}: {summary(error)}"
        if required:
            raise InputError(f"export.onnx is required, and there is {message}") from error
        print(message)
        return None, {f"no_{name}": reason_of(error)}


def reason_of(error: Exception) -> str:
    """Return the first line of an error, without what depends on the machine."""
    if isinstance(error, parity.DisagreementError):
        return error.summary
    line = re.sub(r"(?<![\w.])/\S*/", "", summary(error))
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", line)[:REASON_CHARACTERS]


def write_onnx(
    predictor: Predictor, features: "Dataset", file: Path, parameters: params.Params
) -> tuple[float, list[np.ndarray], dict[str, Any]]:
    """Write the ONNX graph and compare it with the trained model.

    Returns:
        how far it is, the trained model's output for each feature, and what was verified.

    Raises:
        InputError: too far.
    """
    task, collate, tokenizer = predictor.task, predictor.collate, predictor.processor
    rows: list[Any] = [features[i] | {"draw": (0, i)} for i in (0, len(features) - 1)]
    onnx.write(predictor.model, task, collate(rows), file)
    session = inference.onnx_session(str(file), parameters.determinism.num_threads)
    trained = inference.torch_forward(predictor.model, task, reduce=False)
    exported = inference.onnx_forward(session, task, reduce=False)
    largest, outputs = parity.check_onnx(trained, exported, features, collate, task)
    verified: dict[str, Any] = {"rows": len(features), "onnx_tolerance": parity.TOLERANCE}
    if parameters.evaluate.generation is not None:
        greedy = {"num_beams": 1, "no_repeat_ngram_size": 0}
        settings = parameters.evaluate.generation.model_copy(update=greedy)
        verified["written_alike"] = parity.check_generation(
            generation.torch_generate(predictor.model, settings, tokenizer),
            generation.onnx_generate(session, predictor.folder, settings, tokenizer),
            features,
            task,
            tokenizer,
        )
    return largest, outputs, verified


def int8_outputs(features: "Dataset", target: Path, parameters: params.Params) -> list[np.ndarray]:
    """Write the int8 graph, and return its output for each feature."""
    graphs = target / GRAPHS_FOLDER
    onnx.quantize(graphs / GRAPHS["onnx"], graphs / GRAPHS["int8"])
    quantized = load_predictor(target, parameters, "int8")
    return quantized.outputs(features, ("logits",), 0)["logits"]
