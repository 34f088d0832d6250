"""Described columns → words with a tag each, as lists or as a table writes lists."""

import re
from dataclasses import replace

from temper.ingest.columns import CONVERTERS
from temper.init import labels
from temper.init.names import LABELS
from temper.init.profiles import ColumnProfile
from temper.init.roles import Columns, Roles, Wishes, make_roles

TAG = re.compile(r"O|[BIESLU]-\S+")


def find(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find two columns of lists of the same lengths; the one with fewer values has the tags."""
    lists = [c for c in columns.values() if c.cells and all(isinstance(v, list) for v in c.cells)]
    lists = lists or _written(columns)
    texts = [c for c in lists if all(isinstance(word, str) for cell in c.cells for word in cell)]
    pairs = [
        (words, tags)
        for words in texts
        for tags in lists
        if tags is not words and [*map(len, words.cells)] == [*map(len, tags.cells)]
        if wishes.label in (None, tags.name) and wishes.text in ((), (words.name,))
    ]
    if not pairs:
        return None
    distinct = {c.name: len({str(item) for cell in c.cells for item in cell}) for c in lists}
    named = [pair for pair in pairs if "tag" in pair[1].name or pair[1].name in LABELS]
    words, tags = min(
        [p for p in named or pairs if distinct[p[0].name] >= distinct[p[1].name]] or pairs,
        key=lambda pair: ("ner" not in pair[1].name, distinct[pair[1].name]),
    )
    task = {"name": "token_classification", "words": words.name, "tags": tags.name}
    task["scheme"] = labels.tag_scheme(tags.cells)
    return make_roles(columns, task, [words.name, tags.name], texts=[words.name])


def _written(columns: Columns) -> list[ColumnProfile]:
    """Return the columns of texts with their cells as lists; none where no column holds tags."""
    read = []
    for column in columns.values():
        if column.cells and column.types == {"str"}:
            try:
                read.append(replace(column, cells=[*map(CONVERTERS["texts"], column.cells)]))
            except (TypeError, ValueError):  # it begins like a list
                continue
    return read if any(map(_holds_tags, read)) else []


def _holds_tags(column: ColumnProfile) -> bool:
    tags = {tag for cell in column.cells for tag in cell}
    is_several = any(len(cell) > 1 for cell in column.cells)
    return is_several and bool(tags - {"O"}) and all(map(TAG.fullmatch, tags))
