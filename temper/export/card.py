"""Parameters, data facts and scores → the README.md of an exported model, as the Hub reads it."""

from pathlib import Path
from typing import Any

import yaml

from temper import metrics, params, templates
from temper.models import loading
from temper.tasks.base import registry

TEMPLATE = "card.md.j2"


def metadata(
    parameters: params.Params, facts: dict, scores: dict, task: registry.Task, library: str
) -> dict[str, Any]:
    """Return the Hub's metadata block, with one model-index result per scored split."""
    name, is_hub = parameters.export.name, facts["source"] == "hub"
    dataset = {"name": facts.get("name") or "local files", "type": facts.get("name") or "files"}
    results = [
        {
            "task": {"type": task.pipeline_tag},
            "dataset": dataset | {"split": split},
            "metrics": [
                {"type": key, "value": scores[split][key]}
                for key in shown(parameters)
                if key in scores[split]
            ],
        }
        for split in ("validation", "test")
        if split in scores
    ]
    block: dict[str, Any] = {
        "library_name": library,
        "pipeline_tag": task.pipeline_tag,
        "tags": ["temper", getattr(parameters.task, "problem_type", parameters.task.name)],
        "model-index": [{"name": name, "results": results}],
    }
    if parameters.export.license:
        block["license"] = parameters.export.license
    if not parameters.model.files and not parameters.model.from_scratch:
        block["base_model"] = parameters.model.name
    if is_hub:
        block["datasets"] = [facts["name"]]
    return block


def shown(parameters: params.Params) -> tuple[str, ...]:
    """Return the metrics the card lists."""
    known = metrics.load(parameters.task.metrics)
    more = [name for name in known.GREATER_IS_BETTER if name not in known.HEADLINE]
    return (*known.HEADLINE, *more)


def write(target: Path, parameters: params.Params, facts: dict, scores: dict, parity: dict) -> None:
    """Write the card."""
    task = registry.load(parameters)
    is_model_with_head = loading.is_temper_model(target.parent)
    library = "temper" if is_model_with_head else "transformers"
    block = yaml.safe_dump(metadata(parameters, facts, scores, task, library), sort_keys=True)
    text = templates.render(
        Path(__file__).with_name(TEMPLATE),
        autoescape=False,
        metadata=block,
        p=parameters,
        facts=facts,
        scores=scores,
        shown=shown(parameters),
        parity=parity,
        task=task,
        is_model_with_head=is_model_with_head,
        flat=params.flatten(parameters),
    )
    target.write_text(text + "\n", encoding="utf-8")
