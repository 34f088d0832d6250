"""Described columns → a context, its choices and the index of the right one."""

import re
from typing import Any

from temper.core.errors import InputError
from temper.init.names import CHOICES, CONTEXTS, LABELS, STEMS
from temper.init.profiles import ColumnProfile
from temper.init.roles import Columns, Roles, Wishes, make_roles

NUMBERED = re.compile(r"(ending|choice|option|answer)_?(\d|[a-e])", re.IGNORECASE)


def find(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find a column of lists, or numbered columns, and the index of the right one.

    Raises:
        InputError: the right one is named in another way.
    """
    stems: dict[str, list[str]] = {}
    for name in columns:
        if match := NUMBERED.fullmatch(name):
            stems.setdefault(match[1].lower(), []).append(name)
    lists = [name for name in CHOICES if name in columns]
    choices = lists[:1] or next((names for names in stems.values() if len(names) > 1), [])
    labels = [n for n in (*LABELS, "answer", "answerKey") if n in columns and n not in choices]
    if wishes.label:
        labels = [wishes.label]
    if not choices or not labels:
        return None
    label = next((name for name in labels if columns[name].holds_numbers), labels[0])
    if not columns[label].holds_numbers:
        _check_is_no_name(columns[label], [columns[name] for name in choices])
        return None
    texts = _texts(columns, wishes, [*choices, label])
    if not texts:
        return None
    task: dict[str, Any] = {"name": "multiple_choice", "context": texts[0]}
    task |= {"stem": texts[1]} if len(texts) == 2 else {}
    task |= {"choices": choices, "label": label}
    return make_roles(columns, task, [*texts, *choices, label], texts=[texts[0], choices[0]])


def _texts(columns: Columns, wishes: Wishes, others: list[str]) -> tuple[str, ...]:
    """Return the context and, if there is one, the text that starts every choice."""
    if wishes.text:
        return wishes.text
    rest = [name for name, column in columns.items() if column.is_text and name not in others]
    contexts = [name for name in CONTEXTS if name in columns] or rest
    return (*contexts[:1], *[n for n in STEMS if n in columns and n not in contexts[:1]][:1])


def _check_is_no_name(label: ColumnProfile, choices: list[ColumnProfile]) -> None:
    """Refuse letters, names of columns and copies of choices as the label.

    Raises:
        InputError: they are.
    """
    letters = {chr(ord("A") + i) for i in range(26 if len(choices) == 1 else len(choices))}
    first = [cell for c in choices for cell in (c.cells[0] if c.holds_lists else c.cells[:1])]
    values = {*label.counts}
    if (
        {value.strip().upper() for value in values} <= letters
        or values <= {choice.name for choice in choices}
        or (label.cells and label.cells[0] in first)
    ):
        found = ", ".join(f"{value:.40}" for value in sorted(values)[:4])
        raise InputError(
            f"{label.name!r} names the right choice ({found}); write its position, counted from 0 "
            f"(0 for the first, {choices[0].name}), or name the --task that reads it as a label"
        )
