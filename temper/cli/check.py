"""Check params.yaml, dvc.yaml, the data and the model before anything runs; report every mistake.

`temper check`, `temper check --run`
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temper import params
from temper.check import dvc_yaml
from temper.check.findings import Findings, unexpected
from temper.cli.pinned import NOT_A_COMMAND
from temper.core.errors import InputError
from temper.models import light_imports
from temper.params import user_code

if TYPE_CHECKING:
    from rich.table import Table

    from temper.params.model import ModelParams


def check(
    run: Annotated[
        bool,
        typer.Option("--run", help="Also run all stages on a few rows, and estimate the time."),
    ] = False,
    context: typer.Context = NOT_A_COMMAND,
) -> None:
    """Report every mistake in params.yaml, dvc.yaml, the data and the model."""
    from rich.console import Console
    from rich.table import Table

    try:
        parameters = params.load()
    except InputError as error:
        raise InputError("\n  ".join([str(error), *dvc_yaml.mistakes(None)])) from None
    except Exception as error:
        raise InputError(unexpected("params.yaml", error)) from error
    if context is not None and not run:  # a process of its own, without a training
        light_imports.leave_out(parameters)
    mistakes, facts = examine(parameters)
    if mistakes:
        heading = f"{len(mistakes)} mistake{'s' * (len(mistakes) > 1)}; nothing was run"
        raise InputError("\n  ".join([heading, *mistakes]))
    table = Table(show_header=False, title="temper check: no mistakes found")
    for name, text in facts.items():
        table.add_row(name, text)
    console = Console(highlight=False, markup=False)
    console.print(table)
    if run:
        console.print(*run_stages(parameters), sep="\n")


def run_stages(parameters: params.Params) -> "list[Table | str]":
    """Run all stages on a few rows; return the time of each, that of the real run and remarks."""
    from rich.table import Table

    from temper.check import time_estimate, trial_run
    from temper.prediction.engines import why_no_graph

    in_words = time_estimate.in_words
    with trial_run.trial_run(parameters) as run:
        estimated = time_estimate.estimate(run, parameters)
        reason = why_no_graph(run.folder / "data/export")
    table = Table("stage", f"{trial_run.ROWS} rows", "all rows, about", title="temper check --run")
    for stage, seconds in run.seconds.items():
        table.add_row(stage, f"{seconds:.1f} s", in_words(estimated[stage]))
    total, factor = sum(estimated.values()), time_estimate.FACTOR
    table.add_row("all", in_words(sum(run.seconds.values())), in_words(total))
    lines = [f"no ONNX: {reason}"] if reason is not None else []
    if math.isnan(total):
        return [table, *lines, "the trial logged too few steps to foretell the time of training"]
    lines.append(
        f"`dvc repro` takes about {in_words(total)} on this machine as busy as it is now: expect "
        f"{in_words(total / factor)} to {in_words(total * factor)}"
    )
    return [table, *lines]


def examine(parameters: params.Params) -> tuple[list[str], dict[str, str]]:
    """Return the mistakes, and facts about the run: its task, data, model, steps and outputs."""
    from temper.check import data_checks, environment_checks, launch_checks, precision_checks

    task = parameters.task
    problem_type = getattr(task, "problem_type", None)
    findings = Findings(facts={"task": ", ".join(filter(None, (task.name, problem_type)))})
    checks = {
        "dvc.yaml": lambda p, f: f.mistakes.extend(dvc_yaml.mistakes(p)),
        "the environment": environment_checks.check,
        "the launch file": launch_checks.check,
        "the paths of params.yaml": check_paths,
        "train": check_training,
        "train.precision": precision_checks.check,
        "tokenize.augment": check_augmentation,
    }
    if parameters.train.teachers:
        from temper.check import teacher_checks

        checks["train.teachers"] = teacher_checks.check
    if parameters.data.source == "files":
        checks["the data"] = data_checks.check
    else:
        hub = parameters.data.hub.name
        findings.facts["data"] = f"{hub} on the Hub; checked when it is downloaded"
    name, folders = parameters.model.name, parameters.model.files
    if name not in folders:
        findings.facts["model"] = f"{name} on the Hub; checked when it is downloaded"
    elif Path(folders[name]).is_dir():
        checks["the model"] = check_model
    for what, check_part in checks.items():
        with findings.guarded(what):
            check_part(parameters, findings)
    findings.facts["results"] = "data/export, data/evaluation/report.html, mlflow.db"
    return findings.mistakes, findings.facts


def check_paths(parameters: params.Params, findings: Findings) -> None:
    """Report paths that DVC would miss, used or not; those of data.files are checked when read."""
    named = {
        "model.files": parameters.model.files,
        "code": parameters.code,
        "tokenize.synonym_files": parameters.tokenize.synonym_files,
    }
    for group, paths in named.items():
        for name, text in paths.items():
            path, is_folder = Path(text), group == "model.files"
            if not path.exists():
                hint = f"; `dvc pull` fetches {text}.dvc" if Path(f"{text}.dvc").exists() else ""
                findings.add(f"{group}.{name}", f"no such file or folder: {text}{hint}")
            elif not (path.is_dir() if is_folder else path.is_file()):
                needed = "folder" if is_folder else "file"
                findings.add(f"{group}.{name}", f"{text} is no {needed}")


def check_training(parameters: params.Params, findings: Findings) -> None:
    """Report an unknown metric, custom code that cannot be loaded, and missing hardware."""
    from temper import metrics

    p = parameters.train
    if all(Path(file).is_file() for file in parameters.code.values()):
        for key, message in user_code.check(parameters):
            findings.add(key, message)
        if parameters.code:
            from temper.check import custom_code_checks

            custom_code_checks.check_kinds(parameters, findings)
    if "." not in p.metric_for_best_model:
        with findings.at("train.metric_for_best_model"):
            metrics.greater_is_better(p.metric_for_best_model, parameters.task.metrics)
    if p.optimizer == "adamw_8bit":
        from temper.training import optimizer

        with findings.at("train.optimizer"):
            optimizer.adamw_8bit_class()


def check_augmentation(parameters: params.Params, findings: Findings) -> None:
    """Report a synonym file that cannot be read, and a local translator that cannot be loaded."""
    from temper.augmentation import words
    from temper.ingest import base_model

    augment, files = parameters.tokenize.augment, parameters.tokenize.synonym_files
    if augment and augment.synonyms and Path(files[augment.synonyms.file]).is_file():
        name = augment.synonyms.file
        with findings.at(f"tokenize.synonym_files.{name}", f"tokenize.synonym_files.{name}: "):
            words.read_synonyms(Path(files[name]))
    for name, p in parameters.tokenize.translators.items():
        if p.name in parameters.model.files and Path(parameters.model.files[p.name]).is_dir():
            with findings.at(f"tokenize.translators.{name}"):
                base_model.check_inference_model(Path(parameters.model.files[p.name]), p.name)


def check_layers(parameters: params.Params, folder: Path, findings: Findings) -> "ModelParams":
    """Check `model.layers`; return the model's parameters, without layers that are refused."""
    from temper.ingest import base_model, chosen_layers
    from temper.tasks.base import registry

    p = parameters.model
    without = p.model_copy(update={"layers": None})
    own_config = base_model.read_config(folder, without.model_copy(update={"config": {}}))
    with findings.at("model.layers"):
        chosen_layers.check(folder, own_config, p)
        config = base_model.read_config(folder, p.model_copy(update={"config": {}}))
        auto_model = registry.load(parameters).auto_model
        chosen_layers.check_networks(folder, own_config, config, p, auto_model)
        return p
    return without


