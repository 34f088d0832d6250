"""Every value of a sweep is one that params.yaml can hold."""

import pytest

from temper.sweep import space
from tests.helpers.studies import RANGE, TREE, in_memory, loaded, run_through


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"train.learning_rte": RANGE}, "(did you mean 'learning_rate'?)"),
        ({"train.learning_rate": {"low": -1.0, "high": 1.0}}, "-1.0: train.learning_rate: Input"),
        ({"train.batch_size": {"choice": [8, 0]}}, "0: train.batch_size: Inp"),
        (
            {"train.weight_averaging": {"choice": [{"kind": "em"}]}},
            "train.weight_averaging.kind: Input should",
        ),
        ({"task.loss": {"choice": ["x"]}}, "task.loss: unknown key; allowed: "),
    ],
)
def test_refuses_values_that_params_yaml_cannot_hold(tmp_path, parameters, message):
    """Every choice and both ends are checked before any trial."""
    found, _ = loaded(tmp_path, parameters=parameters)
    ((location, text),) = space.mistakes(found, TREE)
    assert location == ("parameters", *parameters)
    assert message in text


def test_accepts_values_that_fit_together(tmp_path):
    """A micro-batch may fit one batch size only, and a range may have integer ends."""
    parameters = {
        "train.batch_size": {"choice": [16, 24]},
        "train.per_device_batch_size": {"choice": [12], "when": {"train.batch_size": 24}},
        "train.weight_decay": {"low": 0, "high": 1},
        "train.bucket_window": {"low": 0, "high": 9},
    }
    found, _ = loaded(tmp_path, parameters=parameters)
    assert list(space.mistakes(found, TREE)) == []
    is_integer = {k: space.has_integer_values(TREE, k, v) for k, v in found.parameters.items()}
    assert [name for name, is_it in is_integer.items() if is_it] == ["train.bucket_window"]
    trials = run_through(in_memory(found, is_integer), lambda *_: 1.0)
    values = [trial.user_attrs["values"] for trial in trials]
    assert all(
        ("train.per_device_batch_size" in v) == (v["train.batch_size"] == 24) for v in values
    )
