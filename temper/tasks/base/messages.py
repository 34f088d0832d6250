"""A cell with a conversation, as OpenAI or ShareGPT writes it → messages of a role and a text."""

from collections.abc import Sequence
from typing import Any

from temper.core.errors import alternatives

Message = dict[str, str]  # role and content
SYSTEM, USER, ASSISTANT = "system", "user", "assistant"  # roles
FORMS = (("role", "content"), ("from", "value"))  # OpenAI's, ShareGPT's
ROLES = {SYSTEM: SYSTEM, USER: USER, ASSISTANT: ASSISTANT, "human": USER, "gpt": ASSISTANT}
UNREAD = ("tool_calls", "function_call", "reasoning_content", "thinking", "weight")
EXAMPLE = '[{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]'


def are_messages(items: Sequence[Any]) -> bool:
    """Say whether at least half of some items have a role and its content, as messages have."""
    keys = [{*item} if isinstance(item, dict) else set() for item in items]
    return any(2 * sum({*form} <= found for found in keys) >= len(keys) > 0 for form in FORMS)


def read(value: Any) -> list[Message]:
    """Return the messages of a conversation: the user's and the assistant's answers to them.

    A system message may come first, and the user may say several things before an answer.

    Raises:
        ValueError: it is none, or has parts that are no text; names the message.
    """
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a conversation such as {EXAMPLE}")
    messages: list[Message] = []
    for number, item in enumerate(value, 1):
        try:
            message = _message(item)
            _check_order(message["role"], messages[-1]["role"] if messages else None)
        except ValueError as error:
            raise ValueError(f"message {number}: {error}") from None
        messages.append(message)
    if messages[-1]["role"] == SYSTEM:
        raise ValueError("a conversation needs a message of the user")
    return messages


def split(value: Any) -> tuple[list[Message], str | None]:
    """Return what the last answer is generated from, and this answer, if one is at the end.

    Raises:
        ValueError: see `read`.
    """
    *before, last = read(value)
    return (before, last["content"]) if last["role"] == ASSISTANT else ([*before, last], None)


def _message(item: Any) -> Message:
    keys = next((keys for keys in FORMS if isinstance(item, dict) and {*keys} <= {*item}), None)
    if keys is None:
        raise ValueError("expected a role and a content (or from and value)")
    for key in UNREAD:
        if item.get(key) not in (None, "", [], 1):
            raise ValueError(f"has {key}, which is not learned; remove it, or the conversation")
    role, content = (item[key] for key in keys)
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"{keys[0]} is {role!r:.40}{alternatives(str(role), ROLES)}")
    if not isinstance(content, str):
        what = "null" if content is None else f"a {type(content).__name__}"
        raise ValueError(f"its {keys[1]} is {what}; only a text can be learned")
    content.encode()  # half of a surrogate pair is a UnicodeEncodeError, a ValueError
    if ROLES[role] == ASSISTANT and not content.strip():
        raise ValueError("an empty answer; write one, or remove the conversation")
    return {"role": ROLES[role], "content": content}


def _check_order(role: str, before: str | None) -> None:
    if role == SYSTEM and before is not None:
        raise ValueError("a system message can only be the first one")
    if role == ASSISTANT and before == ASSISTANT:
        raise ValueError("an answer after an answer; make one of both")
    if role == ASSISTANT and before != USER:
        raise ValueError("an answer before the user says anything; remove it")
