"""data/model → data/export: a transformers folder, ONNX, int8 ONNX and a model card, that agree.

`python -m stages.export data/model data/evaluation data/tokenized data/raw/summary.json
data/export`
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from temper import inference, params, tracking
from temper.core import arrow, artifacts, determinism, errors
from temper.core.errors import InputError
from temper.export import card, mlflow_model, onnx, parity
from temper.prediction import generation
from temper.prediction.predictor import GRAPHS, Predictor

LATENCY_RUNS = 30
SIGNIFICANT = 2  # digits of a difference in parity.json
WRITTEN = 32  # rows whose greedy tokens are compared


def comparison_split(data: Any) -> tuple[str, Any]:
    """Return the split the exports are checked on: validation, or what there is."""
    split = next(name for name in ("validation", "test", "train") if name in data)
    return split, data[split]


def with_thresholds(parameters: params.Params, evaluation: Path) -> params.Params:
    """Return the parameters with the thresholds that evaluate found, so that predict has them."""
    if not (file := evaluation / "thresholds.json").exists():
        return parameters
    changes = {"threshold": artifacts.read_json(file)}
    return parameters.model_copy(
        update={"evaluate": parameters.evaluate.model_copy(update=changes)}
    )


def export(model_folder: Path, tokenized: Path, target: Path, parameters: params.Params) -> dict:
    """Write the model folder and the ONNX files; return what parity.json says.

    Raises:
        InputError: an exported model does not agree with the trained one.
    """
    split, data = comparison_split(arrow.load(tokenized))
    predictor = load(model_folder, parameters, "torch")
    shutil.copytree(model_folder, target, dirs_exist_ok=True)
    settings = artifacts.read_json(target / "config.json")
    settings["temper"] = parameters.model_dump(
        include={"task", "tokenize", "evaluate"}, exclude_unset=True, mode="json"
    ) | {"code": copy_code(parameters.code, target)}
    artifacts.write_json(target / "config.json", settings)
    (target / "onnx").mkdir()
    sample = predictor.collate([data[i] | {"draw": (0, i)} for i in (0, len(data) - 1)])
    onnx.write(predictor.model, predictor.task, sample, target / "onnx" / GRAPHS["onnx"])
    if parameters.export.int8:
        onnx.quantize(target / "onnx" / GRAPHS["onnx"], target / "onnx" / GRAPHS["int8"])
    return {"split": split} | compare(predictor, data, target, parameters)


def copy_code(code: dict[str, str], target: Path) -> dict[str, str]:
    """Copy the user's modules to `target/code`; return where each lies in `target`."""
    if code:
        (target / "code").mkdir()
    for name, file in code.items():
        shutil.copyfile(file, target / "code" / f"{name}.py")
    return {name: f"code/{name}.py" for name in code}


def load(folder: Path, parameters: params.Params, engine: str) -> Predictor:
    threads = parameters.determinism.num_threads
    return Predictor(
        folder, parameters, engine=engine, batch_size=parity.BATCH, num_threads=threads
    )


def compare(
    predictor: Predictor, data: Any, target: Path, parameters: params.Params
) -> dict[str, Any]:
    """Check the graphs against the trained model on every row of `data`."""
    task, threads = predictor.task, parameters.determinism.num_threads
    session = inference.onnx_session(str(target / "onnx" / GRAPHS["onnx"]), threads)
    forwards = (
        inference.torch_forward(predictor.model, task, reduce=False),
        inference.onnx_forward(session, task, reduce=False),
    )
    largest = parity.check_onnx(*forwards, data, predictor.collate, task)
    found = {"rows": len(data), "onnx_max_difference": float(f"{largest:.{SIGNIFICANT}g}")}
    if parameters.evaluate.generation is not None:
        found |= compare_written(predictor, session, data, parameters)
    if parameters.export.int8:
        found |= compare_int8(predictor, load(target, parameters, "int8"), data, parameters)
    return found


