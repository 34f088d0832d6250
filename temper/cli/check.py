"""params.yaml, dvc.yaml, the data and the model → every mistake at once, before anything runs.

`temper check`
"""

import os
from pathlib import Path

import yaml

from temper import params
from temper.check import dvc_yaml
from temper.check.findings import Findings
from temper.core.errors import InputError, nearest
from temper.params import user_code

LAUNCH = Path("launch")


def check() -> None:
    """Name every mistake in params.yaml, dvc.yaml, the data's columns and labels, and the model."""
    from rich.console import Console
    from rich.table import Table

    try:
        parameters = params.load()
    except InputError as error:
        raise InputError("\n  ".join([str(error), *dvc_yaml.mistakes(None)])) from None
    found, facts = examine(parameters)
    if found:
        heading = f"{len(found)} mistake{'s' * (len(found) > 1)}; nothing was run"
        raise InputError("\n  ".join([heading, *found]))
    table = Table(show_header=False, title="temper check: all right")
    for name, text in facts.items():
        table.add_row(name, text)
    Console(highlight=False).print(table)


def examine(parameters: params.Params) -> tuple[list[str], dict[str, str]]:
    """Return the mistakes, and what the run will work on."""
    from temper.check import data_checks

    task = parameters.task
    kind = getattr(task, "problem_type", None)
    findings = Findings(facts={"task": ", ".join(filter(None, (task.name, kind)))})
    findings.mistakes += dvc_yaml.mistakes(parameters)
    check_launch(parameters, findings)
    check_training(parameters, findings)
    check_augmentation(parameters, findings)
    if parameters.data.source == "files":
        data_checks.check(parameters, findings)
    else:
        hub = parameters.data.hub.name
        findings.facts["data"] = f"{hub} on the Hub; checked when it is downloaded"
    if parameters.model.name in parameters.model.files:
        check_model(parameters, findings)
    else:
        name = parameters.model.name
        findings.facts["model"] = f"{name} on the Hub; checked when it is downloaded"
    findings.facts["results"] = "data/export, data/evaluation/report.html, mlflow.db"
    return findings.mistakes, findings.facts


def check_launch(parameters: params.Params, findings: Findings) -> None:
    """Note a missing launch file, and processes that do not divide the batch."""
    names = sorted(path.stem for path in LAUNCH.glob("*.yaml"))
    name, p = parameters.train.launch, parameters.train
    file = LAUNCH / f"{name}.yaml"
    if name not in names:
        findings.add(
            "train.launch",
            f"no {file}{nearest(name, names)}; there are {', '.join(names)}",
        )
        return
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    world = settings.get("num_processes") if isinstance(settings, dict) else None
    if not isinstance(world, int) or world < 1:
        findings.mistakes.append(f"{file}: num_processes must be 1 or more, found {world!r}")
        return
    part = p.per_device_batch_size or p.batch_size // world
    if part == 0 or p.batch_size % (part * world):
        findings.add(
            "train.batch_size",
            f"{p.batch_size} is no multiple of {world} processes ({file}) x "
            f"{part or 1} examples; take one of {world * (part or 1)}, or another train.launch",
        )
    findings.facts["launch"] = f"{name}: {world} process{'es' * (world > 1)} x {part} examples"


def check_training(parameters: params.Params, findings: Findings) -> None:
    """Note a metric the problem type lacks, names that lead nowhere, and what needs a GPU."""
    from temper import metrics

    p, kind = parameters.train, parameters.task.metrics
    for key, message in user_code.check(parameters):
        findings.add(key, message)
    if "." not in p.metric_for_best_model:
        with findings.at("train.metric_for_best_model"):
            metrics.greater_is_better(p.metric_for_best_model, kind)
    if p.precision == "fp16":
        import torch

        if not torch.cuda.is_available():
            findings.add(
                "train.precision",
                "fp16 needs a GPU, and none is here; use bf16 or fp32",
            )
    if p.optimizer == "adamw_8bit":
        from temper.training import optimizer

        with findings.at("train.optimizer"):
            optimizer.eight_bit()
    if os.environ.get("TEMPER_REPORT_TO"):
        from temper.training import reporters

        try:
            reporters.names()
        except InputError as error:
            findings.mistakes.append(str(error))


def check_augmentation(parameters: params.Params, findings: Findings) -> None:
    """Note a word list that cannot be read, and a local model that cannot be loaded as it is."""
    from temper.augmentation import words
    from temper.ingest import base_model

    augment, files = parameters.tokenize.augment, parameters.tokenize.synonym_files
    if augment and augment.synonyms:
        name = augment.synonyms.file
        with findings.at(f"tokenize.synonym_files.{name}", f"tokenize.synonym_files.{name}: "):
            words.read_synonyms(Path(files[name]))
    for name, p in parameters.tokenize.translators.items():
        if p.name in parameters.model.files:
            with findings.at(f"tokenize.translators.{name}"):
                base_model.check_inference_model(Path(parameters.model.files[p.name]), p.name)


def check_model(parameters: params.Params, findings: Findings) -> None:
    """Note where the local model folder cannot be what the parameters ask for."""
    from temper.check import network_checks
    from temper.ingest import base_model
    from temper.tasks.base import registry
    from temper.tasks.base.windows import check_max_length

    p = parameters.model
    folder, good = Path(p.files[p.name]), {}
    with findings.at(f"model.files.{p.name}"):
        base_model.check_base_model(folder, p)
        plain = base_model.read_config(folder, p.model_copy(update={"config": {}}))
        for key, value in p.config.items():
            with findings.at(f"model.config.{key}"):
                base_model.read_config(folder, p.model_copy(update={"config": {key: value}}))
                good[key] = value
        config = (
            base_model.read_config(folder, p.model_copy(update={"config": good})) if good else plain
        )
        task = registry.load(parameters)
        processor = base_model.read_processor(folder, config, p, task)
        with findings.at("tokenize.max_length"):
            check_max_length(parameters.tokenize, processor, min(len(task.columns), 2))
        network_checks.check(parameters, config, task, findings)
        if not p.from_scratch and p.custom_class is None:
            base_model.compare_weights(folder, config, task.auto_model)
        origin = "new weights from the seed" if p.from_scratch else "its weights"
        tokens = f"{len(processor):,} tokens, " if task.auto_processor == "AutoTokenizer" else ""
        findings.facts["model"] = f"{p.name}: {config.model_type}, {tokens}{origin}"
