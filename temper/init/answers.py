"""Described columns → questions with answers that stand in a text."""

from dataclasses import replace

from temper.core.errors import InputError
from temper.init.profiles import ColumnProfile
from temper.init.roles import Columns, Roles, Wishes, make_roles

NAMES = ("question", "context", "answers")
MIN_GROUPS = 10  # texts that questions share: fewer cannot be divided into tenths


def find(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find the columns of SQuAD.

    Raises:
        InputError: the answers stand in the contexts, and no column says where.
    """
    if not {*NAMES} <= {*columns}:
        _check_answers(columns, wishes)
        return None
    task = {"name": "question_answering", **{name: name for name in NAMES}}
    context, answers = columns["context"], columns["answers"]
    notes = ()
    if answers.num_hollow:
        notes = (f"{answers.num_hollow:,} of {answers.num_cells:,} questions have no answer",)
    roles = make_roles(columns, task, NAMES, texts=NAMES[:2], notes=notes)
    if roles.group is None and context.num_distinct >= MIN_GROUPS and not context.is_unique:
        roles = replace(roles, group="context")  # several questions are about one text
    return roles


def _check_answers(columns: Columns, wishes: Wishes) -> None:
    """Refuse answers beside the contexts that hold them, where they are not to be written."""
    is_open = wishes.task is None and not wishes.text and wishes.label is None
    has_starts = any("start" in name.lower() for name in columns)
    if wishes.task != "question_answering" and not (is_open and (wishes.is_encoder or has_starts)):
        return
    is_asked = "question" in columns and "context" in columns
    found = [
        name
        for name, column in columns.items()
        if name.lower().startswith("answer") and is_asked and _holds(columns["context"], column)
    ]
    if found or wishes.task is not None:
        held = f"{found[0]!r} stands in 'context'; " if found else ""
        raise InputError(
            f"{held}question_answering reads the columns question, context and answers, which is "
            'an object such as {"text": ["an answer"], "answer_start": [5]}, counted from 0: write '
            "it, or say --task for another use of the texts"
        )


def _holds(contexts: ColumnProfile, answers: ColumnProfile) -> bool:
    """Whether each answer stands in the context of its row, where both have a text."""
    if contexts.types != {"str"} or answers.types != {"str"}:
        return False
    context = dict(zip(contexts.rows, contexts.cells, strict=True))
    both = [i for i, row in enumerate(answers.rows) if row in context]
    return bool(both) and all(answers.cells[i] in context[answers.rows[i]] for i in both)
