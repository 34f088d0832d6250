"""Described columns → which texts should get similar vectors."""

from typing import Any

from temper.init.names import ANCHORS
from temper.init.roles import Columns, Roles, Wishes, make_roles


def find(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find texts to search with and what they should find, by name or as wished.

    With `--task embeddings` two --text are the pairs, and --label is the column of their scores.
    """
    if wishes.task and len(wishes.text) == 2 and wishes.label:
        task: dict[str, Any] = {"text": [*wishes.text], "score": wishes.label}
        texts = wishes.text
    elif pair := _pair(columns, wishes):
        task = dict(zip(("anchor", "positive"), pair, strict=True))
        if "negative" in columns:
            task["negative"] = "negative"
        texts = pair[:1]
    else:
        return None
    used = [*texts, *(name for name in task.values() if isinstance(name, str))]
    return make_roles(columns, {"name": "embeddings", **task}, used, texts=texts)


def _pair(columns: Columns, wishes: Wishes) -> tuple[str, ...] | None:
    if wishes.task and len(wishes.text) == 2:
        return wishes.text
    named = [name for name in ANCHORS if name in columns]
    positive = columns.get("positive")
    if not named or positive is None or not (wishes.task or positive.is_text):
        return None
    return named[0], "positive"
