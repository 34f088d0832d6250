"""What a session is built from follows parameters and device."""

import pytest

from temper.tasks.base import registry
from temper.training import setup


@pytest.mark.parametrize(
    ("written", "has_gpu", "used"),
    [(None, False, 41), (None, True, 48), (1, True, 41), (8, False, 48)],
)
def test_padded_lengths_are_multiples_of_8_where_a_gpu_trains(
    write_params, monkeypatch, written, has_gpu, used
):
    """A multiple that is written down holds everywhere."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_gpu)
    parameters = setup.with_padding_multiple(write_params(tokenize__pad_to_multiple_of=written))
    padded_length = registry.load(parameters).padded_length
    assert padded_length is not None
    assert padded_length(41) == used


@pytest.mark.parametrize(
    ("schedule", "reported"), [("cosine", "cosine"), ("mine.half", "constant")]
)
def test_reporters_get_schedule_and_optimizer(write_params, tmp_path, schedule, reported):
    """They record transformers' arguments, which have no name for a custom one."""
    parameters = write_params(
        train__lr_scheduler_type=schedule,
        train__warmup_ratio=0.0,
        train__learning_rate=0.25,
        train__weight_decay=0.125,
        train__adam_beta1=0.5,
        train__adam_beta2=0.75,
        train__adam_epsilon=0.0625,
        code={"mine": "mine.py"},
    )
    args = setup.training_arguments(parameters, 0, tmp_path)
    assert args.lr_scheduler_type == reported
    assert (args.learning_rate, args.weight_decay) == (0.25, 0.125)
    assert (args.adam_beta1, args.adam_beta2, args.adam_epsilon) == (0.5, 0.75, 0.0625)
