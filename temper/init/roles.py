"""What the columns of a data set are for: the task's, and every other's."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from temper.init.names import GROUPS, SPLITS
from temper.init.profiles import ColumnProfile

ID = re.compile(r"(^|[\W_])(id|uuid|guid|key|index|no|nr|number)\W*$", re.IGNORECASE)
Columns = Mapping[str, ColumnProfile]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user said, and how to ask for what nobody said."""

    choose: Callable[[str, Sequence[str], str | None, str], str]
    """Asks a question with its choices, default and option of the command line."""
    task: str | None = None
    text: tuple[str, ...] = ()
    label: str | None = None
    config: str | None = None  # of a data set on the Hub
    quality: str = "good"  # a key of quality.PRESETS
    has_encoder: bool = True  # plain texts are for masked_lm, and else for causal_lm
    is_encoder: bool = False  # the model is known, and writes no text
    is_encoder_decoder: bool = False  # it is known, and writes texts of texts


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns are for."""

    task: dict[str, Any]  # the group of params.yaml
    texts: tuple[str, ...] = ()  # columns whose lengths count
    labels: dict[str, int] = field(default_factory=dict)  # name → rows, of one label per row
    group: str | None = None
    ids: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # on what could have been read otherwise


def make_roles(
    columns: Columns,
    task: dict[str, Any],
    used: Sequence[str],
    *,
    texts: Sequence[str] = (),
    labels: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
) -> Roles:
    """Say what the columns are for that the task does not use."""
    rest = [name for name in columns if name not in used]
    complete = [name for name in rest if columns[name].num_cells == columns[name].num_rows]
    groups = [n for n in complete if n.lower() in GROUPS and not columns[n].is_unique]
    ids = [name for name in complete if ID.search(name) and columns[name].is_unique]
    if task["name"].startswith(("image_", "audio_")) and "file" in rest:
        ids.append("file")
    return Roles(
        task=task,
        texts=tuple(texts),
        labels=dict(labels or {}),
        group=groups[0] if groups else None,
        ids=tuple(ids),
        unused=tuple(name for name in rest if name not in (*groups[:1], *ids)),
        notes=(*notes, *_doubts(columns, texts, rest)),
    )


def _doubts(columns: Columns, texts: Sequence[str], rest: Sequence[str]) -> Iterator[str]:
    """Note empty texts, and a column that divides the rows otherwise than this program will."""
    for name in texts:
        if empty := columns[name].num_rows - columns[name].num_cells:
            yield f"{empty:,} of {columns[name].num_rows:,} rows have an empty {name!r}"
    aliases = {alias for names in SPLITS.values() for alias in names}
    for name in rest:
        if len(columns[name].counts) > 1 and {*map(str.lower, columns[name].counts)} <= aliases:
            yield f"{name!r} names the splits and is not read: write a file for each of them"
