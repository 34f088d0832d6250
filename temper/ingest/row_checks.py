"""What a row's inputs and its labels must have in common; and texts that are conversations."""

import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from temper.core.errors import InputError
from temper.ingest import literals
from temper.ingest.columns import ColumnBatch, Locate
from temper.params.task import Embeddings, MultipleChoice, TaskParams, TokenClassification
from temper.tasks.base.messages import are_messages
from temper.tasks.base.tags import OUTSIDE, PREFIXES, is_allowed

MEANINGS = {  # scheme → what its prefixes say
    "IOB1": "I- is a word of an entity, and B- begins one right after another of its type",
    "IOB2": "B- begins an entity, also of one word, and I- continues it",
    "BIOES": "B- begins an entity, I- continues and E- ends it; S- is one of one word",
}


def find_conversations(batch: ColumnBatch, task: TaskParams) -> Counter[str]:
    """Count the texts that are a conversation as JSON, which are read as they are written."""
    kinds = task.inputs | dict([task.target] if task.target else [])
    found: Counter[str] = Counter()
    for name in [name for name, kind in kinds.items() if kind == "text"]:
        count = sum(_is_conversation(text) for text in batch.get(name, ()) if text)
        note = (
            f"cells of column {name!r} hold a conversation, read as the text that it is written "
            "in; causal_lm learns its answers with task.messages (docs/tasks.md#conversations)"
        )
        found[note] += count
    return +found


def _is_conversation(text: str) -> bool:
    if literals.OBJECTS.match(text) is None:
        return False
    with suppress(InputError):  # a name that stands twice
        value = literals.parse(text)
        return isinstance(value, list) and are_messages(value)
    return False


def check_choices(batch: ColumnBatch, task: MultipleChoice, where: Callable[[int], str]) -> None:
    """Check that the index of multiple_choice is one of its row's choices.

    Raises:
        InputError: a row's is not.
    """
    first, is_list = batch[task.choices[0]], len(task.choices) == 1
    for i, index in enumerate(batch[task.label]):
        count = len(first[i]) if is_list else len(task.choices)
        if index is not None and not 0 <= index < count:
            raise InputError(f"{where(i)}: choice {index} of {count}; they count from 0")


def check_texts(batch: ColumnBatch, task: Embeddings, locate: Locate) -> None:
    """Check that a row with a positive has an anchor, and a negative if the task names a column.

    All rows with a blank anchor would be one query, with the positives of all of them.

    Raises:
        InputError: one is missing or blank.
    """
    if task.positive is None:
        return
    hints = {
        task.anchor: "",
        task.negative: " (without task.negative, anchors are compared with the positives of other "
        "rows)",
    }
    for name in filter(None, hints):
        for i, (positive, text) in enumerate(zip(batch[task.positive], batch[name], strict=True)):
            if positive is not None and not text.strip():
                raise InputError(
                    f"{locate(name)(i)}: no text; add one or remove the row{hints[name]}"
                )


def check_tags(
    batch: ColumnBatch, task: TokenClassification, where: Callable[[int], str]
) -> Counter[str]:
    """Check that each row has one tag per word, or none; count the tags that break the scheme.

    Args:
        batch: words, and tags by name or by position in `task.labels`; None: not labelled.

    Returns:
        How many tags may not stand where they do, by kind.

    Raises:
        InputError: the words and tags of a row differ in number, or a tag is none of the scheme.
    """
    given = task.labels or ()
    names = {str(i): name for i, name in enumerate(given) if str(i) not in given}
    pairs: Counter[tuple[str | None, str | None]] = Counter()
    for i, (words, tags) in enumerate(zip(batch[task.words], batch[task.tags], strict=True)):
        if tags is not None and len(words) != len(tags):
            raise InputError(f"{where(i)}: {len(tags)} tags for {len(words)} words")
        named = [str(names.get(tag, tag)) for tag in tags or ()]
        for tag in dict.fromkeys(named):
            _check_tag(tag, task.scheme, where(i))
        pairs.update(itertools.pairwise([None, *named, None]))
    kinds: Counter[str] = Counter()
    for (before, tag), count in pairs.items():
        if not is_allowed(tag, before, task.scheme):
            kinds[f"tags break task.scheme {task.scheme}: {_describe(before, tag)}"] += count
    return kinds


def _check_tag(tag: str, scheme: str, where: str) -> None:
    prefix, separator, entity_type = tag.partition("-")
    if tag != OUTSIDE and (prefix not in PREFIXES[scheme] or (separator and not entity_type)):
        allowed = ", ".join([OUTSIDE, *(f"{prefix}-…" for prefix in PREFIXES[scheme])])
        fix = "" if separator else f"; {MEANINGS[scheme]}"
        raise InputError(f"{where}: {tag!r:.80} is no tag of task.scheme {scheme} ({allowed}){fix}")


def _describe(before: str | None, tag: str | None) -> str:
    """Name a pair of tags by their prefixes, such as `I- after O`."""
    first, second = (t and t.partition("-") for t in (before, tag))
    differ = first and second and first[2] and second[2] and first[2] != second[2]
    start = "the start" if first is None else f"{first[0]}{first[1]}"
    end = "the end" if second is None else f"{second[0]}{second[1]}"
    return f"{end} after {start}{' of another type' if differ else ''}"
