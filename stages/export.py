"""data/model → data/export: a transformers folder, ONNX, int8 ONNX and a model card, that agree.

`python -m stages.export data/model data/evaluation data/tokenized data/raw/summary.json
data/export`
"""

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import inference, params, tracking
from temper.core import arrow, artifacts, determinism, errors
from temper.core.errors import InputError
from temper.export import card, mlflow_model, onnx, parity
from temper.params.schema import Generation
from temper.prediction import generation
from temper.prediction.predictor import GRAPHS, Predictor

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from onnxruntime import InferenceSession

LATENCY_RUNS = 30


def comparison_split(data: "DatasetDict") -> "tuple[str, Dataset]":
    """Return the split the exports are checked on: validation, or what there is."""
    split = next(name for name in ("validation", "test", "train") if name in data)
    return split, data[split]


def with_tuned_thresholds(parameters: params.Params, evaluation: Path) -> params.Params:
    """Return the parameters with the thresholds that evaluate tuned, so that predict has them."""
    if not (file := evaluation / "thresholds.json").exists():
        return parameters
    changes = {"threshold": artifacts.read_json(file)}
    return parameters.model_copy(
        update={"evaluate": parameters.evaluate.model_copy(update=changes)}
    )


def export(
    model_folder: Path, tokenized: Path, target: Path, parameters: params.Params
) -> tuple[dict[str, Any], dict[str, float]]:
    """Write the model folder and the ONNX files, and check them.

    Returns:
        what was verified and within which limits, for parity.json; and what was measured, which
        depends on the CPU (docs/adr/0020).

    Raises:
        InputError: an exported model does not agree with the trained one.
    """
    split, features = comparison_split(arrow.load(tokenized))
    predictor = load_predictor(model_folder, parameters, "torch")
    shutil.copytree(model_folder, target, dirs_exist_ok=True)
    config = artifacts.read_json(target / "config.json")
    config["temper"] = parameters.model_dump(
        include={"task", "tokenize", "evaluate"}, exclude_defaults=True, mode="json"
    ) | {"code": copy_code(parameters.code, target)}
    artifacts.write_json(target / "config.json", config)
    (target / "onnx").mkdir()
    rows: list[Any] = [features[i] | {"draw": (0, i)} for i in (0, len(features) - 1)]
    onnx_file = target / "onnx" / GRAPHS["onnx"]
    onnx.write(predictor.model, predictor.task, predictor.collate(rows), onnx_file)
    if parameters.export.int8:
        onnx.quantize(onnx_file, target / "onnx" / GRAPHS["int8"])
    verified, measured = check_parity(predictor, features, target, parameters)
    return {"split": split} | verified, measured


def copy_code(code: Mapping[str, str], target: Path) -> dict[str, str]:
    """Copy the user's modules to `target/code`; return their paths in `target`."""
    if code:
        (target / "code").mkdir()
    for name, file in code.items():
        shutil.copyfile(file, target / "code" / f"{name}.py")
    return {name: f"code/{name}.py" for name in code}


def load_predictor(folder: Path, parameters: params.Params, engine: str) -> Predictor:
    return Predictor(
        folder,
        parameters,
        engine=engine,
        batch_size=parity.BATCH_SIZE,
        num_threads=parameters.determinism.num_threads,
    )


def check_parity(
    predictor: Predictor, features: "Dataset", target: Path, parameters: params.Params
) -> tuple[dict[str, Any], dict[str, float]]:
    """Check the ONNX files against the trained model on every row."""
    task, num_threads = predictor.task, parameters.determinism.num_threads
    session = inference.onnx_session(str(target / "onnx" / GRAPHS["onnx"]), num_threads)
    forwards = (
        inference.torch_forward(predictor.model, task, reduce=False),
        inference.onnx_forward(session, task, reduce=False),
    )
    largest = parity.check_onnx(*forwards, features, predictor.collate, task)
    verified: dict[str, Any] = {"rows": len(features), "onnx_tolerance": parity.TOLERANCE}
    measured = {"onnx_max_difference": largest}
    if parameters.evaluate.generation is not None:
        settings = parameters.evaluate.generation
        verified["written_alike"] = check_generation(predictor, session, features, settings)
    if parameters.export.int8:
        quantized = load_predictor(target, parameters, "int8")
        limits, int8 = check_int8(predictor, quantized, features, parameters)
        verified, measured = verified | limits, measured | int8
    return verified, measured


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


def check_int8(
    predictor: Predictor, quantized: Predictor, features: "Dataset", parameters: params.Params
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the limit, and how often int8 predicts the same and how much of the score it loses.

    Raises:
        InputError: it loses more than `export.max_score_drop`.
    """
    max_drop = parameters.export.max_score_drop or 0.0
    before, after = (
        model.outputs(features, ("logits",), 0)["logits"] for model in (predictor, quantized)
    )
    agreement = parity.agreement(predictor.task, after, before, features)
    if not predictor.task.is_labelled(features):
        if 1 - agreement > max_drop:
            raise InputError(
                f"the int8 model agrees in {agreement:.4f} of the rows; "
                f"export.max_score_drop allows {max_drop:g} to differ"
            )
        return {"int8_min_agreement": round(1 - max_drop, 6)}, {"int8_agreement": agreement}
    score, int8_score = (parity.score(predictor.task, o, features) for o in (before, after))
    drop = parity.check_int8(score, int8_score, max_drop)
    measured = {"int8_agreement": agreement, "int8_score_drop": drop}
    return {"int8_max_score_drop": max_drop}, measured


def latencies(target: Path, tokenized: Path, parameters: params.Params) -> dict[str, float]:
    """Return the median milliseconds of one row of median length, for each ONNX file."""
    _, features = comparison_split(arrow.load(tokenized))
    lengths = np.asarray(features["length"])
    median_row = int(np.argsort(lengths, kind="stable")[len(features) // 2])
    median_ms = {}
    for engine, name in GRAPHS.items():
        if not (target / "onnx" / name).exists():
            continue
        model, elapsed_s = load_predictor(target, parameters, engine), []
        batch = model.collate([features[median_row] | {"draw": (0, median_row)}])
        for _ in range(LATENCY_RUNS):
            started = time.perf_counter()
            model.forward(batch)
            elapsed_s.append(time.perf_counter() - started)
        median_ms[f"system/{Path(name).stem}_latency_ms"] = float(1000 * np.median(elapsed_s))
    return median_ms


def main(
    model_folder: Path, evaluation: Path, tokenized: Path, summary: Path, target: Path
) -> None:
    parameters = with_tuned_thresholds(params.load(), evaluation)
    determinism.configure(parameters.determinism, 0)
    with tracking.run("export", parameters, model=model_folder) as run:
        with artifacts.atomic_dir(target) as folder:
            verified, measured = export(model_folder, tokenized, folder, parameters)
            artifacts.write_json(folder / "parity.json", verified)
            data_summary = artifacts.read_json(summary)
            scores = artifacts.read_json(evaluation / "metrics.json")
            card.write(folder / "README.md", parameters, data_summary, scores, verified)
        run.log_metrics({f"validation/{name}": value for name, value in measured.items()})
        run.log_metrics(latencies(target, tokenized, parameters))
        run.log_artifact(target / "README.md")
        run.log_model(mlflow_model.save, target, parameters.task)
    sizes = {p.name: p.stat().st_size / 2**20 for p in sorted(target.rglob("*.onnx"))}
    print(", ".join(f"{name} {size:.1f} MiB" for name, size in sizes.items()))
    print("against the trained model: " + ", ".join(f"{k} {v:.4g}" for k, v in measured.items()))


if __name__ == "__main__":
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
