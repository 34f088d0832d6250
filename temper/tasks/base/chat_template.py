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
FIX = "write a template to chat_template.jinja in the model's folder (docs/tasks.md#conversations)"
SYSTEM_PROBE, ASKED, PROBE = "Be kind.", "What is four and three?", "Seven."
THOUGHT = "<think>", "</think>"  # around a part of an answer; they make no turn
LEFT_OUT = (  # of a thought
    "is left out of all texts that are generated; leave thoughts out, or make it a token that is "
    'not special ("special": false) in the model\'s tokenizer.json and tokenizer_config.json'
)


class Frame(NamedTuple):
    """What a chat template writes around an answer, after it has asked for it."""

    lead: str  # often nothing; as it is decoded, without special tokens
    end: int  # the token that ends the turn
    opening: str  # of an answer, where the request for one has it: often nothing


class Turns(NamedTuple):
    """With what a chat template makes turns, which no message may hold."""

    end: int  # the token that ends an answer
    controls: set[int]  # tokens
    marks: list[re.Pattern[str]]  # plain text
    drops_system: bool  # it leaves out system messages


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
    asked: list[Message] = [{"role": USER, "content": ASKED}]
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
    lead_ids = tokenizer(lead, add_special_tokens=False)["input_ids"]
    if ends[0] in lead_ids:
        end = tokenizer.convert_ids_to_tokens(ends[0])
        raise InputError(
            f"the chat template writes {end!r}, which ends an answer, before one too, where "
            f"generation would end: {FIX}"
        )
    decoded = str(tokenizer.decode(lead_ids, skip_special_tokens=True))
    return Frame(decoded, ends[0], find_opening(before))


def find_opening(request: str) -> str:
    """Return what a request for an answer has of one that begins with a thought."""
    _, thought, rest = request.rpartition(THOUGHT[0])
    return "" if rest.strip() else thought + rest


def read_answer(frame: Frame, generated: str) -> str:
    """Return an answer as a message has it, of what was generated after the request for it."""
    text, lead = generated.strip(), frame.lead.strip()
    if lead and text.startswith(lead):
        return text.removeprefix(lead).strip()
    return frame.opening * (THOUGHT[1] in text) + text


def find_turns(tokenizer: "PreTrainedTokenizerBase") -> Turns:
    """Return with what the chat template makes turns.

    These are special tokens, other added ones that it writes, and what it writes between two
    messages where no such token is. An unknown token changes no turn.

    Raises:
        InputError: see `find_frame`.
    """
    system: Message = {"role": SYSTEM, "content": SYSTEM_PROBE}
    turn: list[Message] = [{"role": USER, "content": ASKED}, {"role": ASSISTANT, "content": PROBE}]
    texts = []
    for first in ([], [system]):
        with suppress(InputError):  # some templates know no system message
            texts.append(render(tokenizer, [*first, *turn, turn[0]], asks=False))
    added = tokenizer.added_tokens_decoder
    written = {*added}.intersection(i for ids in _encode(tokenizer, texts) for i in ids)
    turns = {i for i in written if added[i].content.strip() and added[i].content not in THOUGHT}
    special = {i for i, token in added.items() if token.special} | {*tokenizer.all_special_ids}
    # tokenizer_config.json may say otherwise than tokenizer.json, which generated texts follow
    thoughts = (i for i, token in added.items() if token.content in THOUGHT)
    special |= {i for i in thoughts if not tokenizer.decode([i], skip_special_tokens=True)}
    controls = (special | turns).difference([tokenizer.unk_token_id])
    gaps = [gap for text in texts for gap in _gaps(text)]
    plain = [
        gap
        for gap, ids in zip(gaps, _encode(tokenizer, gaps), strict=True)
        if gap.strip() and not controls.intersection(ids)
    ]
    drops_system = len(texts) > 1 and SYSTEM_PROBE not in texts[1]
    marks = [_mark(gap) for gap in dict.fromkeys(plain)]
    return Turns(find_frame(tokenizer).end, controls, marks, drops_system)


def _gaps(text: str) -> list[str]:
    """Return what a template has written between the probes."""
    between = re.escape(ASKED), re.escape(PROBE)
    found = re.search("(.*?)".join([*between, between[0]]), text, re.DOTALL)
    system = re.search(f"{re.escape(SYSTEM_PROBE)}(.*?){between[0]}", text, re.DOTALL)
    return [gap for match in (system, found) if match for gap in match.groups()]


def _mark(gap: str) -> re.Pattern[str]:
    """Return a pattern of a gap in a text: of its line's beginning, if it begins a line.

    One without a letter that ends a line must do so in the text, too: `-` also begins an item.
    """
    mark = gap.strip()
    before, _, after = gap.partition(mark)
    left = r"^[^\S\n]*" if "\n" in before else r"\b" * mark[0].isalnum()
    ends_line = "\n" in after and not any(map(str.isalpha, mark))
    return re.compile(f"{left}({re.escape(mark)})" + r"[^\S\n]*$" * ends_line, re.MULTILINE)


def _encode(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    return tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]


def check_contents(
    tokenizer: "PreTrainedTokenizerBase", turns: Turns, messages: Sequence[Message]
) -> None:
    """Check that no message ends its turn or begins another one, and that none is left out.

    Raises:
        InputError: one does, or is; names the message.
    """
    if turns.drops_system and messages[0]["role"] == SYSTEM:
        raise InputError(
            f"message 1: the chat template leaves out system messages; remove it, or {FIX}"
        )
    texts = [message["content"] for message in messages]
    for number, (text, ids) in enumerate(zip(texts, _encode(tokenizer, texts), strict=True), 1):
        found = tokenizer.convert_ids_to_tokens(sorted(turns.controls.intersection(ids)))
        marks = [match.group(1) for mark in turns.marks if (match := mark.search(text))]
        if found or marks:
            name, *_ = [*sorted(map(str, found)), *marks]
            what = "a special token" if found else "the beginning of a turn"
            fix = f"write {f'{name[0]} {name[1:]}'!r}" if len(name) > 1 else FIX
            fault = f"which would be read as {what}; remove it, or {fix}"
            if name in THOUGHT:
                fault = f"a special token, which {LEFT_OUT}"
            raise InputError(
                f"message {number}: its text has {name!r}, {fault}; found {text!r:.80}"
            )


def check_questions(messages: Sequence[Message], text: str) -> None:
    """Check that a conversation's text has all that the user says, but for white space.

    Raises:
        InputError: a part is left out, or written otherwise; names the message.
    """
    written = "".join(text.split())
    for number, message in enumerate(messages, 1):
        if message["role"] == USER and "".join(message["content"].split()) not in written:
            raise InputError(
                f"message {number}: the chat template leaves out a part of what the user says, or "
                f"writes it otherwise; remove this, or {FIX}; found {message['content']!r:.80}"
            )


def describe(messages: Sequence[Message]) -> str:
    first = next((m["content"] for m in messages if m["role"] == USER), "")
    roles = ", ".join(message["role"] for message in messages[:5]) + ", …" * (len(messages) > 5)
    return f"a conversation ({roles}; the user: {' '.join(first.split())!r:.60})"
