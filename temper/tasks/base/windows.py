"""How many tokens of a text fit into one window of a model."""

from typing import Any

from temper.core.errors import InputError
from temper.params.tokenize import TokenizeParams


def check_max_length(tokenize: TokenizeParams, processor: Any, num_texts: int) -> None:
    """Refuse a `max_length` the model has no positions for, or that leaves no room for text."""
    max_length, stride = tokenize.max_length, tokenize.stride or 0
    if max_length is None:
        return
    special = processor.num_special_tokens_to_add(pair=num_texts == 2)
    if max_length > processor.model_max_length:
        raise InputError(
            f"tokenize.max_length is {max_length}, but the model has positions for "
            f"{processor.model_max_length} tokens; set it to that or less"
        )
    if max_length < special + num_texts:
        raise InputError(
            f"tokenize.max_length is {max_length}, but {special} special tokens and a token for "
            f"each text need {special + num_texts}"
        )
    room = (max_length // 2 if num_texts == 2 else max_length) - special
    if stride >= room:
        raise InputError(
            f"tokenize.stride is {stride}, but a window of {max_length} tokens has room for {room} "
            "of the text; set it lower"
        )
