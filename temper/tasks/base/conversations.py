"""Conversations → token ids, as a tokenizer's chat template writes them, and which are answers'.

An answer has the tokens from where the template asks for it to the token that ends its turn.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from temper.core.errors import InputError, RowError
from temper.tasks.base import chat_template
from temper.tasks.base.arrays import Columns
from temper.tasks.base.chat_template import Turns
from temper.tasks.base.messages import ASSISTANT, SYSTEM, USER, Message
from temper.tasks.base.windows import require_fast

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EARLIER = (  # of conversations that `count_partial` counts
    "the chat template writes earlier answers otherwise where the conversation goes on (most leave "
    "out thoughts); those are read, and not learned"
)


class Encoded(NamedTuple):
    """A conversation's tokens."""

    ids: list[int]
    is_answer: list[int]  # 1: of an answer, or what ends its turn
    prompt_length: int  # tokens, before the last answer; all, where there is none
    full_length: int  # tokens, before any were left out


def with_answer(context: Sequence[Message], answer: str | None) -> list[Message]:
    """Return a conversation with its last answer, where there is one."""
    return [*context, *([{"role": ASSISTANT, "content": answer}] if answer is not None else ())]


def count_partial(
    contexts: Sequence[Sequence[Message]], answers: Sequence[str | None], columns: Columns
) -> int:
    """Count the conversations that fit of whose answers only the last ones are learned.

    Args:
        columns: of `encode`; a custom function may have made others.
    """
    masks, found = columns.get("answer_mask", []), 0
    if len(masks) != len(contexts):
        return 0
    for i, (context, answer) in enumerate(zip(contexts, answers, strict=True)):
        if answer is not None and columns["length"][i] == columns["full_length"][i]:
            num_learned = sum(now > before for before, now in pairwise([0, *masks[i]]))
            found += num_learned <= sum(message["role"] == ASSISTANT for message in context)
    return found


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
        RowError: the template refuses a conversation; or see `chat_template.check_contents` and
            `check_questions`.
    """
    turns, asked, whole = chat_template.find_turns(tokenizer), list[list[int]](), list[Encoded]()
    for row, (context, answer) in enumerate(zip(contexts, answers, strict=True)):
        messages = with_answer(context, answer)
        try:
            chat_template.check_contents(tokenizer, turns, messages)
            encoded = _fit(tokenizer, messages, turns, max_prompt if answer is None else max_length)
            prompt = encoded.ids[: encoded.prompt_length]
            if len(encoded.ids) < encoded.full_length or len(prompt) > max_prompt:
                prompt = _fit(tokenizer, context, turns, max_prompt).ids
        except InputError as error:
            raise RowError(row, str(error)) from None
        whole.append(encoded)
        asked.append(prompt)
    return {
        "input_ids": [row.ids[:max_length] for row in whole],
        "answer_mask": [row.is_answer[:max_length] for row in whole],
        "prompt_ids": [ids[-max_prompt:] for ids in asked],
        "length": [min(len(row.ids), max_length) for row in whole],
        "full_length": [row.full_length for row in whole],
        "example_id": list(range(len(whole))),
    }


def _fit(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], turns: Turns, max_length: int
) -> Encoded:
    """Return a conversation without as many of its first turns as it has to lose to fit."""
    whole = _encode(tokenizer, messages, turns)
    if len(whole.ids) <= max_length:
        return whole
    system = [message for message in messages if message["role"] == SYSTEM]
    roles = [message["role"] for message in messages]
    firsts = [i for i, pair in enumerate(pairwise(roles), 1) if pair == (ASSISTANT, USER)]
    shorter = [[*system, *messages[i:]] for i in firsts]
    if not shorter:
        return whole
    first = bisect_left(  # of those that fit, or the last one
        shorter,
        True,
        hi=len(shorter) - 1,
        key=lambda rest: len(_encode(tokenizer, rest, turns).ids) <= max_length,
    )
    return _encode(tokenizer, shorter[first], turns)._replace(full_length=whole.full_length)


def _encode(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], turns: Turns
) -> Encoded:
    """Return the tokens of messages; if the last one is no answer, with the request for one.

    What follows the end of a turn may be there only at the end of the text, as with Phi-3. An
    answer that is written otherwise where the conversation goes on, as without its thought, is not
    learned: nobody will ask for what is there.
    """
    asks = messages[-1]["role"] != ASSISTANT
    text = chat_template.render(tokenizer, messages, asks=asks)
    chat_template.check_questions(messages, text)
    starts = _answer_starts(tokenizer, messages, text)
    ids, offsets, firsts = _tokenize(tokenizer, text, starts.values(), turns.controls)
    is_answer = [0] * len(ids)
    if asks:
        return Encoded(ids, is_answer, len(ids), len(ids))
    (end_token,) = tokenizer.convert_ids_to_tokens([turns.end])
    for (i, start), first in zip(starts.items(), firsts, strict=True):
        last = i == len(messages) - 1
        whole = text if last else chat_template.render(tokenizer, messages[: i + 1], asks=False)
        written, end, _ = whole[start:].partition(end_token)
        stop = start + len(written + end)
        if text.startswith(whole[:stop]):
            _check_written(i + 1, messages[i]["content"], text[:start], written + end)
            for token in range(first, bisect_left(offsets, (stop, 0))):
                is_answer[token] = 1
    return Encoded(ids, is_answer, firsts[-1], len(ids))


def _tokenize(
    tokenizer: "PreTrainedTokenizerBase", text: str, starts: Iterable[int], controls: Container[int]
) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """Return the tokens of a text, their characters, and the first token of each answer.

    The tokens before an answer are its prompt's. Where they would not be, such as where a
    template's line break and an answer's are one token, the text is divided at the answer. Control
    tokens divide it too, so that the part of the prompt after the last one says which its tokens
    are: such a token may hold the white space after it, an answer's too, as with Phi-3.
    """
    (ids, offsets), firsts = _read(tokenizer, text, 0), list[int]()
    for start in starts:
        border = bisect_left(offsets, (start, 0))  # of the first token that begins at or after it
        control = next((i for i in range(border - 1, 0, -1) if ids[i] in controls), 0)
        begin = offsets[control][0] if control else 0
        prompt = _read(tokenizer, text[begin:start], begin)
        firsts.append(control + len(prompt[0]))
        if ids[control : firsts[-1]] != prompt[0]:
            rest = _read_rest(tokenizer, text, start)
            ids = [*ids[:control], *prompt[0], *rest[0]]
            offsets = [*offsets[:control], *prompt[1], *rest[1]]
    return ids, offsets, firsts


def _read(
    tokenizer: "PreTrainedTokenizerBase", part: str, begin: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the tokens of a part of a text that begins there, and their characters in the text."""
    encoded = require_fast(tokenizer, "task.messages")(
        part, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    return encoded["input_ids"], [(a + begin, b + begin) for a, b in encoded["offset_mapping"]]


def _read_rest(
    tokenizer: "PreTrainedTokenizerBase", text: str, start: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the tokens of the rest of a text; some tokenizers write a space before a whole one."""
    for before in "a." if text[start : start + 1].isspace() else "\n":  # in no token with it
        ids, offsets = _read(tokenizer, before + text[start:], start - 1)
        first = bisect_right([stop for _, stop in offsets], start)
        if first < len(ids) and offsets[first][0] >= start:
            return ids[first:], offsets[first:]
    return _read(tokenizer, text[start:], start)


def _answer_starts(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], text: str
) -> dict[int, int]:
    """Return where answers begin in the text of a conversation, in characters, by message.

    Those are left out that are asked for otherwise than they are written where others follow.

    Raises:
        InputError: the last message is an answer, and asked for otherwise than it is written.
    """
    starts: dict[int, int] = {}
    for i, message in enumerate(messages):
        if message["role"] != ASSISTANT:
            continue
        request = chat_template.render(tokenizer, messages[:i], asks=True)
        if text.startswith(request):
            starts[i] = len(request)
        elif i == len(messages) - 1:
            opening = chat_template.find_opening(request)
            begin = request.rindex(chat_template.THOUGHT[0]) if opening else len(request)
            if text.startswith(request[:begin]):
                raise InputError(
                    f"message {i + 1}: the chat template's request for this answer ends with "
                    f"{opening!r}, and the answer begins otherwise: {text[begin:]!r:.80}; begin it "
                    f"as the request ends, or {chat_template.FIX}"
                )
            raise InputError(
                f"the chat template asks for message {i + 1} of {chat_template.describe(messages)} "
                "otherwise than it writes what is before it (some leave out a system message then, "
                f"or a thought); leave that out, or {chat_template.FIX}"
            )
    return starts


def _check_written(number: int, content: str, request: str, written: str) -> None:
    """Check that a template writes an answer as it is, but for white space.

    Raises:
        InputError: it leaves out a part, such as a thought, or writes a thought before one.
    """
    written = chat_template.find_opening(request) + written
    bare, end = "".join(content.split()), chat_template.THOUGHT[1]
    if bare in "".join(written.split()) and content.count(end) in (0, written.count(end)):
        return
    raise InputError(
        f"message {number}: the chat template writes this answer otherwise, as {written!r:.80} "
        f"(some leave out a thought, or write an empty one); leave its thought out, or "
        f"{chat_template.FIX}"
    )
