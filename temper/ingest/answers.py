"""Answers with the positions that a file gives → their first characters in the context.

Other languages count in UTF-16 units (JavaScript, Java, C#) or UTF-8 bytes (Go, Rust).
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from temper.core.errors import InputError
from temper.ingest.columns import ColumnBatch
from temper.params.task import QuestionAnswering, TaskParams

UNITS = (("UTF-16 units", "utf-16-le", 2), ("UTF-8 bytes", "utf-8", 1))


def place(
    batch: ColumnBatch, task: TaskParams, where: Callable[[int], str]
) -> tuple[Counter[str], list[str]]:
    """Correct the `answer_start` of a batch's answers, in place, where that is unambiguous.

    Args:
        batch: converted columns.
        task: names them; of other tasks nothing is looked at.
        where: from a position in the batch to its split, row and column.

    Returns:
        How many rows were corrected, by the reason, and an error for each row that could not be.
    """
    notes: Counter[str] = Counter()
    errors: list[str] = []
    if not isinstance(task, QuestionAnswering):
        return notes, errors
    rows = zip(batch[task.context], batch[task.answers], strict=True)
    for i, (context, answers) in enumerate(rows):
        try:
            notes.update(_place_row(context, answers))
        except InputError as error:
            errors.append(f"{where(i)}: {error}")
    return notes, errors


def _place_row(context: str, answers: dict[str, list[Any]] | None) -> set[str]:
    reasons: set[str] = set()
    if answers is None:
        return reasons
    for i, text in enumerate(answers["text"]):
        start = answers["answer_start"][i]
        if start >= 0 and context.startswith(text, start):
            continue
        answers["answer_start"][i], reason = find_start(context, text, start)
        reasons.add(f"answers {reason}")
    return reasons


def find_start(context: str, text: str, start: int) -> tuple[int, str]:
    """Return where an answer begins that is not at `start`, and why that is sure.

    Raises:
        InputError: it may begin nowhere, or at several characters.
    """
    found: dict[int, str] = {}
    for unit, encoding, size in UNITS if start >= 0 else ():
        before = context.encode(encoding, "surrogatepass")[: start * size]
        position = len(before.decode(encoding, "ignore"))
        is_whole = len(context[:position].encode(encoding, "surrogatepass")) == start * size
        if is_whole and context.startswith(text, position):
            found[position] = f"whose start was counted in {unit}: corrected to characters"
    first = context.find(text)
    is_only = first >= 0 and context.find(text, first + 1) < 0
    if is_only and 0 <= start < len(context):
        found.setdefault(first, "that begin elsewhere, where the context has them once: corrected")
    if len(found) == 1:
        return next(iter(found.items()))
    stands = repr(context[start : start + max(len(text), 10)]) if start >= 0 else "nothing"
    raise InputError(
        f"the answer {text!r:.60} does not begin at answer_start {start}, where {stands:.60} "
        f"stands; it counts characters of the context from 0 (of {len(context)})"
    )
