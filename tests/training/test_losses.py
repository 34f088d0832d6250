"""Losses are torch's formulas, and a loss that is not a number stops the run."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.nn import functional

from stages import train
from temper.core.errors import InputError
from temper.tasks.base.arrays import PADDING_LOGIT
from temper.training import batching, checkpoint, losses, setup
from temper.training.dropout import SeededDropout
from temper.training.session import TrainingSession
from tests.helpers.training import distance, fit, weights


def test_single_label_losses_are_torchs():
    """Smoothing, weights and focal factor match their formulas, and padding rows are ignored."""
    logits, labels = torch.randn(9, 4), torch.tensor([0, 1, 2, 3, 0, 1, -100, 3, -100])
    mask = labels >= 0
    plain = functional.cross_entropy(logits[mask], labels[mask], reduction="none")
    build = partial(losses.build_loss, "cross_entropy")
    torch.testing.assert_close(build()(logits, labels), plain.sum())
    smooth = functional.cross_entropy(
        logits[mask], labels[mask], label_smoothing=0.1, reduction="sum"
    )
    torch.testing.assert_close(build(label_smoothing=0.1)(logits, labels), smooth)
    factor = torch.tensor([1.0, 2.0, 3.0, 4.0])
    both = functional.cross_entropy(
        logits[mask], labels[mask], factor, label_smoothing=0.1, reduction="sum"
    )
    built = build(label_smoothing=0.1, class_weights=factor.tolist())
    torch.testing.assert_close(built(logits, labels), both)
    weighted = build(class_weights=[1.0, 2.0, 3.0, 4.0])(logits, labels)
    torch.testing.assert_close(weighted, (plain * factor[labels[mask]]).sum())
    probability = torch.exp(-plain)
    focal = build(focal_gamma=2.0)(logits, labels)
    torch.testing.assert_close(focal, (plain * (1 - probability) ** 2).sum())


def test_outputs_that_pad_a_row_are_no_classes():
    """The smoothed target of a row with three choices beside one with five is spread over three."""
    three, five = torch.randn(1, 3), torch.randn(1, 5)
    padded = torch.cat([three, torch.full((1, 2), PADDING_LOGIT)], 1)
    parts = ((three, torch.tensor([2])), (five, torch.tensor([4])))
    expected = sum(functional.cross_entropy(*part, label_smoothing=0.2) for part in parts)
    loss = losses.build_loss("cross_entropy", label_smoothing=0.2, is_padded=True)
    found = loss(torch.cat([padded, five]), torch.tensor([2, 4]))
    torch.testing.assert_close(found, expected)


def test_multi_label_and_regression_losses_are_torchs():
    """NaN labels do not count."""
    logits = torch.randn(3, 2)
    hot = torch.tensor([[1.0, 0.0], [0.0, 1.0], [torch.nan, torch.nan]])
    expected = functional.binary_cross_entropy_with_logits(logits[:2], hot[:2], reduction="sum")
    torch.testing.assert_close(losses.build_loss("binary_cross_entropy")(logits, hot), expected)
    numbers = torch.tensor([1.0, torch.nan, 3.0])
    loss = losses.build_loss("squared_error")(logits[:, :1], numbers)
    torch.testing.assert_close(loss, (logits[0, 0] - 1) ** 2 + (logits[2, 0] - 3) ** 2)


@pytest.mark.parametrize(
    ("name", "labels"),
    [("cross_entropy", torch.tensor([0, 1])), ("binary_cross_entropy", torch.eye(2))],
)
def test_focal_gradient_of_a_certain_row_is_finite(name, labels):
    """With an exponent below 1 that of the factor alone is infinite where nothing is wrong."""
    logits = torch.tensor([[200.0, -200.0], [0.0, 1.0]], requires_grad=True)
    losses.build_loss(name, focal_gamma=0.5)(logits, labels).backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0, 0]
    assert logits.grad[1].isfinite().all()


def test_multi_label_weights_apply_to_the_positive_term():
    """They are torch's pos_weight, one per label."""
    logits, hot = torch.randn(4, 3), torch.randint(0, 2, (4, 3)).float()
    factor = [1.0, 5.0, 0.5]
    expected = functional.binary_cross_entropy_with_logits(
        logits, hot, pos_weight=torch.tensor(factor), reduction="sum"
    )
    loss = losses.build_loss("binary_cross_entropy", class_weights=factor)(logits, hot)
    torch.testing.assert_close(loss, expected)


