"""Conversations → token ids, as a tokenizer's chat template writes them, and which are answers'.

An answer has the tokens from where the template asks for it to the token that ends its turn.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Sequence
from contextlib import nullcontext, suppress
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
    full_length: int  # tokens, before any were left out

    @property
    def prompt(self) -> list[int]:
        """The tokens before the last answer, where there is one."""
        if not any(self.is_answer):
            return self.ids
        backwards = self.is_answer[::-1]
        return self.ids[: len(self.ids) - backwards.index(0, backwards.index(1))]


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
            prompt = encoded.prompt
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
    """Return the tokens of messages; if the last one is no answer, with the request for one."""
    asks = messages[-1]["role"] != ASSISTANT
    text = chat_template.render(tokenizer, messages, asks=asks)
    chat_template.check_questions(messages, text)
    (end_token,) = tokenizer.convert_ids_to_tokens([turns.end])
    spans: list[tuple[int, int]] = []
    with suppress(InputError) if asks else nullcontext():  # earlier answers are only read then
        spans = [*_answer_spans(tokenizer, messages, text, end_token)]
    ids, offsets = _tokenize(tokenizer, text, [start for start, _ in spans], turns.controls)
    is_answer, stops = [0] * len(ids), [stop for _, stop in offsets]
    for start, stop in [] if asks else spans:
        for i in range(bisect_right(stops, start), len(ids)):
            if offsets[i][0] >= stop:
                break
            is_answer[i] = 1
            if ids[i] == turns.end:
                break
    return Encoded(ids, is_answer, len(ids))


def _tokenize(
    tokenizer: "PreTrainedTokenizerBase", text: str, starts: Sequence[int], controls: Container[int]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the tokens of a text and their characters; those before an answer are its prompt's.

    Where they would not be, such as where a template's line break and an answer's are one token,
    the text is divided at the answer. Control tokens divide it too, so that the part of the prompt
    after the last one says which its tokens are.
    """

    def read(begin: int, stop: int | None = None) -> tuple[list[int], list[tuple[int, int]]]:
        encoded = require_fast(tokenizer, "task.messages")(
            text[begin:stop], add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return encoded["input_ids"], [(a + begin, b + begin) for a, b in encoded["offset_mapping"]]

    ids, offsets = read(0)
    for start in starts:
        border = bisect_left(offsets, (start, 0))  # of the first token that begins at or after it
        first = next((i for i in range(border - 1, 0, -1) if ids[i] in controls), 0)
        prompt = read(offsets[first][0] if first else 0, start)
        if ids[first : first + len(prompt[0])] != prompt[0]:
            rest = read(start)
            ids = [*ids[:first], *prompt[0], *rest[0]]
            offsets = [*offsets[:first], *prompt[1], *rest[1]]
    return ids, offsets


def _answer_spans(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], text: str, end_token: str
) -> Iterator[tuple[int, int]]:
    """Yield where each answer begins and ends in the text of a conversation, in characters.

    What follows the end of a turn may be there only at the end of the text, as with Phi-3. One that
    is written otherwise where the conversation goes on, as without its thought, is left out: nobody
    will ask for what is there.

    Raises:
        InputError: an answer is asked for otherwise than it is written, or not all of it is there.
    """
    for i, message in enumerate(messages):
        if message["role"] != ASSISTANT:
            continue
        before = chat_template.render(tokenizer, messages[:i], asks=True)
        after = chat_template.render(tokenizer, messages[: i + 1], asks=False)
        after = after[: after.find(end_token, len(before)) + len(end_token)]
        if not after.startswith(before):
            raise InputError(
                f"the chat template asks for message {i + 1} of {chat_template.describe(messages)} "
                "otherwise than it writes what is before it (some leave out a system message then, "
                f"or a thought); leave that out, or {chat_template.FIX}"
            )
        if not text.startswith(after):
            continue
        _check_written(i + 1, message["content"], before, after[len(before) :])
        yield len(before), len(after)


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
