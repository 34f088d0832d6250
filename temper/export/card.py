"""Parameters, data summary and scores → the README.md of an exported model, as the Hub reads it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from temper import metrics, params, templates
from temper.core import artifacts
from temper.models import loading
from temper.tasks.base import Task, registry

MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<!\w)_|_(?!\w)")  # _ inside a word is no markup


def metadata(
    p: params.Params, data_summary: dict[str, Any], scores: dict[str, Any], task: Task, library: str
) -> ModelCardData:
    """Return the Hub's metadata, with a result per scored split and metric."""
    name = data_summary.get("name")
    results = [
        EvalResult(
            task_type=task.pipeline_tag,
            dataset_name=name or "local files",
            dataset_type=name or "files",
            dataset_split=split,
            metric_type=metric,
            metric_value=scores[split][metric],
        )
        for split in ("validation", "test")
        for metric in listed_metrics(p)
        if metric in scores.get(split, {})
    ]
    is_named = not p.model.files and not p.model.from_scratch
    return ModelCardData(
        model_name=p.export.name,
        eval_results=results,
        library_name=library,
        pipeline_tag=task.pipeline_tag,
        tags=["temper", getattr(p.task, "problem_type", p.task.name)],
        license=p.export.license or None,
        base_model=p.model.name if is_named else None,
        datasets=[data_summary["name"]] if data_summary["source"] == "hub" else None,
    )


def listed_metrics(parameters: params.Params) -> tuple[str, ...]:
    """Return the metrics the card lists, those of the headline first."""
    module = metrics.load(parameters.task.metrics)
    others = [name for name in module.GREATER_IS_BETTER if name not in module.HEADLINE]
    return (*module.HEADLINE, *others)


def any_no_spread(scores: Mapping[str, Any], parameters: params.Params) -> bool:
    """Check whether the card lists an interval of zero width."""
    splits = [scores[split] for split in ("test", "validation") if split in scores]
    return any(metrics.has_no_spread(values, listed_metrics(parameters)) for values in splits)


def write(
    target: Path,
    parameters: params.Params,
    data_summary: dict[str, Any],
    scores: dict[str, Any],
    parity: dict[str, Any],
    decisions: Sequence[Sequence[str]] = (),
) -> None:
    """Write the card, README.md of an exported folder; `decisions` are rows of decisions.json."""
    task = registry.load(parameters)
    needs_temper = loading.is_temper_model(target.parent)
    library = "temper" if needs_temper else task.library
    data = metadata(parameters, data_summary, scores, task, library)
    text = templates.render(
        Path(__file__).with_name("card.md.j2"),
        autoescape=False,
        metadata=yaml.safe_dump(data.to_dict(), sort_keys=True),
        p=parameters,
        data_summary=data_summary,
        shared_rows=parameters.data.shared_rows(data_summary["overlap"]),
        scores=scores,
        listed_metrics=listed_metrics(parameters),
        no_spread=metrics.NO_SPREAD if any_no_spread(scores, parameters) else "",
        parity=parity,
        taught=artifacts.read_optional_json(target.with_name(artifacts.TAUGHT_FILE)),
        decisions=decisions,
        task=task,
        template=as_json(getattr(parameters.task, "template", None)),
        needs_temper=needs_temper,
        runs_code=runs_code(parameters, parity),
        parameters=params.as_written(parameters),
        md=as_text,
        code=as_code,
    )
    target.write_text(text + "\n", encoding="utf-8")


def runs_code(parameters: params.Params, parity: Mapping[str, Any]) -> bool:
    """Say whether predict imports the folder's Python files, with its default engine."""
    needs_class = parameters.model.custom_class is not None and "no_onnx" in parity
    return parameters.tokenize.encode is not None or needs_class


def as_json(text: str | None) -> str | None:
    """Return a text in quotes, in one line."""
    return None if text is None else json.dumps(text, ensure_ascii=False)


def as_text(value: object) -> str:
    """Return a value as Markdown that shows it, in one line: neither markup nor HTML."""
    text = MARKUP.sub(r"\\\g<0>", " ".join(str(value).split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_code(value: object) -> str:
    """Return a value as a code span of a table's cell, in one line."""
    text = " ".join(str(value).split()).replace("|", r"\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " * (text[:1] == "`" or text[-1:] == "`")
    return f"{fence}{space}{text}{space}{fence}"
