"""Check params.yaml, dvc.yaml, the data and the model before anything runs; report every mistake.

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
    """Report every mistake in params.yaml, dvc.yaml, the data and the model."""
    from rich.console import Console
    from rich.table import Table

    try:
        parameters = params.load()
    except InputError as error:
        raise InputError("\n  ".join([str(error), *dvc_yaml.mistakes(None)])) from None
    mistakes, facts = examine(parameters)
    if mistakes:
        heading = f"{len(mistakes)} mistake{'s' * (len(mistakes) > 1)}; nothing was run"
        raise InputError("\n  ".join([heading, *mistakes]))
    table = Table(show_header=False, title="temper check: no mistakes found")
    for name, text in facts.items():
        table.add_row(name, text)
    Console(highlight=False).print(table)


def examine(parameters: params.Params) -> tuple[list[str], dict[str, str]]:
    """Return the mistakes, and facts about the run: its task, data, model, steps and outputs."""
    from temper.check import data_checks

    task = parameters.task
    problem_type = getattr(task, "problem_type", None)
    findings = Findings(facts={"task": ", ".join(filter(None, (task.name, problem_type)))})
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
    """Report a missing launch file, and a number of processes that does not divide the batch."""
    names = sorted(path.stem for path in LAUNCH.glob("*.yaml"))
    p, name = parameters.train, parameters.train.launch
    file = LAUNCH / f"{name}.yaml"
    if name not in names:
        findings.add(
            "train.launch",
            f"no {file}{nearest(name, names)}; there are {', '.join(names)}",
        )
        return
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    num_processes = settings.get("num_processes") if isinstance(settings, dict) else None
    if not isinstance(num_processes, int) or num_processes < 1:
        findings.mistakes.append(
            f"{file}: num_processes must be 1 or more; found {num_processes!r}"
        )
        return
    per_device = p.per_device_batch_size or p.batch_size // num_processes
    if per_device == 0 or p.batch_size % (per_device * num_processes):
        step = num_processes * (per_device or 1)
        findings.add(
            "train.batch_size",
            f"{p.batch_size} is not a multiple of {num_processes} processes ({file}) x "
            f"{per_device or 1} examples; use a multiple of {step}, or another train.launch",
        )
    plural = "es" * (num_processes > 1)
    findings.facts["launch"] = f"{name}: {num_processes} process{plural} x {per_device} examples"


def check_training(parameters: params.Params, findings: Findings) -> None:
    """Report an unknown metric, custom code that cannot be loaded, and missing hardware."""
    from temper import metrics

    p = parameters.train
    for key, message in user_code.check(parameters):
        findings.add(key, message)
    if "." not in p.metric_for_best_model:
        with findings.at("train.metric_for_best_model"):
            metrics.greater_is_better(p.metric_for_best_model, parameters.task.metrics)
    if p.precision == "fp16":
        import torch

        if not torch.cuda.is_available():
            findings.add(
                "train.precision",
                "fp16 needs a GPU, and there is none; use bf16 or fp32",
            )
    if p.optimizer == "adamw_8bit":
        from temper.training import optimizer

        with findings.at("train.optimizer"):
            optimizer.adamw_8bit_class()
    if os.environ.get("TEMPER_REPORT_TO"):
        from temper.training import reporters

        try:
            reporters.names()
        except InputError as error:
            findings.mistakes.append(str(error))


def check_augmentation(parameters: params.Params, findings: Findings) -> None:
    """Report a synonym file that cannot be read, and a local translator that cannot be loaded."""
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
    """Report what the parameters ask for and the local model folder cannot give."""
    from temper.check import network_checks
    from temper.ingest import base_model, weights
    from temper.tasks.base import registry
    from temper.tasks.base.windows import check_max_length

    p = parameters.model
    folder, accepted = Path(p.files[p.name]), {}
    with findings.at(f"model.files.{p.name}"):
        base_model.check_base_model(folder, p)
        plain = base_model.read_config(folder, p.model_copy(update={"config": {}}))
        for key, value in p.config.items():
            with findings.at(f"model.config.{key}"):
                base_model.read_config(folder, p.model_copy(update={"config": {key: value}}))
                accepted[key] = value
        with_overrides = p.model_copy(update={"config": accepted})
        config = base_model.read_config(folder, with_overrides) if accepted else plain
        task = registry.load(parameters)
        processor = base_model.read_processor(folder, config, p, task)
        with findings.at("tokenize.max_length"):
            check_max_length(parameters.tokenize, processor, min(len(task.columns), 2))
        network_checks.check(parameters, config, task, findings)
        if not p.from_scratch and p.custom_class is None:
            weights.compare_weights(folder, config, task.auto_model)
        origin = "randomly initialised" if p.from_scratch else "pretrained weights"
        tokens = f"{len(processor):,} tokens, " if task.auto_processor == "AutoTokenizer" else ""
        findings.facts["model"] = f"{p.name}: {config.model_type}, {tokens}{origin}"
