from temper.core import causes, disk


def ring():
    """Return a cause that was raised once more, whose context is what it caused."""
    cause = ConnectionError("reset")
    failed = RuntimeError("failed")
    failed.__cause__ = cause
    try:
        try:
            raise failed
        except RuntimeError:
            raise cause from None
    except ConnectionError as error:
        return error, failed


def test_each_error_of_a_chain_once():
    inner, outer, last = OSError("inner"), ValueError("outer"), KeyError("last")
    last.__cause__, outer.__context__ = outer, inner
    assert list(causes.chain(last)) == [last, outer, inner]
    assert list(causes.chain(last, contexts=False)) == [last, outer]
    assert list(causes.chain(None)) == []


def test_a_ring_of_causes_ends():
    cause, failed = ring()
    assert list(causes.chain(cause)) == [cause, failed]
    assert disk.reason(cause) is None
