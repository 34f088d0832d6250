"""What a session is built from follows parameters and device."""

import pytest

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
    padded_length = setup.padded_length(parameters)
    assert padded_length is not None
    assert padded_length(41) == used


@pytest.mark.parametrize(
    ("schedule", "reported"), [("cosine", "cosine"), ("mine.half", "constant")]
)
def test_reporters_get_the_schedule(write_params, tmp_path, schedule, reported):
    """They record transformers' arguments, which have no name for a custom one."""
    parameters = write_params(
        train__lr_scheduler_type=schedule, train__warmup_ratio=0.0, code={"mine": "mine.py"}
    )
    args = setup.training_arguments(parameters, 0, tmp_path)
    assert args.lr_scheduler_type == reported