def compare_int8(
    predictor: Predictor, quantized: Predictor, data: Any, parameters: params.Params
) -> dict[str, float]:
    """Return how often int8 gives the same answer, and what it loses of the score.

    Raises:
        InputError: it loses more than `export.max_score_drop`.
    """
    allowed = parameters.export.max_score_drop or 0.0
    before, after = (
        model.outputs(data, ("logits",), 0)["logits"] for model in (predictor, quantized)
    )
    agreement = round(parity.agreement(predictor.task, after, before, data), 6)
    if not predictor.task.is_labelled(data):
        if 1 - agreement > allowed:
            raise InputError(
                f"the int8 model agrees in {agreement:.4f} of the rows; "
                "export.max_score_drop allows less to differ"
            )
        return {"int8_agreement": agreement}
    score, lower = (parity.score(predictor.task, outputs, data) for outputs in (before, after))
    drop = parity.check_int8(score, lower, allowed)
    return {"int8_agreement": agreement, "int8_score_drop": round(drop, 6)}


def compare_written(
    predictor: Predictor, session: Any, data: Any, parameters: params.Params
) -> dict[str, int]:
    """Return how many rows were written greedily by both, token by token the same.

    Raises:
        InputError: a row differs.
    """
    greedy = parameters.evaluate.generation.model_copy(  # type: ignore[union-attr]
        update={"num_beams": 1, "no_repeat_ngram_size": 0}
    )
    chosen, processor = data.select(range(min(WRITTEN, len(data)))), predictor.processor
    writers = (
        generation.torch_generate(predictor.model, greedy, processor),
        generation.onnx_generate(session, greedy, processor, predictor.config),
    )
    one, other = (
        [
            row
            for _, rows in generation.predict(w, chosen, predictor.task, processor, 8)
            for row in rows
        ]
        for w in writers
    )
    for row, (a, b) in enumerate(zip(one, other, strict=True)):
        if not np.array_equal(a, b):
            raise InputError(
                f"the ONNX model writes other tokens than the trained one in row {row}: "
                f"{b.tolist()[:20]} instead of {a.tolist()[:20]}"
            )
    return {"written_alike": len(chosen)}


def latencies(target: Path, tokenized: Path, parameters: params.Params) -> dict[str, float]:
    """Return the median milliseconds of one row of median length, for each ONNX file."""
    _, data = comparison_split(arrow.load(tokenized))
    middle = int(np.argsort(data["length"], kind="stable")[len(data) // 2])
    found = {}
    for engine, name in GRAPHS.items():
        if not (target / "onnx" / name).exists():
            continue
        model, elapsed_s = load(target, parameters, engine), []
        batch = model.collate([data[middle] | {"draw": (0, middle)}])
        for _ in range(LATENCY_RUNS):
            started = time.perf_counter()
            model.forward(batch)
            elapsed_s.append(time.perf_counter() - started)
        stem = Path(name).stem
        found[f"system/{stem}_latency_ms"] = float(1000 * np.median(elapsed_s))
    return found


def main(
    model_folder: Path, evaluation: Path, tokenized: Path, summary: Path, target: Path
) -> None:
    parameters = with_thresholds(params.load(), evaluation)
    determinism.configure(parameters.determinism, 0)
    with tracking.run("export", parameters, model=model_folder) as run:
        with artifacts.atomic_dir(target) as folder:
            found = export(model_folder, tokenized, folder, parameters)
            artifacts.write_json(folder / "parity.json", found)
            facts = artifacts.read_json(summary)
            scores = artifacts.read_json(evaluation / "metrics.json")
            card.write(folder / "README.md", parameters, facts, scores, found)
        numbers = {k: v for k, v in found.items() if isinstance(v, float)}
        run.log_metrics({f"validation/{name}": value for name, value in numbers.items()})
        run.log_metrics(latencies(target, tokenized, parameters))
        run.log_artifact(target / "README.md")
        run.log_model(mlflow_model.save, target, parameters.task)
    sizes = {p.name: p.stat().st_size / 2**20 for p in sorted(target.rglob("*.onnx"))}
    print(", ".join(f"{name} {size:.1f} MiB" for name, size in sizes.items()))
    print("against the trained model: " + ", ".join(f"{k} {v}" for k, v in found.items()))


if __name__ == "__main__":
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
