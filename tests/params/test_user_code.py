"""Custom code that is missing, or lacks what a parameter needs, is named before anything runs."""

import pytest
import torch

from temper.core.errors import InputError
from temper.models import heads
from temper.models.config import ModelWithHeadConfig
from temper.params import user_code
from temper.params.train import Freeze
from temper.training import optimizer
from tests.helpers.custom_code import CODE


def test_names_what_a_custom_class_lacks():
    """The method is one that a parameter needs and transformers' models have."""
    config = ModelWithHeadConfig(backbone={"model_type": "bert"}, own="mine.Bag")
    model = heads.ModelWithHead(config, torch.nn.Linear(3, 2))
    assert model.num_parameters(exclude_embeddings=True) == 8
    with pytest.raises(InputError, match=r"model\.new_tokens: Linear has no resize_token_emb"):
        model.resize_token_embeddings(9)
    with pytest.raises(InputError, match=r"train\.gradient_checkpointing: Linear has no activ"):
        model.activation_checkpointing_enable()
    with pytest.raises(InputError, match=r"freeze\.embeddings or layer_decay: Linear has no get_i"):
        optimizer.freeze(model, Freeze(embeddings=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__loss": "mime.loss"}, r"not module.name of a file .*did you mean 'mine'"),
        ({"train__loss": "loss"}, r"there are mine: add my_code: path/to/file.py there"),
        ({"train__loss": "mine.los"}, r"no function or class 'los' .did you mean 'loss'"),
        ({"code": {"mine": "gone.py"}, "train__loss": "mine.loss"}, "is gone.py, and there is no"),
        (
            {"code": {"mine": "broken.py"}, "model__custom_class": "mine.X"},
            "when it is imported: Name",
        ),
        (
            {"train__lr_scheduler_type": "mine.half", "train__warmup_ratio": 0.0},
            "train.lr_scheduler_type.*no function or class 'half'",
        ),
        (
            {"train__metric_for_best_model": "mine.f"},
            "train.metric_for_best_model.*no function or class 'f'",
        ),
    ],
)  # fmt: skip
def test_names_custom_code_that_does_not_exist(write_params, tmp_path, changes, message):
    """`temper check` names it before anything runs."""
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("undefined\n")
    parameters = write_params(**{"code": {"mine": "mine.py"}} | changes)
    found = user_code.check(parameters)
    assert len(found) == 1
    import re

    assert re.search(message, ": ".join(found[0]))


def test_names_a_custom_metric_that_fails():
    """The message has the exception."""
    with pytest.raises(InputError, match=r"evaluate.metrics: bad fails: ZeroDivisionError"):
        user_code.scores({"bad": lambda p, r: 1 / 0}, [1], [1])
