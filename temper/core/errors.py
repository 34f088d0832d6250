"""User mistakes → one clear message and exit status 1; an interrupt → exit status 130.

Every entry point runs under `with errors.exit_on_input_error(): ...`.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches


class InputError(ValueError):
    """A mistake the user can fix.

    The message says what is wrong, where, what was found, what is allowed and the likely fix.
    """


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
        print("interrupted; rerun the same command to resume", file=sys.stderr)
        sys.exit(130)


def nearest(name: str, allowed: Sequence[str]) -> str:
    """Suggest the closest allowed name as ` (did you mean 'x'?)`; empty if none is close."""
    matches = get_close_matches(name, allowed, n=1)
    return f" (did you mean '{matches[0]}'?)" if matches else ""
