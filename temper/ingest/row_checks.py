"""What a row's inputs and its labels must have in common."""

from collections.abc import Callable, Sequence
from typing import Any

from temper.core.errors import InputError
from temper.ingest.columns import ColumnBatch
from temper.params.task import MultipleChoice, TaskParams


def check_tags(
    examples: Sequence[tuple[Any, ...]],
    row_tags: Sequence[list[str] | None],
    where: Callable[[int], str],
) -> None:
    """Check that each row has one tag per word, or no tags at all.

    Raises:
        InputError: a row does not.
    """
    for i, ((words, *_), tags) in enumerate(zip(examples, row_tags, strict=True)):
        if tags is not None and len(words) != len(tags):
            raise InputError(f"{where(i)}: {len(tags)} tags for {len(words)} words")


def check_choices(batch: ColumnBatch, task: TaskParams, where: Callable[[int], str]) -> None:
    """Check that the index of multiple_choice is one of its row's choices.

    Raises:
        InputError: a row's is not.
    """
    if not isinstance(task, MultipleChoice):
        return
    first, is_list = batch[task.choices[0]], len(task.choices) == 1
    for i, index in enumerate(batch[task.label]):
        count = len(first[i]) if is_list else len(task.choices)
        if index is not None and not 0 <= index < count:
            raise InputError(f"{where(i)}: choice {index} of {count}; they count from 0")
