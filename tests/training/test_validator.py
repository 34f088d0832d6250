"""Scoring the validation split between steps."""

from types import SimpleNamespace
from typing import Any

import pytest

from temper.core.errors import InputError
from temper.training import memory
from temper.training.validator import Validator, check_is_defined


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


@pytest.mark.parametrize(
    ("name", "metric", "labels", "reason"),
    [
        ("classification", "roc_auc", [0, 1, 0], "no row has the label c"),
        ("classification", "f1", [0, 1, 0], "no row has the label c"),
        ("classification", "mcc", [1, 1], "all rows have the label b"),
        ("multi_label", "roc_auc", [[0, 1], [0, 1]], "every label is in all rows or in none"),
        ("multi_label", "roc_auc", [[], []], "every label is in all rows or in none"),
        ("regression", "pearson", [0.1, 0.1], "all rows have the same number"),
        ("similarity", "spearman", [3.0], "all rows have the same number"),
    ],
)
def test_a_best_metric_that_no_evaluation_has_is_refused(name, metric, labels, reason):
    """The first evaluation would be the best, whatever came after it."""
    task: Any = SimpleNamespace(params=SimpleNamespace(metrics=name), label_names=["a", "b", "c"])
    message = f"^train.metric_for_best_model: {metric} says nothing on validation, where {reason}"
    varied = {"classification": [0, 1, 2], "multi_label": [[0], []]}.get(name, [0.1, 0.2])
    rows: Any = {"labels": labels}, {"labels": varied}
    with pytest.raises(InputError, match=message):
        check_is_defined(metric, task, rows[0], "c")
    check_is_defined("loss", task, rows[0], "c")
    check_is_defined(metric, task, rows[1], "c")
