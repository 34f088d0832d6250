"""The values of params.yaml → what is said to the user: each column's role, and what was chosen."""

from typing import Any

from temper.init.labels import positive_label
from temper.init.prompts import INSTRUCTION
from temper.init.roles import Columns, Roles
from temper.init.settings import Model
from temper.init.source import CUT, Source
from temper.params import text_template

MAX_LABELS = 8  # that are shown with their counts


def describe(
    source: Source,
    columns: Columns,
    roles: Roles,
    model: Model,
    parameters: dict[str, Any],
    how_long: str | None,
) -> list[tuple[str, str]]:
    """List what each column was taken for, and what was chosen, as (name, fact)."""
    task = roles.task
    kind = ", ".join(filter(None, [task["name"], task.get("problem_type")]))
    used = {k: v for k, v in task.items() if k not in ("name", "problem_type", "labels")}
    columns_of = {k: v for k, v in used.items() if _names_column(v, columns)}
    facts = [("task", kind)]
    facts += [(key, ", ".join(v) if isinstance(v, list) else v) for key, v in columns_of.items()]
    if "template" in task:
        how = "as Alpaca has them" if task["template"] == INSTRUCTION else "each in a line"
        named = ", ".join(text_template.columns(task["template"]))
        facts.append(("template", f"one text of {named}, {how}"))
    if roles.labels:
        facts.append(("labels", _count(roles.labels)))
    positive, is_named = positive_label(roles.labels)
    if parameters["evaluate"]["positive_label"]:
        why = "" if is_named else "; evaluate.positive_label chooses the other"
        facts.append(("positive", f"precision, recall and F1 are those of {positive}{why}"))
    if roles.group:
        facts.append(("group", f"{roles.group}: its rows stay in one split"))
    if roles.ids:
        facts.append(("ids", f"{', '.join(roles.ids)}: kept beside the predictions"))
    if roles.unused:
        facts.append(("not used", ", ".join(roles.unused)))
    facts += [("note", note) for note in roles.notes]
    facts.append(("model", _describe_model(model)))
    if how_long:
        key = "max_seconds" if "audio" in task else "max_length"
        facts.append((key, f"{parameters['tokenize'][key]}: {how_long}"))
    facts += [("split", f"{split}: {place}") for split, place in source.splits.items()]
    facts += [("split", f"{split}: {CUT:.0%} of train") for split in source.missing]
    return [*facts, *_describe_training(parameters["train"])]


def _describe_model(model: Model) -> str:
    where = "" if model.config is not None or model.folder else " (the Hub was not reached)"
    is_new = model.from_scratch
    return f"{model.folder} has no weights: trained from scratch" if is_new else model.name + where


def _describe_training(train: dict[str, Any]) -> list[tuple[str, str]]:
    """List how long, how fast and towards which score it is trained."""
    how = f"{train['epochs']} epochs, batch size {train['batch_size']}, "
    how += f"learning rate {train['learning_rate']:g}; the epoch with the best validation "
    facts = [("training", f"{how}{train['metric_for_best_model']} is kept")]
    if "class_weights" in train:
        facts.append(("weights", "balanced, for the labels are uneven"))
    return facts


def _count(labels: dict[str, int]) -> str:
    shown = sorted(labels.items(), key=lambda item: -item[1])[:MAX_LABELS]
    more = [f"{len(labels) - MAX_LABELS} more"] if len(labels) > MAX_LABELS else []
    return ", ".join([f"{name} {count:,}" for name, count in shown] + more)


def _names_column(value: Any, columns: Columns) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(item, str) and item in columns for item in values)
