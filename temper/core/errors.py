"""Turn a mistake of the user's into one clear message and exit status 1, an interrupt into 130.

Used by every entry point: `with errors.exit_on_input_error(): ...`.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches


class InputError(ValueError):
    """What is wrong, where, what was found, what is allowed, the likely fix."""


@contextmanager
def exit_on_input_error() -> Iterator[None]:
    """Print an `InputError` and exit with status 1; `TEMPER_DEBUG=1` shows the traceback."""
    try:
        yield
    except InputError as error:
        if os.environ.get("TEMPER_DEBUG") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


def nearest(name: str, allowed: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)` for the allowed name most like `name`, or an empty string."""
    matches = get_close_matches(name, allowed, n=1)
    return f" (did you mean '{matches[0]}'?)" if matches else ""
