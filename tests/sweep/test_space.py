"""Every value of a sweep is one that params.yaml can hold."""

import pytest

from temper.core.errors import InputError
from temper.sweep import space
from tests.helpers.studies import RANGE, TREE, in_memory, loaded, run_through


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"train.learning_rte": RANGE}, "(did you mean 'learning_rate'?)"),
        ({"train.learning_rate": {"low": -1.0, "high": 1.0}}, "-1.0: train.learning_rate: Input"),
        ({"train.batch_size": {"choice": [8, 0]}}, "train.batch_size: 0: train.batch_size: Inp"),
        (
            {"train.weight_averaging": {"choice": [{"kind": "em"}]}},
            "train.weight_averaging.kind: Input should",
        ),
        ({"train.huber_delta": {"choice": [1.0]}}, "has no effect here with sequence_classif"),
    ],
)
def test_refuses_values_that_params_yaml_cannot_hold(tmp_path, parameters, message):
    """Every choice and both ends are checked before any trial, with the parameter's line."""
    found, file = loaded(tmp_path, parameters=parameters)
    with pytest.raises(InputError, match=r"sweep\.yaml:5: parameters\.train") as caught:
        space.check(found, TREE, file)
    assert message in str(caught.value)


def test_accepts_values_that_fit_together(tmp_path):
    """A micro-batch may fit one batch size only, and a range may have integer ends."""
    parameters = {
        "train.batch_size": {"choice": [16, 24]},
        "train.per_device_batch_size": {"choice": [12], "when": {"train.batch_size": 24}},
        "train.weight_decay": {"low": 0, "high": 1},
        "train.bucket_window": {"low": 0, "high": 9},
    }
    found, file = loaded(tmp_path, parameters=parameters)
    is_integer = space.check(found, TREE, file)
    assert [name for name, is_it in is_integer.items() if is_it] == ["train.bucket_window"]
    values = [result.values for result in run_through(in_memory(found, is_integer), lambda *_: 1.0)]
    assert all(
        ("train.per_device_batch_size" in v) == (v["train.batch_size"] == 24) for v in values
    )


def test_refuses_a_grid_with_invalid_combinations(tmp_path):
    """The error counts them and shows the first."""
    parameters = {
        "train.batch_size": {"choice": [16, 24]},
        "train.per_device_batch_size": {"choice": [8, 12]},
    }
    changes = {"method": "grid", "budget": None, "seed": None}
    found, file = loaded(tmp_path, parameters=parameters, **changes)
    with pytest.raises(InputError, match=r"1 of the grid's 4 configurations .*_size=16 .*_size=12"):
        space.check(found, TREE, file)
