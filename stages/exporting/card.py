"""Parameters, data facts and scores → the README.md of an exported model, as the Hub reads it."""

from pathlib import Path
from typing import Any

import yaml

from stages import params

TEMPLATE = "card.md.j2"
SHOWN = ("accuracy", "f1", "f1_macro", "f1_micro", "mcc", "roc_auc", "pearson", "spearman", "mse")


def metadata(
    parameters: params.Params, facts: dict, scores: dict, pipeline_tag: str
) -> dict[str, Any]:
    """Return the Hub's metadata block, with one model-index result per scored split."""
    name, is_hub = parameters.export.name, facts["source"] == "hub"
    dataset = {"name": facts.get("name") or "local files", "type": facts.get("name") or "files"}
    results = [
        {
            "task": {"type": pipeline_tag},
            "dataset": dataset | {"split": split},
            "metrics": [
                {"type": key, "value": scores[split][key]} for key in SHOWN if key in scores[split]
            ],
        }
        for split in ("validation", "test")
        if split in scores
    ]
    block: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": pipeline_tag,
        "tags": ["temper", parameters.task.problem_type],
        "model-index": [{"name": name, "results": results}],
    }
    if parameters.export.license:
        block["license"] = parameters.export.license
    if not parameters.model.files and not parameters.model.from_scratch:
        block["base_model"] = parameters.model.name
    if is_hub:
        block["datasets"] = [facts["name"]]
    return block


def write(
    target: Path,
    parameters: params.Params,
    facts: dict,
    scores: dict,
    parity: dict,
    pipeline_tag: str,
) -> None:
    """Write the card."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    block = yaml.safe_dump(metadata(parameters, facts, scores, pipeline_tag), sort_keys=True)
    text = environment.get_template(TEMPLATE).render(
        metadata=block,
        p=parameters,
        facts=facts,
        scores=scores,
        shown=SHOWN,
        parity=parity,
        pipeline_tag=pipeline_tag,
        flat=params.flatten(parameters),
    )
    target.write_text(text + "\n", encoding="utf-8")
