"""Tags against `task.scheme`: what is no tag of it is an error, what breaks it is counted."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from temper.core.errors import InputError
from temper.params.task import TaskParams, TokenClassification
from temper.tasks.base.tags import OUTSIDE, PREFIXES, is_allowed


def count_breaks(
    row_tags: Sequence[list[str] | None], task: TaskParams, where: Callable[[int], str]
) -> Counter[str]:
    """Count the tags that may not stand where they do, by kind.

    Args:
        row_tags: names, or positions in task.labels, by row; None: not labelled.
        task: of tags, or else nothing is counted.
        where: from a row's position to its place, for errors.

    Raises:
        InputError: a tag is none of the scheme.
    """
    if not isinstance(task, TokenClassification):
        return Counter()
    given = task.labels or ()
    names = {str(i): name for i, name in enumerate(given) if str(i) not in given}
    pairs: Counter[tuple[str | None, str | None]] = Counter()
    known: set[str] = set()
    for i, tags in enumerate(row_tags):
        named = [names.get(tag, tag) for tag in tags or ()]
        for tag in set(named) - known:
            _check(tag, task.scheme, where(i))
            known.add(tag)
        pairs.update(itertools.pairwise([None, *named, None]))
    kinds: Counter[str] = Counter()
    for (before, tag), count in pairs.items():
        if not is_allowed(tag, before, task.scheme):
            kinds[f"tags break task.scheme {task.scheme}: {_describe(before, tag)}"] += count
    return kinds


def _check(tag: str, scheme: str, where: str) -> None:
    prefix, separator, entity_type = tag.partition("-")
    if tag != OUTSIDE and (prefix not in PREFIXES[scheme] or (separator and not entity_type)):
        allowed = ", ".join([OUTSIDE, *(f"{prefix}-…" for prefix in PREFIXES[scheme])])
        raise InputError(f"{where}: {tag!r:.80} is no tag of task.scheme {scheme} ({allowed})")


def _describe(before: str | None, tag: str | None) -> str:
    """Name a pair of tags by their prefixes, such as `I- after O`."""
    first, second = (t and t.partition("-") for t in (before, tag))
    differ = first and second and first[2] and second[2] and first[2] != second[2]
    start = "the start" if first is None else f"{first[0]}{first[1]}"
    end = "the end" if second is None else f"{second[0]}{second[1]}"
    return f"{end} after {start}{' of another type' if differ else ''}"