def test_balanced_weights_are_scikit_learns():
    """A weight is n / (classes × count)."""
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(losses.balanced_weights(np.bincount(labels)), expected)
    with pytest.raises(InputError, match="label 1 has no row"):
        losses.balanced_weights(np.array([2, 0]))
    with pytest.raises(InputError, match="every row has label 0"):
        losses.balanced_weights(np.array([2, 1]), 2)


def test_balanced_weights_of_several_labels_are_negatives_over_positives(write_params):
    """A rare label is not drowned by its negatives."""
    params = write_params(train__class_weights="balanced")
    dataset = Dataset.from_dict({"labels": [[0], [0, 1], [], [0], [1]]})
    task: Any = SimpleNamespace(
        label_names=["a", "b"], loss="binary_cross_entropy", loss_options={}
    )
    loss = setup.build_loss_function(params, dataset, task, is_crf=False)
    plain = losses.build_loss("binary_cross_entropy", class_weights=[2 / 3, 3 / 2])
    logits, hot = torch.randn(5, 2), torch.tensor([[1.0, 0], [1, 1], [0, 0], [1, 0], [0, 1]])
    assert float(loss(logits, hot)) == pytest.approx(float(plain(logits, hot)))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
@pytest.mark.parametrize("what", ["loss", "gradient norm"])
def test_nan_loss_or_gradient_stops_the_run(prepare, monkeypatch, engine, what):
    """The error names the step and its rows, and the last checkpoint stays."""
    real = TrainingSession.compute_loss

    def broken(self, network, micro_batch, num_items_in_batch, step):
        loss = real(self, network, micro_batch, num_items_in_batch, step)
        if step == 6:
            first = next(network.parameters())
            loss = loss + (np.nan if what == "loss" else (0 * first).sum().sqrt())
        return loss

    monkeypatch.setattr(TrainingSession, "compute_loss", broken)
    with pytest.raises(InputError) as caught:
        fit(prepare(train__save_every=4, train__engine=engine))
    monkeypatch.setattr(TrainingSession, "compute_loss", real)
    session = fit(train.params.load(), "whole")
    rows = ", ".join(map(str, sorted(session.sampler.global_batches(1)[0].tolist())))
    assert f"the {what} of step 7 is nan: lower train.learning_rate" in str(caught.value)
    assert f"rows {rows} of data/tokenized's train split" in str(caught.value)
    assert str(caught.value).endswith("checkpoint-4 is kept")
    assert checkpoint.step_of(checkpoint.newest_complete(Path("work/run"))) == 4
    assert not Path("work/run/checkpoint-8").exists()


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({}, "3, 4"),
        (
            {"example_id": [0, 0, 1, 1, 2]},
            "3, 4 of data/tokenized's train split, made from rows 1, 2",
        ),
        ({"example_id": [0, 0, 1, 1, 2], "augmented": [False] * 5}, "3, 4 of data/tokenized's"),
    ],
)
def test_the_rows_of_a_batch_are_listed_by_their_numbers(columns, text):
    """Windows are also listed by the row of data/raw that they were cut from."""
    dataset = Dataset.from_dict({"length": [1] * 5} | columns)
    unused: Any = None
    description = batching.TrainingRows(dataset, unused, unused).describe(np.array([4, 3]))
    assert description.startswith(text)
    assert ("made from" in description) == ("made from" in text)


@pytest.mark.slow
def test_a_model_with_a_nan_loss_is_not_trained(prepare, monkeypatch):
    """The first batch is run before any step."""
    monkeypatch.setattr(
        TrainingSession, "compute_loss", lambda *_: torch.tensor(np.nan, requires_grad=True)
    )
    with pytest.raises(InputError, match="the loss of the first batch is nan, before any training"):
        fit(prepare())


def test_huber_loss_is_torchs():
    """Errors above delta count linearly, and NaN labels do not count."""
    logits, labels = torch.randn(5, 1) * 3, torch.tensor([0.0, 1.0, 2.0, torch.nan, -1.0])
    mask = ~labels.isnan()
    expected = functional.huber_loss(logits[mask, 0], labels[mask], reduction="sum", delta=0.5)
    loss = losses.build_loss("squared_error", huber_delta=0.5)(logits, labels)
    torch.testing.assert_close(loss, expected)


