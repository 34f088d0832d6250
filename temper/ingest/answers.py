"""Answers with the positions that a file gives → their first characters in the context.

Other languages count in UTF-16 units (JavaScript, Java, C#) or UTF-8 bytes (Go, Rust).
"""

from typing import Any

from temper.core.errors import InputError

UNITS = (("UTF-16 units", "utf-16-le", 2), ("UTF-8 bytes", "utf-8", 1))
UNANSWERED = "questions have no answer"


def place(context: str, answers: dict[str, list[Any]] | None) -> set[str]:
    """Correct the `answer_start` of a row's answers, in place; return what to note of the row.

    Raises:
        InputError: one cannot be corrected without doubt.
    """
    if answers is None:
        return set()
    reasons = set() if answers["text"] else {UNANSWERED}
    for i, text in enumerate(answers["text"]):
        start = answers["answer_start"][i]
        if start < 0 or not context.startswith(text, start):
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
