"""Labels as a user's files spell them ↔ ids and cells: what may be written into a label's place."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from temper.core.errors import InputError, alternatives
from temper.data_loop import source_rows
from temper.data_loop.source_rows import Source
from temper.ingest import columns, label_encoder, label_values, literals
from temper.params.classification import SequenceClassification
from temper.params.schema import Params
from temper.params.task import TaskParams
from temper.tasks.base.label_predictions import label_separator
from temper.tasks.base.tags import is_allowed

NO_LABEL = "(none)"  # of a row with several labels: that it has none of them


class Spelling:
    """How the labels stand in the files.

    Args:
        names: in the order of their ids.
        written: the names as the files have them, which may be ids; {}: as `names`.
    """

    def __init__(self, task: TaskParams, names: Sequence[str], written: Mapping[str, Any]):
        self.has_several = task.target_type == "classes"
        self.has_tags = task.target_type == "tags"
        self.separator = label_separator(task)
        if self.has_tags and all(name.split() == [name] for name in names):
            self.separator = " "
        are_ids = bool(written) and label_encoder.are_label_ids(written, task.classes)
        self.names = [str(i) for i in range(len(names))] if are_ids else list(names)

    def text(self, ids: Sequence[int]) -> str:
        """Return label ids as one text."""
        return self.join([self.names[i] for i in ids])

    def join(self, names: Sequence[str]) -> str:
        return self.separator.join(names) or NO_LABEL

    def are_same(self, names: Sequence[str], text: str) -> bool:
        """Say whether a cell of the list has these labels; of several, in whatever order."""
        given, found = [key(name) for name in names], [key(part) for part in self._parts(text)]
        return set(given) == set(found) if self.has_several else given == found

    def parse(self, text: str, where: str) -> list[str]:
        """Return the labels of a corrected cell.

        Raises:
            InputError: an unknown label, or one that is like several.
        """
        return [self._known(part, where) for part in self._parts(text)]

    def _parts(self, text: str) -> list[str]:
        if not (self.has_several or self.has_tags):
            return [text]
        separator = None if self.separator == " " else self.separator  # None: any white space
        return [] if text == NO_LABEL else [part.strip() for part in text.split(separator)]

    def _known(self, label: str, where: str) -> str:
        alike = [label] if label in self.names else [n for n in self.names if key(n) == key(label)]
        if len(alike) > 1:
            listed = ", ".join(map(repr, alike))
            raise InputError(
                f"{where}: corrected_label {label!r} may be any of {listed}; make these one label "
                "in the data"
            )
        if not alike:
            raise InputError(
                f"{where}: corrected_label {label!r} is no label of the data"
                f"{alternatives(label, self.names)}"
            )
        return alike[0]


def check_tags(now: list[str], tags: list[str], scheme: str, where: str) -> None:
    """Refuse tags that are not one per word, or do not follow the scheme where those now do.

    Raises:
        InputError: names the word.
    """
    if len(tags) != len(now):
        raise InputError(
            f"{where}: corrected_label has {len(tags)} tags, and the row {len(now)} words; write "
            "one for each word, as in current_label"
        )
    if first_mistake(now, scheme) is None and (word := first_mistake(tags, scheme)) is not None:
        raise InputError(
            f"{where}: corrected_label: tag {word + 1}, {tags[word]}, does not follow "
            f"{tags[word - 1] if word else 'the start'} (task.scheme: {scheme})"
        )


def first_mistake(tags: list[str], scheme: str) -> int | None:
    """Return the place of the first tag that a scheme does not allow there, perhaps as the last."""
    for place, (before, tag) in enumerate(itertools.pairwise([None, *tags, None])):
        if not is_allowed(tag, before, scheme):
            return min(place, len(tags) - 1)
    return None


def key(label: str) -> str:
    """Return what tells labels apart in a list that a spreadsheet has saved: true is TRUE there."""
    stripped = label.strip()
    return stripped.lower() if stripped.lower() in ("true", "false") else stripped


def written(parameters: Params) -> dict[str, Any]:
    """Return each label of the files of all splits by its name, as a cell or a list holds it."""
    task, data, found = parameters.task, parameters.data, {}
    assert task.target is not None
    name, _ = task.target
    for split in data.files:
        for batch in source_rows.read(split, data, Source(), str):
            renamed = source_rows.renamed(batch, parameters)
            values = columns.find_column(renamed, name) or [None] * columns.num_rows(batch)
            targets = label_values.read_targets(renamed, task, split, columns.locate_in(split))
            for value, labels in zip(values, targets, strict=True):
                for label, item in zip(labels or (), _items(value, labels or ()), strict=True):
                    found.setdefault(label, item)
    return found


def _items(value: Any, labels: Sequence[str]) -> Sequence[Any]:
    """Return the labels of one cell as its list holds them."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, str) and value.lstrip().startswith("[") and [value] != [*labels]:
        return literals.parse_list(value)
    return labels if isinstance(value, str | None) or len(labels) != 1 else [value]


def read(task: TaskParams, cells: Mapping[str, Any]) -> list[str]:
    """Return the label names of one row's columns, as they are written."""
    batch = {name: [value] for name, value in cells.items()}
    (target,) = label_values.read_targets(batch, task, "train", columns.locate_in("train"))
    return list(target or ())


def changed(
    task: TaskParams, cells: Mapping[str, Any], labels: Sequence[str], written: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns to change, so that the row has these labels, in the form of the old ones.

    Args:
        cells: the row's columns, renamed.
        written: as the function of this name returns it.
    """
    if isinstance(task, SequenceClassification) and isinstance(task.label, tuple):
        return {name: like(cells.get(name), name in labels) for name in task.label}
    assert task.target is not None
    name, value_type = task.target
    old = columns.find_column({k: [v] for k, v in cells.items()}, name)
    value = old[0] if old else None
    items = [written.get(label, label) for label in labels]
    if value_type == "class":
        return {name: items[0] if value is None else like_label(value, labels[0])}
    if not isinstance(value, str):
        return {name: items}
    if value_type == "tags" and not value.lstrip().startswith("["):
        return {name: " ".join(map(str, items))}
    separator = getattr(task, "label_separator", None)
    return {name: list_like(value, items) if separator is None else separator.join(labels)}


def list_like(old: str, items: Sequence[Any]) -> str:
    """Write a list as the text of the old one was: JSON, or as Python prints it."""
    try:
        json.loads(old or "[]")
    except ValueError:
        return repr(list(items))
    return json.dumps(list(items), ensure_ascii=False)


def like(old: Any, flag: bool) -> Any:
    """Write a flag as the old one was: 1, "1", "1.0", True, "true", "TRUE" …"""
    if isinstance(old, str):
        on, off = next(
            (pair for pair in (("1", "0"), ("1.0", "0.0"), ("true", "false"), ("True", "False"),
                               ("TRUE", "FALSE")) if old.strip() in pair), ("1", "0"),
        )  # fmt: skip
        return on if flag else off
    return type(old)(flag) if isinstance(old, bool | int | float) else int(flag)


def like_label(old: Any, label: str) -> Any:
    """Write a label's name as the type that the old one had."""
    if isinstance(old, bool) and label in ("true", "false"):
        return label == "true"
    if isinstance(old, int | float) and not isinstance(old, bool):
        try:
            return type(old)(label)
        except ValueError:
            return label
    return label