def divergence_of(name):
    """Return R-Drop's divergence of two passes, with a loss of 0."""
    r_drop = losses.with_r_drop(lambda *_: torch.tensor(0.0), name, 1.0)
    return lambda first, second, labels: r_drop(torch.cat([first, second]), labels)


def test_divergences_are_torchs():
    """They are torch's in both directions, 0 between equals, without padding."""
    from torch.distributions import Bernoulli, Categorical, kl_divergence

    first, second = torch.randn(4, 3), torch.randn(4, 3)
    labels = torch.tensor([0, -100, 2, 1])
    mask = labels != -100
    p, q = Categorical(logits=first[mask]), Categorical(logits=second[mask])
    expected = (kl_divergence(p, q) + kl_divergence(q, p)).sum() / 2
    divergence = divergence_of("cross_entropy")
    torch.testing.assert_close(divergence(first, second, labels), expected)
    assert float(divergence(first, first, labels)) == pytest.approx(0.0, abs=1e-6)
    p, q = Bernoulli(logits=first), Bernoulli(logits=second)
    expected = (kl_divergence(p, q) + kl_divergence(q, p)).sum() / 2
    hot = torch.zeros(4, 3)
    divergence = divergence_of("binary_cross_entropy")
    torch.testing.assert_close(divergence(first, second, hot), expected)
    divergence = divergence_of("squared_error")
    squared = ((first[:, 0] - second[:, 0]) ** 2).sum()
    torch.testing.assert_close(divergence(first, second, torch.zeros(4)), squared)


@pytest.mark.slow
def test_r_drop_adds_the_divergence_of_two_passes(prepare):
    """The loss is the mean of both plus alpha times their divergence, 0 without dropout."""
    dropout = {"model__config": {"hidden_dropout_prob": 0.2}, "train__epochs": 1.0}
    session = fit(prepare(**dropout, train__r_drop_alpha=3.0), "pulled")
    assert not torch.equal(weights(session), weights(fit(prepare(**dropout), "plain")))
    batch, network = next(iter(session.rows.dataloader())), session.model.train()
    count = torch.tensor(len(batch["labels"]))
    loss = session.compute_loss(network, batch, count, step=100)
    labels = batch.pop("labels")
    doubled = {name: torch.cat([values] * 2) for name, values in batch.items()}
    with SeededDropout(session.seed, 0).of_micro_batch(100):  # the same masks once more
        logits = network(**doubled).logits
    mean = functional.cross_entropy(logits, torch.cat([labels] * 2))
    first, second = (part.log_softmax(-1) for part in logits.chunk(2))
    gap = ((first.exp() - second.exp()) * (first - second)).sum(-1).mean() / 2
    torch.testing.assert_close(loss, mean + 3 * gap)
    assert float(gap.detach()) > 0
    still = fit(prepare(train__epochs=1.0), "still")
    twice = fit(prepare(train__epochs=1.0, train__r_drop_alpha=5.0), "twice")
    assert distance(twice, still) < 1e-3  # rounding alone


@pytest.mark.slow
def test_a_loss_above_max_loss_stops_the_run_and_names_the_rows(prepare):
    """It stops before that step is saved, and the previous checkpoint stays."""
    rising = {"train__save_every": 1, "train__learning_rate": 0.3, "train__warmup_ratio": 0.5}
    session = fit(prepare(**rising), "whole")
    seen = [row["loss"] for row in session.history.train]
    step = next(i for i in range(1, 12) if seen[i] > max(seen[:i]))
    limit = (seen[step] + max(seen[:step])) / 2
    with pytest.raises(InputError) as caught:
        fit(prepare(**rising, train__max_loss=limit), "cut")
    text = str(caught.value)
    assert f"the loss of step {step + 1} is" in text
    rows = [int(n) for n in text.split("rows ")[1].split(" of ")[0].split(", ")]
    epoch, at = divmod(step, 6)
    assert rows == sorted(session.sampler.global_batches(epoch)[at].tolist())
    assert f"checkpoint-{step} is kept" in text
    assert checkpoint.step_of(checkpoint.newest_complete(Path("work/cut"))) == step


def test_class_weights_train_after_a_loss_without_gradients():
    """The weights are copied to a device once, by whoever asks first."""
    loss = losses.build_loss("cross_entropy", class_weights=[0.25, 0.75])
    logits, labels = torch.zeros(2, 2, requires_grad=True), torch.tensor([0, 1])
    with torch.inference_mode():
        loss(torch.zeros(2, 2), labels)
    loss(logits, labels).backward()
