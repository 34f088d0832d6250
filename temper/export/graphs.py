"""A trained model → ONNX and int8 ONNX that agree with it, or the reason why there are none."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import inference, params
from temper.core.errors import InputError
from temper.export import onnx, parity
from temper.params.schema import Generation
from temper.prediction import generation
from temper.prediction.predictor import GRAPHS, Predictor
from temper.tasks.base import Task

if TYPE_CHECKING:
    from datasets import Dataset
    from onnxruntime import InferenceSession

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

    Args:
        predictor: the trained model on torch.
        features: the split to compare on.
        target: the exported folder, which has the model's other files.
        parameters: all of them.

    Returns:
        what was verified and within which limits, or `no_onnx` or `no_int8` with a reason, for
        parity.json; and what was measured, which depends on the CPU (docs/adr/0020).

    Raises:
        InputError: ONNX is required and fails, or int8 loses more than `export.max_score_drop`.
    """
    if parameters.export.onnx == "off":
        return {"no_onnx": "export.onnx is off"}, {}
    graphs = target / "onnx"
    graphs.mkdir()
    verified: dict[str, Any] = {}
    measured: dict[str, float] = {}
    trained_outputs: list[np.ndarray] = []
    with _optional("onnx", parameters, verified):
        file = graphs / GRAPHS["onnx"]
        largest, trained_outputs, limits = write_onnx(predictor, features, file, parameters)
        verified, measured = limits, {"onnx_max_difference": largest}
    if "no_onnx" in verified:
        shutil.rmtree(graphs)
    elif parameters.export.int8:
        with _optional("int8", parameters, verified):
            outputs = int8_outputs(features, target, parameters)
        if "no_int8" in verified:
            (graphs / GRAPHS["int8"]).unlink(missing_ok=True)
        else:
            both = trained_outputs, outputs  # pyright: ignore
            limits, differences = compare_int8(predictor.task, *both, features, parameters)
            verified, measured = verified | limits, measured | differences
    return verified, measured


@contextmanager
def _optional(name: str, parameters: params.Params, verified: dict[str, Any]) -> Iterator[None]:
    """Note an error as the reason why there is no such graph; raise it where ONNX is required."""
    try:
        yield
    except (OSError, MemoryError):
        raise  # the machine's, not the model's
    except Exception as error:  # exporters and ONNX Runtime raise anything
        verified[f"no_{name}"] = reason_of(error)
        if parameters.export.onnx == "required":
            raise InputError(
                f"export.onnx is required, and there is no {NAMES[name]}: {first_line(error)}"
            ) from error
        print(f"no {NAMES[name]}: {first_line(error)}")


def reason_of(error: Exception) -> str:
    """Return the first line of an error, without what depends on the machine."""
    if isinstance(error, parity.DisagreementError):
        return error.summary
    line = re.sub(r"(?<![\w.])/\S*/", "", first_line(error))
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", line)[:REASON_CHARACTERS]


def first_line(error: Exception) -> str:
    """Return an error in one line."""
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return text.strip().splitlines()[0]


def write_onnx(
    predictor: Predictor, features: "Dataset", file: Path, parameters: params.Params
) -> tuple[float, list[np.ndarray], dict[str, Any]]:
    """Write the ONNX graph and compare it with the trained model.

    Returns:
        how far it is, the trained model's output for each feature, and what was verified.

    Raises:
        InputError: too far.
    """
    task, num_threads = predictor.task, parameters.determinism.num_threads
    rows: list[Any] = [features[i] | {"draw": (0, i)} for i in (0, len(features) - 1)]
    onnx.write(predictor.model, task, predictor.collate(rows), file)
    session = inference.onnx_session(str(file), num_threads)
    forwards = (
        inference.torch_forward(predictor.model, task, reduce=False),
        inference.onnx_forward(session, task, reduce=False),
    )
    largest, outputs = parity.check_onnx(*forwards, features, predictor.collate, task)
    verified: dict[str, Any] = {"rows": len(features), "onnx_tolerance": parity.TOLERANCE}
    if parameters.evaluate.generation is not None:
        settings = parameters.evaluate.generation
        verified["written_alike"] = check_generation(predictor, session, features, settings)
    return largest, outputs, verified


def check_generation(
    predictor: Predictor, session: "InferenceSession", features: "Dataset", settings: Generation
) -> int:
    """Return the number of rows for which both models generate the same tokens, greedily."""
    greedy = settings.model_copy(update={"num_beams": 1, "no_repeat_ngram_size": 0})
    tokenizer = predictor.processor
    return parity.check_generation(
        generation.torch_generate(predictor.model, greedy, tokenizer),
        generation.onnx_generate(session, greedy, tokenizer, predictor.config),
        features,
        predictor.task,
        tokenizer,
    )


def int8_outputs(features: "Dataset", target: Path, parameters: params.Params) -> list[np.ndarray]:
    """Write the int8 graph, and return its output for each feature."""
    graphs = target / "onnx"
    onnx.quantize(graphs / GRAPHS["onnx"], graphs / GRAPHS["int8"])
    quantized = load_predictor(target, parameters, "int8")
    return quantized.outputs(features, ("logits",), 0)["logits"]


def compare_int8(
    task: Task,
    trained_outputs: list[np.ndarray],
    outputs: list[np.ndarray],
    features: "Dataset",
    parameters: params.Params,
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the limit, and how often int8 predicts the same and how much of the score it loses.

    Args:
        task: turns outputs into predictions and scores.
        trained_outputs: of the trained model, one per feature.
        outputs: of the int8 one.
        features: the encoded rows.
        parameters: all of them.

    Raises:
        InputError: it loses more than `export.max_score_drop`.
    """
    max_drop = parameters.export.max_score_drop or 0.0
    agreement = parity.agreement(task, outputs, trained_outputs, features)
    if not task.is_labelled(features):
        if 1 - agreement > max_drop:
            raise InputError(
                f"the int8 model agrees in {agreement:.4f} of the rows; "
                f"export.max_score_drop allows {max_drop:g} to differ"
            )
        return {"int8_min_agreement": round(1 - max_drop, 6)}, {"int8_agreement": agreement}
    score, int8_score = (
        parity.score(task, logits, features) for logits in (trained_outputs, outputs)
    )
    drop = parity.check_int8(score, int8_score, max_drop)
    measured = {"int8_agreement": agreement, "int8_score_drop": drop}
    return {"int8_max_score_drop": max_drop}, measured
