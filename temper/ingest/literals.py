"""A cell that holds a list or an object as text → its value."""

import ast
import contextlib
import io
import itertools
import json
from tokenize import NL, STRING, TokenError, generate_tokens
from typing import Any

from temper.core.errors import InputError


def parse(text: str) -> Any:
    """Read JSON or what Python prints; None for all else.

    NumPy's `['a' 'b']` is among the rest: Python would join it to `ab`.
    """
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, TokenError, RecursionError):
        tokens = generate_tokens(io.StringIO(text.strip()).readline)
        types = [token.type for token in tokens if token.type != NL]
        if (STRING, STRING) not in itertools.pairwise(types):
            return ast.literal_eval(text.strip())
    return None


def split_words(text: str) -> list[Any]:
    """Read words that a table holds as a list, as text, or separated by spaces.

    Raises:
        InputError: the text begins as a list and is none.
    """
    return parse_list(text) if text.lstrip().startswith("[") else text.split()


def parse_list(text: str) -> list[Any]:
    """Read a list that a table holds as text: in JSON, or as Python prints it.

    Raises:
        InputError: it is neither.
    """
    parsed = parse(text)
    if not isinstance(parsed, list):
        raise InputError(
            f"expected a list such as [\"a\", \"b\"] or ['a', 'b'], found {text!r:.60}"
        )
    return parsed
