"""Each training parameter changes weights or history as its description says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages import train
from temper.core import arrow
from temper.core.errors import InputError
from temper.params.train import EarlyStopping
from temper.training import checkpoint
from temper.training.history import History
from tests.helpers import workspace
from tests.helpers.training import assert_same, distance, fit, resumed_and_whole, weights


def test_patience_p_stops_at_best_plus_p(write_params):
    """A gain below min_delta does not count."""
    scores = [0.5, 0.7, 0.705, 0.69, 0.69]
    changes = {
        "metric_for_best_model": "f1",
        "early_stopping": EarlyStopping(patience=2, min_delta=0.01),
    }
    params = write_params().train.model_copy(update=changes)
    history = History(params, greater_is_better=True)
    stops = []
    for score in scores:
        history.validation.append({"f1": score})
        stops.append(history.should_stop_early())
    assert stops == [False, False, False, True, True]


# Of weights, relative: Adam enlarges the rounding of another order of sums, to 3e-6 on one CPU and
# 1e-5 on another; a learning rate that is 1 % higher makes 5e-4.
SAME = 1e-4


@pytest.mark.slow
def test_accumulation_equals_one_large_batch(prepare):
    """8 × 2 rows give the weights of 16, also with a remainder."""
    whole = fit(prepare(train__precision="fp32"), "whole")
    micro_batches = fit(prepare(train__per_device_batch_size=4), "micro_batches")
    assert micro_batches.args.gradient_accumulation_steps == 4
    assert distance(micro_batches, whole) < SAME


BY_TOKENS = {"train__batch_size": None, "train__batch_tokens": 560}


@pytest.mark.slow
def test_accumulation_of_batches_by_tokens_equals_one_large_batch(prepare):
    """Micro-batches of 280 tokens give the weights of 560."""
    whole = fit(prepare(**BY_TOKENS), "whole")
    micro_batches = fit(prepare(**BY_TOKENS, train__per_device_batch_size=280), "micro_batches")
    assert micro_batches.args.gradient_accumulation_steps == 2
    assert distance(micro_batches, whole) < SAME


@pytest.mark.slow
def test_every_row_weighs_the_same_in_an_epoch_of_batches_by_tokens(prepare):
    """The mean loss of its steps is that of one batch with all rows; the weights stand still."""
    changes = {"train__learning_rate": 1e-12, "train__epochs": 1.0}
    (step,) = fit(prepare(**changes, train__batch_size=96), "rows").history.train
    session = fit(prepare(**changes, **BY_TOKENS), "tokens")
    sizes = {len(batch) for batch in session.sampler.global_batches(0)}
    losses = [row["loss"] for row in session.history.train]
    assert len(losses) == session.sampler.num_batches > 1
    assert len(sizes) > 1
    assert np.mean(losses) == pytest.approx(step["loss"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_resumes_to_the_bit_in_an_epoch_of_batches_by_tokens(prepare, engine):
    """From a checkpoint in mid-epoch, with dropout."""
    changes = {"train__save_every": 4, "model__config": {"hidden_dropout_prob": 0.1}}
    parameters = prepare(**changes, **BY_TOKENS, train__engine=engine, train__epochs=2.0)
    resumed, whole = resumed_and_whole(parameters)
    first, *_ = checkpoint.numbered_folders(Path("work/whole"), "checkpoint")
    assert checkpoint.step_of(first) % whole.steps_per_epoch
    assert_same(resumed, whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"train__learning_rate": 2e-3},
        {"train__head_learning_rate": 2e-3},
        {"train__weight_decay": 0.5},
        {"train__layer_decay": 0.5},
        {"train__adam_beta1": 0.5},
        {"train__adam_beta2": 0.9},
        {"train__adam_epsilon": 1e-3},
        {"train__lr_scheduler_type": "cosine"},
        {"train__warmup_ratio": 0.5},
        {"train__warmup_ratio": 0.0, "train__warmup_steps": 3},
        {"train__max_grad_norm": 0.1},
        {"train__precision": "bf16"},
        {"train__label_smoothing": 0.1},
        {"train__class_weights": [1.0, 3.0]},
        {"train__class_weights": "balanced"},
        {"train__focal_gamma": 2.0},
        {"train__bucket_window": 0},
        {"train__batch_size": 32},
        BY_TOKENS,
        {"model__config": {"hidden_dropout_prob": 0.1}},
        {"seed": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_training_parameter_changes_the_weights(prepare, plain_run, changes):
    """No parameter is accepted and ignored."""
    assert not torch.equal(weights(fit(prepare(**{"train__epochs": 1.0} | changes))), plain_run)


@pytest.fixture(scope="module")
def plain_run(request):
    """Weights after one epoch with the tests' parameters; filled in by the first test."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", folder)
        workspace.load_data(workspace.write_params(Path(folder), patch, train__epochs=1.0))
        return weights(fit(train.params.load()))


@pytest.mark.slow
def test_gradient_checkpointing_keeps_the_weights(prepare, plain_run):
    """The layers really run under it."""
    session = fit(prepare(train__epochs=1.0, train__gradient_checkpointing=True))
    assert session.model.is_activation_checkpointing
    assert torch.allclose(weights(session), plain_run, atol=1e-6)


@pytest.mark.slow
def test_evaluate_every_and_save_every_are_independent(prepare):
    """Validation rows are at multiples of one, checkpoints at multiples of the other."""
    session = fit(prepare(train__evaluate_every=4, train__save_every=5, train__epochs=2.0))
    assert [row["step"] for row in session.history.validation] == [4, 8, 12]
    assert [
        checkpoint.step_of(p) for p in checkpoint.numbered_folders(session.folder, "checkpoint")
    ] == [10, 12]


@pytest.mark.slow
def test_early_stopping_stops_and_stays_stopped(prepare):
    """It stops after 1 + patience evaluations without a gain; a restart trains no further."""
    changes = {
        "train__early_stopping": {"patience": 2, "min_delta": 10.0},
        "train__evaluate_every": 2,
        "train__epochs": 3.0,
    }
    session = fit(prepare(**changes))
    assert [row["step"] for row in session.history.validation] == [2, 4, 6]
    again = fit(train.params.load())
    assert [row["step"] for row in again.history.validation] == [2, 4, 6]


@pytest.mark.slow
def test_every_validation_row_is_scored_once(prepare):
    """The accuracy in the history is that of the saved best weights, computed by hand."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    session = fit(prepare(train__epochs=1.0))
    (best,) = checkpoint.numbered_folders(session.folder, "best")
    network = AutoModelForSequenceClassification.from_pretrained(best).eval()
    tokenizer = AutoTokenizer.from_pretrained("data/base/processor")
    right = []
    for row in arrow.load(Path("data/raw"))["validation"]:
        inputs = tokenizer(row["sentence1"], row["sentence2"], return_tensors="pt")
        right.append(int(network(**inputs).logits.argmax()) == row["label"])
    assert session.history.validation[-1]["accuracy"] == pytest.approx(np.mean(right), abs=1e-6)


def test_an_operation_without_a_deterministic_kernel_is_named(prepare, monkeypatch):
    """torch's error becomes one that names the parameter; only a GPU raises it."""

    def loss(*_, **__):
        raise RuntimeError("put_ does not have a deterministic implementation, but you set …")

    monkeypatch.setattr("temper.training.session.TrainingSession.compute_loss", loss)
    with pytest.raises(InputError, match=r"^determinism\.deterministic: put_ .*set it to false"):
        fit(prepare())
