"""Rules across keys about the text that a task reads: a column, or a template of several."""

from collections.abc import Iterator

from temper.core.errors import nearest
from temper.params import text_template
from temper.params.schema import Params
from temper.params.task import CausalLM, Seq2SeqLM
from temper.params.train_rules import Conflict

TEXT_KEYS = {  # task → the key that `task.template` replaces
    "sequence_classification": "text",
    "masked_lm": "text",
    "causal_lm": "prompt",
    "seq2seq_lm": "source",
}


def text_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield a text that is missing or made twice, and what a template leaves without effect."""
    task, key = p.task, TEXT_KEYS.get(p.task.name)
    if key is None:
        return
    template, column = getattr(task, "template", None), getattr(task, key)
    if isinstance(task, CausalLM) and task.messages is not None:
        for name in ("prompt", "template", "truncate_column", "text"):
            if getattr(task, name) is not None:
                yield f"task.{name}", "has no effect with task.messages; remove one of them"
        return
    if isinstance(task, CausalLM) and task.text is None and template is None:
        message = "missing; name the column of texts or completions, or write a template"
        yield "task.text", f"{message}; of conversations, name it in task.messages"
    elif not task.inputs:
        yield f"task.{key}", "missing; name the column, or write a template of several"
    if template is not None and column is not None:
        yield "task.template", f"makes the text that task.{key} names a column for: remove one"
    if template is not None and isinstance(task, Seq2SeqLM) and task.prefix:
        yield "task.prefix", "begin task.template with it instead; remove it"
    yield from _truncate_conflicts(p, template)


def column_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield columns with the name of one that data/raw has for what is made of several."""
    task, targets = p.task, {*(p.task.target or ())[:1]}
    made = targets - {name for name in task.label_columns if name not in task.inputs}
    if task.has_label_probabilities:
        made.add("label_probabilities")
    for name in sorted(made & {*task.inputs, *p.data.extra_columns, *task.label_columns}):
        message = f"the column {name!r} would be overwritten by what is made of the label columns"
        yield "data.rename", f"{message}; give it another name here, and in the key that names it"


def _truncate_conflicts(p: Params, template: str | None) -> Iterator[Conflict]:
    cut, key = getattr(p.task, "truncate_column", None), "task.truncate_column"
    if cut is None:
        return
    if template is None:
        yield key, "has no effect without task.template; remove it"
    elif cut not in (named := text_template.columns(template)):
        message = f"{cut!r} is no column of task.template{nearest(cut, named)}"
        yield key, f"{message}; it has {', '.join(named)}"
    elif p.tokenize.overflow == "window":
        yield key, "has no effect with tokenize.overflow: window, which cuts nothing; remove it"
    elif isinstance(p.task, CausalLM) and p.task.text is None:
        yield key, "has no effect on plain texts, of which nothing is cut; remove it"
