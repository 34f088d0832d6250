"""Cells that hold lists and objects as text are read, or are none of them."""

import pytest

from temper.core.errors import InputError
from temper.ingest import columns, literals


@pytest.mark.parametrize("text", ["{[]}", "{{}}", "[{{}}]", "[{[]: 1}]", "9" * 5000, "[" * 9999])
def test_what_is_no_literal_is_none(text):
    """Python finds that some of it cannot be hashed, or has too many digits or brackets."""
    assert literals.parse(text) is None
    with pytest.raises(InputError, match="expected a list such as"):
        literals.parse_list(text)


@pytest.mark.parametrize("kind", ["messages", "answers"])
def test_a_name_that_stands_twice_in_a_cell_is_an_error(kind):
    """As in a file of JSON: Python would take the last value."""
    cell = '[{"role": "user", "content": "a", "content": "b"}]'
    message = r"train row 1, column 'chat': the name 'content' stands 2 times in one object"
    with pytest.raises(InputError, match=message):
        columns.convert([cell], kind, columns.locate_in("train")("chat"))
