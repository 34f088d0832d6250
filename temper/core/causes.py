"""The errors behind an error."""

from collections.abc import Iterator


def chain(error: BaseException | None, *, contexts: bool = True) -> Iterator[BaseException]:
    """Yield an error, what caused it, what caused that, and so on, each once.

    Such a chain is a ring where a cause was raised once more: its context is what it caused.

    Args:
        contexts: follow also those that were handled meanwhile, not only `raise ... from`.
    """
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (error.__context__ if contexts else None)
