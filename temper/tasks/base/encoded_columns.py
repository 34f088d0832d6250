"""Columns that a task or `tokenize.encode` returned → their types in data/tokenized."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from temper.core import arrow
from temper.core.errors import InputError
from temper.tasks.base import Task, arrays

if TYPE_CHECKING:
    from datasets import Features


def column_types(columns: Mapping[str, list], raw: "Features", task: Task) -> "Features":
    """Return the types of a first row's encoded columns, without `full_length`.

    Raises:
        InputError: a custom encode function returned an unknown column.
    """
    from datasets import Features, List, Value

    integer, integers, small_integers = Value("int32"), List(Value("int32")), List(Value("int8"))
    if any(isinstance(item, list) for item in columns.get("input_ids", [[]])[0]):
        integers, small_integers = List(integers), List(small_integers)  # one list per choice
    known: dict[str, Any] = dict.fromkeys(("length", "example_id", "prompt_length"), integer)
    known |= dict.fromkeys(
        ("input_ids", "prompt_ids", "word_ids", "starts", "ends", "shape"), integers
    )
    known |= dict.fromkeys(("token_type_ids", "answer_mask"), small_integers)
    known |= dict.fromkeys(("pixel_values", "input_values", "input_features"), Value("binary"))
    known |= {arrow.AUGMENTED: Value("bool"), arrays.LABEL_PROBABILITIES: List(Value("float32"))}
    if "labels" in columns:
        known["labels"] = task.label_type(raw)
    for name in columns:
        if name not in known and name != "full_length":
            raise InputError(
                f"tokenize.encode returned an unknown column {name!r}; known columns: "
                f"{', '.join(known)}"
            )
    return Features({name: known[name] for name in columns if name != "full_length"})
