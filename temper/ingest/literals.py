"""A cell that holds a list or an object as text → its value."""

import ast
import contextlib
import io
import itertools
import json
import re
from collections import Counter
from tokenize import NL, STRING, TokenError, generate_tokens
from typing import Any

from temper.core.errors import InputError

OBJECTS = re.compile(r"\s*\[\s*\{")  # how a list of them begins
NO_LITERAL = (ValueError, TypeError, SyntaxError, MemoryError, TokenError, RecursionError)


def parse(text: str) -> Any:
    """Read JSON or what Python prints; None for all else.

    NumPy's `['a' 'b']` is among the rest: Python would join it to `ab`.

    Raises:
        InputError: a name stands twice in an object of JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=unique_names)
    except InputError:
        raise
    except (ValueError, RecursionError):  # thousands of digits or of brackets, too
        pass
    with contextlib.suppress(*NO_LITERAL):
        tokens = generate_tokens(io.StringIO(text.strip()).readline)
        types = [token.type for token in tokens if token.type != NL]
        if (STRING, STRING) not in itertools.pairwise(types):
            return ast.literal_eval(text.strip())
    return None


def split_words(text: str) -> list[Any]:
    """Read words that a table holds as a list, as text, or separated by spaces.

    Raises:
        InputError: the text begins as a list and is none, or see `parse`.
    """
    return parse_list(text) if text.lstrip().startswith("[") else text.split()


def parse_list(text: str) -> list[Any]:
    """Read a list that a table holds as text: in JSON, or as Python prints it.

    Raises:
        InputError: it is neither, or see `parse`.
    """
    parsed = parse(text)
    if not isinstance(parsed, list):
        raise InputError(
            f"expected a list such as [\"a\", \"b\"] or ['a', 'b'], found {text!r:.60}"
        )
    return parsed


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, whose names must stand once: Python would take the last value.

    Raises:
        InputError: one stands twice.
    """
    record = dict(pairs)
    if len(record) < len(pairs):
        (name, count), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise InputError(f"the name {name!r} stands {count} times in one object")
    return record
