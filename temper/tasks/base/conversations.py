"""Conversations → token ids, as a tokenizer's chat template writes them, and which are answers'.

An answer has the tokens from where the template asks for it to the token that ends its turn.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from temper.core.errors import InputError, RowError
from temper.tasks.base.arrays import Columns
from temper.tasks.base.messages import ASSISTANT, SYSTEM, USER, Message
from temper.tasks.base.windows import require_fast

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


class Encoded(NamedTuple):
    """A conversation's tokens."""

    ids: list[int]
    is_answer: list[int]  # 1: of an answer, or what ends its turn
    full_length: int  # tokens, before any were left out


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
            f"the chat template refuses {_describe(messages)}: {' '.join(str(error).split()):.200}"
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


def with_answer(context: Sequence[Message], answer: str | None) -> list[Message]:
    """Return a conversation with its last answer, where there is one."""
    return [*context, *([{"role": ASSISTANT, "content": answer}] if answer is not None else ())]


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


def encode(
    tokenizer: "PreTrainedTokenizerBase",
    contexts: Sequence[Sequence[Message]],
    answers: Sequence[str | None],
    max_length: int,
    max_prompt: int,
) -> Columns:
    """Return the columns of conversations, each with its last answer where there is one.

    One that is too long loses its oldest questions with their answers, as many as it must; the
    system message stays. If the last question alone is too long, it loses its beginning where an
    answer is generated, and its end where it is learned.

    Args:
        max_prompt: most tokens of what an answer is generated from.

    Raises:
        RowError: the template refuses a conversation, or writes its answers otherwise later; or
            see `check_contents`.
    """
    end, controls, asked, whole = find_frame(tokenizer).end, control_ids(tokenizer), [], []
    for row, (context, answer) in enumerate(zip(contexts, answers, strict=True)):
        messages = with_answer(context, answer)
        try:
            check_contents(tokenizer, controls, messages)
            asked.append(_fit(tokenizer, context, end, max_prompt))
            answered = asked[-1] if answer is None else _fit(tokenizer, messages, end, max_length)
        except InputError as error:
            raise RowError(row, str(error)) from None
        whole.append(answered)
    return {
        "input_ids": [row.ids[:max_length] for row in whole],
        "answer_mask": [row.is_answer[:max_length] for row in whole],
        "prompt_ids": [row.ids[-max_prompt:] for row in asked],
        "length": [min(len(row.ids), max_length) for row in whole],
        "full_length": [row.full_length for row in whole],
        "example_id": list(range(len(whole))),
    }


def _fit(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], end: int, max_length: int
) -> Encoded:
    """Return a conversation without as many of its first turns as it has to lose to fit."""
    whole = _encode(tokenizer, messages, end)
    if len(whole.ids) <= max_length:
        return whole
    system = [message for message in messages if message["role"] == SYSTEM]
    roles = [message["role"] for message in messages]
    turns = [i for i, pair in enumerate(pairwise(roles), 1) if pair == (ASSISTANT, USER)]
    shorter = [[*system, *messages[i:]] for i in turns]
    if not shorter:
        return whole
    first = bisect_left(  # of those that fit, or the last one
        shorter,
        True,
        hi=len(shorter) - 1,
        key=lambda rest: len(_encode(tokenizer, rest, end).ids) <= max_length,
    )
    return _encode(tokenizer, shorter[first], end)._replace(full_length=whole.full_length)


def _encode(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], end: int) -> Encoded:
    """Return the tokens of messages; if the last one is no answer, with the request for one."""
    asks = messages[-1]["role"] != ASSISTANT
    text = render(tokenizer, messages, asks=asks)
    encoded = require_fast(tokenizer, "task.messages")(
        text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    is_answer, stops = [0] * len(ids), [stop for _, stop in offsets]
    (end_token,) = tokenizer.convert_ids_to_tokens([end])
    for start, stop in [] if asks else _answer_spans(tokenizer, messages, text, end_token):
        for i in range(bisect_right(stops, start), len(ids)):
            if offsets[i][0] >= stop:
                break
            is_answer[i] = 1
            if ids[i] == end:
                break
    return Encoded(ids, is_answer, len(ids))


def _answer_spans(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], text: str, end_token: str
) -> Iterator[tuple[int, int]]:
    """Yield where each answer begins and ends in the text of a conversation, in characters.

    What follows the end of a turn may be there only at the end of the text, as with Phi-3.

    Raises:
        InputError: the text does not begin as that of the messages up to there.
    """
    for i, message in enumerate(messages):
        if message["role"] != ASSISTANT:
            continue
        before = render(tokenizer, messages[:i], asks=True)
        after = render(tokenizer, messages[: i + 1], asks=False)
        after = after[: after.rfind(end_token, len(before)) + len(end_token)]
        if not (after.startswith(before) and text.startswith(after)):
            raise InputError(
                f"the chat template writes answer {i + 1} of {_describe(messages)} otherwise where "
                f"the conversation goes on, so that it cannot be found in the text; {FIX} that "
                "does not, or keep only conversations of one answer"
            )
        yield len(before), len(after)


def _describe(messages: Sequence[Message]) -> str:
    first = next((m["content"] for m in messages if m["role"] == USER), "")
    roles = ", ".join(message["role"] for message in messages[:5]) + ", …" * (len(messages) > 5)
    return f"a conversation ({roles}; the user: {' '.join(first.split())!r:.60})"
