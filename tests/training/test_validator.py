"""Scoring the validation split between steps."""

import pytest

from temper.core.errors import InputError
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


def test_sharded_weights_are_not_evaluated_again_by_one_rank(monkeypatch):
    """Each forward pass gathers weights, so all ranks make the same number of them."""
    monkeypatch.setenv("TEMPER_FSDP", "true")
    validator = object.__new__(Validator)
    message = r"sharded weights \(full\): lower train.per_device_eval_batch_size \(8\)"
    with pytest.raises(InputError, match=message):
        validator._halve(8, memory.OutOfMemory("full"))
