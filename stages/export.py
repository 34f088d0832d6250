"""data/model → data/export: a transformers folder, ONNX and int8 ONNX that agree, a model card.

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

from temper import params, tracking
from temper.core import arrow, artifacts, determinism, errors, startup
from temper.core.errors import InputError
from temper.core.unedited import unedited
from temper.export import (
    card,
    data_profile,
    graphs,
    mlflow_model,
    packing,
    sentence_transformers,
    size,
)
from temper.models import light_imports
from temper.params.schema import EvaluateParams
from temper.prediction.engines import GRAPHS, GRAPHS_FOLDER

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

LATENCY_RUNS = 30


def comparison_split(data: "DatasetDict") -> "tuple[str, Dataset]":
    """Return the split the exports are checked on: validation, or what there is."""
    split = next(name for name in ("validation", "test", "train") if name in data)
    return split, data[split]


def with_found_decisions(
    parameters: params.Params, evaluation: Path, decisions: Mapping[str, Any]
) -> params.Params:
    """Return the parameters with what evaluate found in place of targets, so that predict has it.

    Args:
        evaluation: its folder, which may have thresholds.json.
        decisions: of its decisions.json, or empty.

    Raises:
        InputError: a target was out of reach; the message says what can be reached.
    """
    changes: dict[str, Any] = {}
    if (file := evaluation / "thresholds.json").exists():
        changes["threshold"] = artifacts.read_json(file)
    for key, reason in decisions.get("unreached", {}).items():
        raise InputError(f"evaluate.{key}: {reason}; set a target that is reached, or remove it")
    changes |= decisions.get("evaluate", {})
    if not changes:
        return parameters
    evaluate = parameters.evaluate.model_dump() | changes
    return parameters.model_copy(update={"evaluate": EvaluateParams.model_validate(evaluate)})


def export(
    model_folder: Path, tokenized: Path, target: Path, parameters: params.Params
) -> tuple[dict[str, Any], dict[str, float]]:
    """Write the model folder and the ONNX files, check them, and write what they cost.

    Returns:
        what was verified and within which limits, for parity.json; and what was measured, which
        depends on the CPU (docs/adr/0020).

    Raises:
        InputError: see `graphs.write`.
    """
    split, features = comparison_split(arrow.load(tokenized))
    predictor = graphs.load_predictor(model_folder, parameters, "torch")
    startup.end_imports()
    shutil.copytree(model_folder, target, dirs_exist_ok=True)
    config = artifacts.read_json(target / "config.json")
    stored = parameters.model_copy(update={"task": parameters.task.for_prediction()})
    config["temper"] = stored.model_dump(
        include={"task", "tokenize", "evaluate"}, exclude_defaults=True, mode="json"
    ) | {"code": copy_code(parameters.code, target)}
    artifacts.write_json(target / "config.json", config)
    if parameters.evaluate.generation is not None:
        name = target / "generation_config.json"  # whoever loads it writes as it was scored
        tokens = artifacts.read_optional_json(name) or {}
        artifacts.write_json(name, tokens | parameters.evaluate.generation.options())
    if parameters.task.name == "embeddings":
        vectors = predictor.outputs(features.select(range(1)), ("logits",), 0)["logits"][0]
        dimension = vectors.shape[-1]
        prompts, max_length = parameters.task.prompts, parameters.tokenize.max_length
        sentence_transformers.write(target, max_length, dimension, prompts)
    verified, measured = graphs.write(predictor, features, target, parameters)
    verified |= packing.write(target / GRAPHS_FOLDER, predictor, stored)
    artifacts.write_json(target / size.FILE, size.measure(predictor, features, target))
    return {"split": split} | verified, measured


def copy_code(code: Mapping[str, str], target: Path) -> dict[str, str]:
    """Copy the user's modules to `target/code`; return their paths in `target`."""
    if code:
        (target / "code").mkdir()
    for name, file in code.items():
        shutil.copyfile(file, target / "code" / f"{name}.py")
    return {name: f"code/{name}.py" for name in code}


def latencies(target: Path, tokenized: Path, parameters: params.Params) -> dict[str, float]:
    """Return the median milliseconds of one row of median length, for each ONNX file."""
    _, features = comparison_split(arrow.load(tokenized))
    row = size.median_row(features)
    median_ms = {}
    for engine, name in GRAPHS.items():
        if not (target / GRAPHS_FOLDER / name).exists():
            continue
        model, elapsed_s = graphs.load_predictor(target, parameters, engine), []
        batch = model.collate([features[row] | {"draw": (0, row)}])
        for _ in range(LATENCY_RUNS):
            started = time.perf_counter()
            model.forward(batch)
            elapsed_s.append(time.perf_counter() - started)
        median_ms[f"system/{Path(name).stem}_latency_ms"] = float(1000 * np.median(elapsed_s))
    return median_ms


def main(
    model_folder: Path, evaluation: Path, tokenized: Path, summary: Path, target: Path
) -> None:
    written = params.load()  # what is logged: a run's parameters never change
    decisions = artifacts.read_optional_json(evaluation / "decisions.json") or {}
    parameters = with_found_decisions(written, evaluation, decisions)
    determinism.configure(parameters.determinism, 0)
    with tracking.run("export", written, model=model_folder) as run:
        with artifacts.atomic_dir(target) as folder:
            verified, measured = export(model_folder, tokenized, folder, parameters)
            if parameters.export.data_profile:
                data, split = arrow.load(tokenized), verified["split"]
                data_profile.write(folder, data, split, evaluation, parameters)
            artifacts.write_json(folder / "parity.json", verified)
            data_summary = artifacts.read_json(summary)
            scores = artifacts.read_json(evaluation / "metrics.json")
            table = decisions.get("table", [])
            card.write(folder / "README.md", parameters, data_summary, scores, verified, table)
        run.log_metrics({f"validation/{name}": value for name, value in measured.items()})
        run.log_metrics(latencies(target, tokenized, parameters))
        run.log_artifact(target / "README.md")
        run.log_model(mlflow_model.save, target, parameters.task.for_prediction())
    sizes = {p.name: p.stat().st_size / 2**20 for p in sorted(target.rglob("*.onnx"))}
    if sizes:
        print(", ".join(f"{name} {size:.1f} MiB" for name, size in sizes.items()))
    if measured:
        differences = ", ".join(f"{name} {value:.4g}" for name, value in measured.items())
        print(f"against the trained model: {differences}")


if __name__ == "__main__":
    startup.collect_rarely()
    with errors.exit_on_input_error():
        determinism.prepare((parameters := params.load()).determinism)
        tracking.begin()
        light_imports.leave_out(parameters)
        with unedited():
            main(*map(Path, sys.argv[1:]))
