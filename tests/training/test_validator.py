"""Scoring the validation split between steps."""

import pytest

from temper.training import memory
from temper.training.validator import Validator


@pytest.mark.parametrize(("world_size", "on_all_ranks"), [("1", True), ("2", False)])
def test_one_row_that_does_not_fit_fails_on_its_rank_alone(monkeypatch, world_size, on_all_ranks):
    """Other processes wait for this one's outputs, so it cannot restart without them."""
    monkeypatch.setenv("WORLD_SIZE", world_size)
    validator = object.__new__(Validator)

    def predict(_):
        raise MemoryError

    with pytest.raises(memory.OutOfMemory) as raised:
        memory.call_until_it_fits(predict, 2, validator._halve)
    assert validator.batch_size == 1
    assert raised.value.on_all_ranks is on_all_ranks