def check_model(parameters: params.Params, findings: Findings) -> None:
    """Report what the parameters ask for and the local model folder cannot give."""
    from temper.check import chat_checks, custom_code_checks, network_checks, onnx_checks
    from temper.ingest import base_model, generation_config, sentence_transformers, weights
    from temper.tasks.base import registry

    p = parameters.model
    folder, accepted = Path(p.files[p.name]), {}
    with findings.at(f"model.files.{p.name}"):
        base_model.check_base_model(folder, p)
        if p.layers is not None:
            p = check_layers(parameters, folder, findings)
        plain = base_model.read_config(folder, p.model_copy(update={"config": {}}))
        for key, value in p.config.items():
            with findings.at(f"model.config.{key}"):
                base_model.read_config(folder, p.model_copy(update={"config": {key: value}}))
                accepted[key] = value
        with_overrides = p.model_copy(update={"config": accepted})
        config = base_model.read_config(folder, with_overrides) if accepted else plain
        sentence_transformers.set_pooling(config, folder, parameters.task, p.name)
        task = registry.load(parameters)
        processor = base_model.read_processor(folder, config, p, task)
        if task.prediction_output == "tokens":
            generation_config.read(folder, config, processor, p)
        length_key = "max_seconds" if parameters.task.medium == "audio" else "max_length"
        with findings.at(f"tokenize.{length_key}"):
            task.check_length(processor, config)
        chat_checks.check(parameters, processor, findings)
        network_checks.check(parameters, config, task, findings)
        custom_code_checks.check_on_rows(parameters, config, processor, findings)
        onnx_checks.check(parameters, processor, findings)
        if not p.from_scratch and p.custom_class is None:
            with network_checks.buildable(config, task):
                weights.compare_weights(folder, config, task.auto_model)
        origin = "randomly initialised" if p.from_scratch else "pretrained weights"
        tokens = f"{len(processor):,} tokens, " if task.auto_processor == "AutoTokenizer" else ""
        findings.facts["model"] = f"{p.name}: {config.model_type}, {tokens}{origin}"
