"""Described columns → conversations; or prompts, of one column or several, and completions."""

import shlex
from collections.abc import Container

from temper.core.errors import InputError
from temper.init import texts as text_of
from temper.init.names import PROMPTS, QUESTIONS
from temper.init.roles import Columns, Roles, Wishes, make_roles

ALPACA = ("instruction", "input", "output")
INSTRUCTION = (  # of Stanford Alpaca, without its first sentence
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)


def find_conversations(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find a column of messages, unless another column or another task is wished."""
    names = [name for name, column in columns.items() if column.holds_conversations]
    wished = {*wishes.text, *filter(None, [wishes.label])}
    if not names or wished - {*names} or wishes.task not in (None, "causal_lm"):
        return None
    names = [name for name in names if name in (wished or names)]
    question = "which column holds whole conversations, with their answers?"
    name = names[0] if len(names) == 1 else wishes.choose(question, names, None, "--text")
    notes = []
    if columns.keys() & {"system", "tools"}:
        beside = ", ".join(sorted(columns.keys() & {"system", "tools"}))
        notes = [f"{beside}: not read; make it a message of the role system, the first one"]
    task = {"name": "causal_lm", "messages": name}
    return make_roles(columns, task, [name], texts=[name], notes=tuple(notes))


def check_conversations(columns: Columns, read: Container[str], task: str) -> None:
    """Refuse a column of conversations that a task would read as texts.

    Raises:
        InputError: one of the columns that are read is.
    """
    for name in [n for n, c in columns.items() if n in read and c.holds_conversations]:
        raise InputError(
            f"column {name!r} holds conversations, which {task} does not read; to "
            f"learn their answers: --task causal_lm --text {shlex.quote(name)}, without "
            f"--label; else write what is to be read of them into a column of its own"
        )


def is_alpaca(columns: Columns, wishes: Wishes) -> bool:
    """Check whether there are Alpaca's columns, and no others are wished."""
    return {*ALPACA} <= {*columns} and not (wishes.text or wishes.label)


def find(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find a prompt, of one column or of several, and what completes it."""
    if wishes.label and wishes.task and text_of.is_joined(wishes, columns):
        parts = list(text_of.split(wishes.text[0], columns))
        task = {"name": "causal_lm", "template": text_of.template(parts), "text": wishes.label}
        return make_roles(columns, task, [*parts, wishes.label], texts=[*parts, wishes.label])
    if is_alpaca(columns, wishes):
        task = {"name": "causal_lm", "template": INSTRUCTION, "text": "output"}
        return make_roles(columns, task, ALPACA, texts=ALPACA)
    wished = [(name, wishes.label) for name in wishes.text if wishes.label and wishes.task]
    for prompt, text in (*wished, *PROMPTS):
        if {prompt, text} <= {*columns}:
            used, notes = [prompt, text], ()
            others = [n for n, c in columns.items() if c.is_text and n not in used]
            if others and not wishes.text:
                together = shlex.quote(", ".join([prompt, *others]))
                option = f"--task causal_lm --text {together} --label {shlex.quote(text)}"
                notes = (f"{', '.join(others)}: not in the prompt; {option} makes one of all",)
            task = {"name": "causal_lm", "prompt": prompt, "text": text}
            return make_roles(columns, task, used, texts=used, notes=notes)
    return None


def find_short(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find prompts before short completions are taken for labels, where the model can write."""
    is_pair = any({*pair} <= {*columns} for pair in PROMPTS if pair not in QUESTIONS)
    is_open = wishes.task is None and not wishes.text and wishes.label is None
    return find(columns, wishes) if is_pair and is_open and not wishes.has_encoder else None
