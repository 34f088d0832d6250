"""Conversations of local files → what the tokenizer's chat template refuses of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from temper.check import data_checks
from temper.check.findings import Findings
from temper.core.errors import InputError
from temper.ingest import columns, label_values
from temper.params.schema import Params
from temper.params.task import CausalLM
from temper.tasks.base import chat_template, conversations

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def check(parameters: Params, tokenizer: "PreTrainedTokenizerBase", findings: Findings) -> None:
    """Report the first row of each split that the template refuses.

    A template may look at roles, their order and thoughts: of each order, one conversation is
    tried. What makes turns is looked for in all.
    """
    p, task = parameters, parameters.task
    is_chat = isinstance(task, CausalLM) and task.messages is not None
    if not is_chat or p.data.source != "files" or findings.mistakes:
        return
    turns = chat_template.find_turns(tokenizer)
    max_length, tried = p.tokenize.max_length or 0, set()
    for split, local in data_checks.find_splits(p, findings).items():
        with findings.at(f"data.files.{split}", f"{p.data.files[split]}: "):
            for where, context, answer in _rows(p, split, local):
                with _at(where):
                    whole = conversations.with_answer(context, answer)
                    chat_template.check_contents(tokenizer, turns, whole)
                thought = chat_template.THOUGHT[1]
                order = (*((m["role"], thought in m["content"]) for m in whole),)
                if order in tried:
                    continue
                tried.add(order)
                row = [context], [answer]
                with _at(where):
                    columns = conversations.encode(tokenizer, *row, max_length, max_length)
                if conversations.count_partial(*row, columns):
                    findings.facts["answers"] = f"as in {where}, {conversations.EARLIER}"


@contextmanager
def _at(where: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _rows(
    p: Params, split: str, local: data_checks.LocalSplit
) -> Iterator[tuple[str, list[conversations.Message], str | None]]:
    """Yield where each conversation of a split is, what is before its last answer, and this."""
    first = 0
    for batch in data_checks.read(local, split, p, str):
        locate = columns.locate_in(split, first)
        ((name, contexts),) = columns.read_inputs(batch, p.task.inputs, locate).items()
        answers = label_values.read_targets(batch, p.task, split, locate)
        for i, pair in enumerate(zip(contexts, answers, strict=True)):
            yield locate(name)(i), *pair
        first += columns.num_rows(batch)
