"""Requests to the Hub that would wait for ever → requests that end where it says nothing."""

import functools
from typing import Any

WAIT_S = 60.0  # for a connection, and for the next bytes in either direction


@functools.cache
def limit_waits() -> None:
    """Give each of this process's requests to the Hub a limit, unless it has one.

    One that takes longer raises `httpx2.TimeoutException`.
    """
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def open_client() -> Any:
        client = default_client_factory()
        hooks = client.event_hooks
        client.event_hooks = hooks | {"request": [*hooks["request"], limit]}
        return client

    set_client_factory(open_client)


def limit(request: Any) -> None:
    """Put a limit in place of each that is None, which a call of huggingface_hub passes on."""
    limits = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        kind: WAIT_S if limits.get(kind) is None else limits[kind]
        for kind in ("connect", "read", "write", "pool")
    }
