"""One of several machines gets a trial."""

import time

from temper.sweep import leases, storage


def test_one_of_several_machines_gets_a_trial(tmp_path):
    """A lease is taken once; it is free when given back, or when its beats stand still."""
    opened = storage.open_storage(f"sqlite:///{tmp_path}/leases.db")
    one, two = (leases.Leases(opened.engine, name, "p", alone=False) for name in "ab")
    assert one.take(0)
    assert not two.take(0)
    held = two.current()[0]
    assert not two.is_dead(0, held)
    now = time.monotonic()
    two.seen[0] = (held, now - leases.STALE_S - 1)
    assert two.is_dead(0, held)
    one.beat()
    assert not two.is_dead(0, two.current()[0])
    one.give_back()
    free = two.current()[0]
    assert two.is_dead(0, free)
    assert two.take(0, free)
    assert not one.take(0, free)
    assert two.is_mine(0)
    assert not one.is_mine(0)
