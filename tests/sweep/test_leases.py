"""One of several machines gets a trial."""

import time

from temper.sweep import leases, storage


def test_one_of_several_machines_gets_a_trial(tmp_path):
    """A lease is taken once, and is free when it is given back or its heartbeat stops."""
    opened = storage.open_storage(f"sqlite:///{tmp_path}/leases.db")
    one, two = (leases.Leases(opened.engine, name, "p", exclusive=False) for name in "ab")
    assert one.acquire(0)
    assert not two.acquire(0)
    held = two.current()[0]
    assert not two.is_dead(0, held)
    now = time.monotonic()
    two.last_seen[0] = (held, now - leases.STALE_S - 1)
    assert two.is_dead(0, held)
    one.heartbeat()
    assert not two.is_dead(0, two.current()[0])
    one.release()
    free = two.current()[0]
    assert two.is_dead(0, free)
    assert two.acquire(0, free)
    assert not one.acquire(0, free)
    assert two.is_own(0)
    assert not one.is_own(0)
