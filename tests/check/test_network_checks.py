"""The network is built without weights before anything runs."""

from pathlib import Path

import pytest

from temper.models import loading
from temper.models.config import wrap_config
from tests.helpers.checks import examine, only


@pytest.mark.parametrize(
    ("head", "own", "changes", "message"),
    [
        ({"kind": "linear", "pooling": "mean", "dropout": 0.1}, None, {}, None),
        (
            {"kind": "linear", "dropout": 0.1},
            None,
            {},
            "model.head: the head of sample: pooling makes one vector of a text",
        ),
        (
            None,
            "mine.Bag",
            {},
            "model.custom_class: sample was trained with mine.Bag; set it to that",
        ),
        (None, None, {"num_attention_heads": 3}, "transformers cannot build this bert for Auto"),
        (None, None, {"hidden_act": "gello"}, "model.config: transformers cannot build this"),
    ],
)
def test_builds_the_network_without_weights(write_params, head, own, changes, message):
    """An earlier model's head or class and a config that no class takes are named."""
    write_params()
    folder = Path("data/sample/model")
    if head or own:
        wrap_config(loading.open_config(folder), head, own).save_pretrained(folder)
    found, _ = examine(write_params, model__config=changes)
    if message is None:
        assert found == []
    else:
        assert message in only(found)
