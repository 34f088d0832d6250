"""Waiting for an event; the limit only keeps a test from hanging for ever."""

import time
from collections.abc import Callable

LIMIT_S = 900


def wait_until(condition: Callable[[], object], check: Callable[[], object] = lambda: None) -> None:
    """Wait until a condition holds; `check` raises where it no longer can."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        check()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
