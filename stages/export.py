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

from stages import arrow, determinism, errors, inference, outputs, params, tasks, tracking
from stages.errors import InputError
from stages.exporting import card, mlflow_model, onnx, parity
from stages.tasks.base import Collator

LATENCY_RUNS = 30
SIGNIFICANT = 2  # digits of a difference in parity.json


def load(folder: Path, task: tasks.Task) -> Any:
    """Load the trained model and note in its config what `temper predict` needs."""
    import transformers

    transformers.logging.disable_progress_bar()
    auto = getattr(transformers, task.auto_model)
    return auto.from_pretrained(str(folder), local_files_only=True)


def make_collate(parameters: params.Params, folder: Path, num_outputs: int) -> Collator:
    from transformers import AutoTokenizer

    tokenize = parameters.tokenize
    return tasks.load(parameters.task).collator(
        AutoTokenizer.from_pretrained(str(folder), local_files_only=True),
        num_outputs=num_outputs,
        max_length=tokenize.max_length if tokenize.padding == "max_length" else None,
        multiple_of=tokenize.pad_to_multiple_of,
    )


def comparison_split(data: Any) -> tuple[str, Any]:
    """Return the split the exports are checked on: validation, or what there is."""
    split = next(name for name in ("validation", "test", "train") if name in data)
    return split, data[split]


def export(model_folder: Path, tokenized: Path, target: Path, parameters: params.Params) -> dict:
    """Write the model folder and the ONNX files; return what parity.json says.

    Raises:
        InputError: an exported model does not agree with the trained one.
    """
    task, tokenize = tasks.load(parameters.task), parameters.tokenize
    split, data = comparison_split(arrow.load(tokenized))
    model = load(model_folder, task)
    shutil.copytree(model_folder, target, dirs_exist_ok=True)
    settings = outputs.read_json(target / "config.json")
    settings["temper"] = {
        "task": parameters.task.model_dump(mode="json"),
        "max_length": tokenize.max_length,
        "multiple_of": tokenize.pad_to_multiple_of,
    }
    outputs.write_json(target / "config.json", settings)
    (target / "onnx").mkdir()
    collate = make_collate(parameters, model_folder, model.config.num_labels)
    onnx.write(model, collate([data[0], data[len(data) - 1]]), target / "onnx" / "model.onnx")
    if parameters.export.int8:
        onnx.quantize(target / "onnx" / "model.onnx", target / "onnx" / "model_int8.onnx")
    return {"split": split} | compare(model, data, collate, target, parameters)


def compare(
    model: Any, data: Any, collate: Any, target: Path, parameters: params.Params
) -> dict[str, Any]:
    """Check both graphs against the trained model on every row of `data`."""
    threads, problem = parameters.determinism.num_threads, parameters.task.problem_type
    trained = parity.all_logits(inference.torch_forward(model), data, collate, parity.BATCH)

    def session(name: str) -> inference.Forward:
        return inference.onnx_forward(inference.onnx_session(str(target / "onnx" / name), threads))

    difference = parity.check_onnx(trained, session("model.onnx"), data, collate)
    found = {"rows": len(data), "onnx_max_difference": float(f"{difference:.{SIGNIFICANT}g}")}
    if not parameters.export.int8:
        return found
    quantized = parity.all_logits(session("model_int8.onnx"), data, collate, parity.BATCH)
    found["int8_agreement"] = round(parity.agreement(problem, quantized, trained), 6)
    labels = collate([{"input_ids": [0], "labels": label} for label in data["labels"]])["labels"]
    if np.isnan(labels).any() or (labels == -100).any():
        if 1 - found["int8_agreement"] > parameters.export.max_accuracy_drop:
            raise InputError(
                f"the int8 model agrees in {found['int8_agreement']:.4f} of the rows; "
                "export.max_accuracy_drop allows less to differ"
            )
        return found
    before, after = (parity.score(problem, logits, labels) for logits in (trained, quantized))
    drop = parity.check_int8(before, after, parameters.export.max_accuracy_drop)
    return found | {"int8_score_drop": round(drop, 6)}


def latencies(target: Path, tokenized: Path, parameters: params.Params) -> dict[str, float]:
    """Return the median milliseconds of one row of median length, for each ONNX file."""
    _, data = comparison_split(arrow.load(tokenized))
    middle = np.argsort(data["length"], kind="stable")[len(data) // 2]
    num_labels = len(outputs.read_json(target / "config.json")["id2label"])
    batch = make_collate(parameters, target, num_labels)([data[int(middle)]])
    found = {}
    for file in sorted((target / "onnx").glob("*.onnx")):
        session = inference.onnx_session(str(file), parameters.determinism.num_threads)
        forward, elapsed_s = inference.onnx_forward(session), []
        for _ in range(LATENCY_RUNS):
            started = time.perf_counter()
            forward(batch)
            elapsed_s.append(time.perf_counter() - started)
        found[f"system/{file.stem}_latency_ms"] = float(1000 * np.median(elapsed_s))
    return found


def main(
    model_folder: Path, evaluation: Path, tokenized: Path, summary: Path, target: Path
) -> None:
    parameters = params.load()
    determinism.configure(parameters.determinism, 0)
    with tracking.run("export", parameters, model=model_folder) as run:
        with outputs.whole_folder(target) as folder:
            found = export(model_folder, tokenized, folder, parameters)
            outputs.write_json(folder / "parity.json", found)
            facts, scores = (
                outputs.read_json(summary),
                outputs.read_json(evaluation / "metrics.json"),
            )
            tag = tasks.load(parameters.task).pipeline_tag
            card.write(folder / "README.md", parameters, facts, scores, found, tag)
        numbers = {k: v for k, v in found.items() if isinstance(v, float)}
        run.log_metrics({f"validation/{name}": value for name, value in numbers.items()})
        run.log_metrics(latencies(target, tokenized, parameters))
        run.log_artifact(target / "README.md")
        run.log_model(mlflow_model.save, target, parameters.task)
    sizes = {p.name: p.stat().st_size / 2**20 for p in sorted(target.rglob("*.onnx"))}
    print(", ".join(f"{name} {size:.1f} MiB" for name, size in sizes.items()), found)


if __name__ == "__main__":
    with errors.reported():
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
