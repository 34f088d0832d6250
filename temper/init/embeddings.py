"""Described columns → which texts should get similar vectors."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.ingest.sentence_transformers import PROMPTS_FILE, name_prompts
from temper.init.names import ANCHORS, FOUND, LABELS, NOT_FOUND, PAIRS, QUESTIONS
from temper.init.roles import Columns, Roles, Wishes, make_roles

TEXTS: tuple[str, ...] = ("anchor", "positive", "negative")


def find(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find texts to search with and what they should find, by name or as wished.

    With `--task embeddings` two --text are the pairs, and --label is the column of their scores.
    """
    notes: tuple[str, ...] = ()
    task: dict[str, Any]
    if scored := _scored(columns, wishes):
        *pair, score = scored
        task, texts = {"text": pair, "score": score}, pair
    elif named := _named(columns, wishes):
        task, texts = dict(zip(TEXTS, named, strict=False)), named[:1]
    elif pair := _unlabelled_pair(columns, wishes):
        task, texts = dict(zip(TEXTS, pair, strict=False)), pair[:1]
        notes = (
            f"pairs without labels: each {pair[0]!r} should find its {pair[1]!r}; with --task "
            "causal_lm or masked_lm a model learns to write or complete texts",
        )
    else:
        return None
    used = [*texts, *(name for name in task.values() if isinstance(name, str))]
    return make_roles(columns, {"name": "embeddings", **task}, used, texts=texts, notes=notes)


def with_prompts(roles: Roles, folder: Path | None) -> Roles:
    """Return the roles with a checkpoint's prompts for queries and documents, if it names them."""
    file = (folder or Path()) / PROMPTS_FILE
    if roles.task["name"] != "embeddings" or folder is None or not file.is_file():
        return roles
    try:
        prompts = name_prompts(artifacts.read_json(file).get("prompts") or {})
    except (OSError, ValueError, TypeError, AttributeError):  # `temper check` reports it
        return roles
    if not any(prompts.values()):
        return roles
    note = f"texts get the model's prompts: {json.dumps(prompts)}; task.prompts has them"
    return replace(roles, task=roles.task | {"prompts": prompts}, notes=(*roles.notes, note))


def _scored(columns: Columns, wishes: Wishes) -> tuple[str, ...] | None:
    """Return two texts and their score, of a task that is wished."""
    if not wishes.task:
        return None
    if len(wishes.text) == 2 and wishes.label:
        return (*wishes.text, wishes.label)
    pairs = [pair for pair in PAIRS if {*pair} <= {*columns}]
    scores = [n for n, c in columns.items() if n.lower() in LABELS and c.holds_numbers]
    return (*pairs[0], scores[0]) if pairs and scores and not wishes.text else None


def _named(columns: Columns, wishes: Wishes) -> tuple[str, ...] | None:
    """Return anchor, positive and, if there is one, negative."""
    anchors, positives, negatives = (
        [name for name in names if name in columns] for names in (ANCHORS, FOUND, NOT_FOUND)
    )
    if wishes.task and len(wishes.text) == 2:
        return (*wishes.text, *negatives[:1])
    if anchors and positives and (wishes.task or columns[positives[0]].is_text):
        return (anchors[0], positives[0], *negatives[:1])
    return None


def _unlabelled_pair(columns: Columns, wishes: Wishes) -> tuple[str, str] | None:
    """Return two texts by their names, unless another column can be their label.

    Questions and answers are one where the model at hand is an encoder, which writes no answers.
    """
    pairs = (*PAIRS, *(QUESTIONS if wishes.task or wishes.is_encoder else ()))
    for pair in pairs:
        if wishes.text and {*wishes.text} != {*pair}:
            continue
        if {*pair} <= {*columns} and all(columns[name].is_text for name in pair):
            rest = [column for name, column in columns.items() if name not in pair]
            if wishes.task or not any(c.is_categorical or c.name.lower() in LABELS for c in rest):
                return pair
    return None
