"""params.yaml, dvc.yaml, the data and the model → every mistake at once, before anything runs.

`temper check`
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from stages import metrics, params, tasks
from stages.errors import InputError, nearest


def check() -> None:
    """Name every mistake in params.yaml, dvc.yaml, the data's columns and labels, and the model."""
    from rich.console import Console
    from rich.table import Table

    parameters = params.load()
    found, facts = examine(parameters)
    if found:
        raise InputError("\n".join([f"{len(found)} found", *(f"  {text}" for text in found)]))
    table = Table(show_header=False, title="temper check: all right")
    for name, text in facts.items():
        table.add_row(name, text)
    Console(highlight=False).print(table)


def examine(parameters: params.Params) -> tuple[list[str], dict[str, str]]:
    """Return the mistakes, and what the run will work on."""
    found: list[str] = []
    facts = {"task": f"{parameters.task.name}, {parameters.task.problem_type}"}

    def attempt(step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except InputError as error:
            found.append(str(error))

    attempt(check_pipeline)
    attempt(check_launch, parameters, facts)
    attempt(check_metric, parameters)
    if parameters.data.source == "files":
        check_data(parameters, facts, attempt)
    else:
        facts["data"] = f"{parameters.data.hub.name} on the Hub; read when it is downloaded"
    if parameters.model.name in parameters.model.files:
        attempt(check_model, parameters, facts)
    else:
        facts["model"] = f"{parameters.model.name} on the Hub; read when it is downloaded"
    facts["results"] = "data/export, data/evaluation/report.html, mlflow.db"
    return found, facts


def check_pipeline() -> None:
    """Raise where dvc.yaml names code that does not exist."""
    try:
        pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("dvc.yaml: no such file; run this in the repository root") from None
    for name, stage in pipeline["stages"].items():
        for dep in stage.get("do", stage).get("deps", []):
            if dep.startswith("stages/") and "$" not in dep and not Path(dep).exists():
                raise InputError(f"dvc.yaml: stage {name} depends on {dep}, which does not exist")


def check_launch(parameters: params.Params, facts: dict[str, str]) -> None:
    """Raise where the launch file is missing or its processes do not divide the batch."""
    known = sorted(path.stem for path in Path("launch").glob("*.yaml"))
    name, p = parameters.train.launch, parameters.train
    if name not in known:
        raise InputError(
            f"train.launch: no launch/{name}.yaml{nearest(name, known)}; there are "
            f"{', '.join(known)}"
        )
    settings = yaml.safe_load(Path(f"launch/{name}.yaml").read_text(encoding="utf-8"))
    world = int(settings["num_processes"])
    part = p.per_device_batch_size or p.batch_size // world
    if part == 0 or p.batch_size % (part * world):
        raise InputError(
            f"train.batch_size: {p.batch_size} is no multiple of {world} processes x {part}"
        )
    if p.precision == "fp16":
        import torch

        if not torch.cuda.is_available():
            raise InputError("train.precision: fp16 needs a GPU; use bf16 or fp32")
    facts["launch"] = f"{name}: {world} process{'es' * (world > 1)} x {part} examples"


def check_metric(parameters: params.Params) -> None:
    metrics.greater_is_better(parameters.train.best_metric, parameters.task.problem_type)


def check_data(parameters: params.Params, facts: dict[str, str], attempt: Callable) -> None:
    """Read every split once; add a mistake for each thing that is wrong with it."""
    from stages.sources import dataset, labels, readers

    task, data = parameters.task, parameters.data
    counts: dict[str, Counter[str]] = {}
    rows: dict[str, int] = {}

    def survey(split: str, name: str) -> None:
        files = readers.find_files(name, split, data.glob)
        batches = (columns for file in files for columns in readers.read(file))
        found = dataset.survey(batches, task, data, split)
        counts[split], rows[split] = found.counts, found.rows

    def encode() -> None:
        if task.problem_type != "regression" and not counts["train"]:
            raise InputError(f"train has no labels in column {task.label!r}")
        names = labels.make_encoder(task, counts).names or []
        if len(names) == 2 and task.labels is None and parameters.evaluate.positive_label is None:
            raise InputError(
                "evaluate.positive_label: null, but F1 of two labels is about one of them: "
                f"{' or '.join(names)}"
            )
        weights = parameters.train.class_weights
        if isinstance(weights, tuple) and len(weights) != len(names):
            raise InputError(f"train.class_weights: {len(weights)} numbers for {len(names)} labels")
        facts["labels"] = ", ".join(f"{n} {counts['train'][n]}" for n in names[:8])

    for split, name in data.files.items():
        attempt(survey, split, name)
    if len(rows) == len(data.files):
        attempt(encode)
        facts["data"] = ", ".join(f"{split} {count:,} rows" for split, count in rows.items())
        steps = -(-rows["train"] // parameters.train.batch_size)
        facts["steps"] = f"{steps} an epoch, {steps * parameters.train.epochs:,.0f} in all"


def check_model(parameters: params.Params, facts: dict[str, str]) -> None:
    """Raise where the local model folder cannot be what the parameters ask for."""
    from stages.sources import model
    from stages.tokenize import check_max_length

    p = parameters.model
    folder = Path(p.files[p.name])
    model.check_folder(folder, p)
    config = model.read_config(folder, p)
    processor = model.read_processor(folder, config, p)
    task = tasks.load(parameters.task)
    check_max_length(parameters.tokenize.max_length, processor, len(task.columns))
    if not p.from_scratch:
        model.compare_weights(folder, config, parameters.task, task.auto_model)
    origin = "new weights from the seed" if p.from_scratch else "its weights"
    facts["model"] = f"{p.name}: {config.model_type}, {len(processor):,} tokens, {origin}"
