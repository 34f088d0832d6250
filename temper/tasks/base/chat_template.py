"""A tokenizer's chat template: the text of messages, and with which tokens it makes turns."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from temper.core.errors import InputError
from temper.tasks.base.messages import ASSISTANT, SYSTEM, USER, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DATE = datetime(2024, 7, 26)  # for templates that write today's: tokens would change every day
DATE_FORMAT = re.compile(r"""strftime_now\(\s*(?:format\s*=\s*)?(["'])(.*?)\1""")
PROBE = "Seven."  # an answer, to see what a template writes around one
FIX = "write one to chat_template.jinja in the model's folder (docs/tasks.md#conversations)"


class Frame(NamedTuple):
    """What a chat template writes around an answer, after it has asked for it."""

    lead: str  # often nothing
    end: int  # the token that ends the turn


def render(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], *, asks: bool) -> str:
    """Return the text of a conversation; `asks` begins an answer after it.

    Raises:
        InputError: the template refuses the messages.
    """
    try:
        template = tokenizer.get_chat_template()  # of several the one that is called default
        template = _with_fixed_date(template) if "strftime_now" in template else template
        text: Any = tokenizer.apply_chat_template(
            list(messages), chat_template=template, tokenize=False, add_generation_prompt=asks
        )
    except Exception as error:  # jinja2's, and what the template's code raises
        raise InputError(
            f"the chat template refuses {describe(messages)}: {' '.join(str(error).split()):.200}"
        ) from None
    return text


def _with_fixed_date(template: str) -> str:
    """Return a template that writes `DATE`; one with a computed format then refuses messages."""
    dates = {form: DATE.strftime(form) for _, form in DATE_FORMAT.findall(template)}
    return (
        "{% macro strftime_now(format) %}{% set dates = " + json.dumps(dates) + " %}"
        "{{ dates[format] if format in dates else raise_exception('strftime_now needs its format "
        "in quotes, not computed') }}{% endmacro %}" + template
    )


def find_frame(tokenizer: "PreTrainedTokenizerBase") -> Frame:
    """Return what the chat template writes around an answer.

    Raises:
        InputError: there is no template, or it ends answers by no token of its own.
    """
    if not tokenizer.chat_template:
        raise InputError(f"the tokenizer has no chat template, which task.messages needs: {FIX}")
    asked: list[Message] = [{"role": USER, "content": "What is four and three?"}]
    before = render(tokenizer, asked, asks=True)
    whole = render(tokenizer, [*asked, {"role": ASSISTANT, "content": PROBE}], asks=False)
    lead, found, tail = whole.removeprefix(before).partition(PROBE)
    if not whole.startswith(before) or not found:
        raise InputError(f"the chat template asks for answers otherwise than it writes them: {FIX}")
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    special.discard(tokenizer.unk_token_id)
    ends = [i for i in tokenizer(tail, add_special_tokens=False)["input_ids"] if i in special]
    if not ends:
        raise InputError(
            f"the chat template writes {tail!r:.40} after an answer, which has no special token "
            f"that could end generation: {FIX}"
        )
    return Frame(lead, ends[0])


def control_ids(tokenizer: "PreTrainedTokenizerBase") -> set[int]:
    """Return the special tokens, and other added ones of which the chat template makes turns.

    An unknown token changes no turn. `<think>` is often no special one, and written in answers.
    """
    added, turns = tokenizer.added_tokens_decoder, set[Any]()
    asked: Message = {"role": USER, "content": PROBE}
    system: Message = {"role": SYSTEM, "content": PROBE}
    for first in ([], [system]):
        with suppress(InputError):  # some templates know no system message
            answered = [*first, asked, {"role": ASSISTANT, "content": PROBE}, asked]
            text = render(tokenizer, answered, asks=False)
            turns.update(tokenizer(text, add_special_tokens=False)["input_ids"])
    turns &= {i for i, token in added.items() if token.content.strip()}
    special = {i for i, token in added.items() if token.special} | {*tokenizer.all_special_ids}
    return (special | turns).difference([tokenizer.unk_token_id])


def check_contents(
    tokenizer: "PreTrainedTokenizerBase", controls: set[int], messages: Sequence[Message]
) -> None:
    """Check that no message ends its turn or begins another one, by a token of `control_ids`.

    Raises:
        InputError: one does; names the message.
    """
    texts = [message["content"] for message in messages]
    rows = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    for number, (text, ids) in enumerate(zip(texts, rows, strict=True), 1):
        if found := controls.intersection(ids):
            token, *_ = sorted(map(str, tokenizer.convert_ids_to_tokens(sorted(found))))
            raise InputError(
                f"message {number}: its text has {token!r}, which would be read as a special "
                f"token; remove it, or write {f'{token[0]} {token[1:]}'!r}; found {text!r:.80}"
            )


def describe(messages: Sequence[Message]) -> str:
    first = next((m["content"] for m in messages if m["role"] == USER), "")
    roles = ", ".join(message["role"] for message in messages[:5]) + ", …" * (len(messages) > 5)
    return f"a conversation ({roles}; the user: {' '.join(first.split())!r:.60})"
