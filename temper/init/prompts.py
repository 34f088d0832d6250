"""Described columns → prompts, of one column or of several, and what completes them."""

import shlex

from temper.init import texts as text_of
from temper.init.names import PROMPTS, QUESTIONS
from temper.init.roles import Columns, Roles, Wishes, make_roles


def find(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find a prompt, of one column or of several, and what completes it."""
    if wishes.label and wishes.task and text_of.is_joined(wishes, columns):
        parts = list(text_of.split(wishes.text[0], columns))
        task = {"name": "causal_lm", "template": text_of.template(parts), "text": wishes.label}
        return make_roles(columns, task, [*parts, wishes.label], texts=[*parts, wishes.label])
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
