"""Masks of the right rate, from (seed, rank, step, micro-batch) alone, in every kind of dropout."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from temper.training.dropout import SeededDropout, has_dropout
from tests.helpers.training import assert_same, distance, fit

ONES = torch.ones(1000, 1000)


def drop(dropout, step=3, rate=0.1):
    with dropout.of_micro_batch(step):
        return functional.dropout(ONES, rate)


def test_drops_the_rate_and_keeps_the_mean():
    output = drop(SeededDropout(1, 0))
    assert sorted(set(output.unique().tolist())) == pytest.approx([0, 1 / 0.9], rel=1e-4)
    assert (output == 0).float().mean().item() == pytest.approx(0.1, abs=0.002)
    assert output.mean().item() == pytest.approx(1, abs=0.002)
    rows = (output == 0).float().mean(0)  # no column is favoured
    assert rows.std().item() == pytest.approx((0.1 * 0.9 / 1000) ** 0.5, rel=0.1)


def test_masks_depend_on_seed_rank_step_and_micro_batch():
    dropout = SeededDropout(1, 0)
    first, second = drop(dropout), drop(dropout)
    assert torch.equal(first, drop(SeededDropout(1, 0)))
    others = [drop(SeededDropout(2, 0)), drop(SeededDropout(1, 1)), drop(dropout, 4), second]
    for other in others:
        both = ((first == 0) & (other == 0)).float().mean().item()
        assert both == pytest.approx(0.01, abs=0.002)


def test_torch_keeps_its_generator():
    state = torch.get_rng_state()
    drop(SeededDropout(1, 0))
    assert torch.equal(torch.get_rng_state(), state)


def test_gradient_passes_where_the_mask_does():
    inputs = torch.randn(64, 64, requires_grad=True)
    with SeededDropout(1, 0).of_micro_batch(0):
        output = nn.Dropout(0.5)(inputs)
    output.sum().backward()
    assert torch.equal(inputs.grad, output / inputs)
    assert inputs.grad.unique().tolist() == [0, 2]


@pytest.mark.parametrize("training_off", [{"p": 0.0}, {"training": False}])
def test_drops_nothing_outside_training(training_off):
    with SeededDropout(1, 0).of_micro_batch(0):
        assert functional.dropout(ONES, **training_off) is ONES


def test_drops_in_place():
    values = torch.ones(100)
    with SeededDropout(1, 0).of_micro_batch(0):
        output = functional.dropout(values, 0.5, inplace=True)
    assert output is values
    assert values.unique().tolist() == [0, 2]


def masks():
    causal = torch.ones(7, 7, dtype=torch.bool).tril()
    return [
        {},
        {"is_causal": True},
        {"attn_mask": causal},
        {"attn_mask": torch.where(causal, 0.0, -1e9), "scale": 0.3},
        {"enable_gqa": True},
    ]


@pytest.mark.parametrize("options", masks(), ids=range(5))
def test_attention_equals_torch_where_nothing_is_dropped(options, monkeypatch):
    """Its masks are those of `dropout`, of the softmax's shape."""
    heads = 2 if options.get("enable_gqa") else 4
    query = torch.randn(2, 4, 7, 8)
    key, value = torch.randn(2, 2, heads, 7, 8)
    expected = functional.scaled_dot_product_attention(query, key, value, **options)
    shapes = []
    monkeypatch.setattr(
        SeededDropout, "dropout", lambda _, input, p: shapes.append((input.shape, p)) or input
    )
    with SeededDropout(1, 0).of_micro_batch(0):
        output = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=0.1, **options
        )
    assert shapes == [((2, 4, 7, 7), 0.1)]
    torch.testing.assert_close(output, expected)


def test_finds_dropout_in_modules_and_config():
    config = type("Config", (), {"to_dict": lambda _: {"attention_probs_dropout_prob": 0.1}})
    assert has_dropout(nn.Sequential(nn.Dropout(0.1)))
    assert not has_dropout(nn.Sequential(nn.Dropout(0.0), nn.Linear(2, 2)))
    model = nn.Linear(2, 2)
    model.config = config()
    assert has_dropout(model)


@pytest.mark.slow
def test_dropout_regularizes_training_and_its_seed_is_that_of_the_run(prepare):
    """Two trainings are the same bytes; another rate or seed is another model."""
    rate = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    parameters = prepare(model__config=rate)
    first = fit(parameters, "first")
    assert_same(fit(parameters, "second"), first)
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    assert distance(fit(prepare(model__config=none), "none"), first) > 0
    assert np.isfinite(first.history.train[-1]["loss"])
