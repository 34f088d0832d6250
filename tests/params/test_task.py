"""Keys belong to their task."""

import pytest

from temper.core.errors import InputError


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("masked_lm", {"export__int8": True}, "export.int8: has no effect here with masked_lm"),
        ("seq2seq_lm", {"tokenize__max_target_length": None}, "tokenize.max_target_length"),
        ("token_classification", {"tokenize__overflow": "window"}, "tokenize.stride: missing"),
        ("token_classification", {"tokenize__window_pooling": "mean"}, "has no effect here"),
        ("multiple_choice", {"task__name": "multiple_choise"}, "did you mean 'multiple_choice'"),
        ("embeddings", {"task__template": "{a} {b}"}, "template: not for this task; make one"),
        ("multiple_choice", {"task__template": "{a}"}, "files; allowed: name, context, stem"),
        ("causal_lm", {"task__promt": None}, "did you mean 'prompt'"),
        ("masked_lm", {"evaluate__positive_label": "a"}, "must be null for masked_lm"),
    ],
)
def test_refuses_keys_of_other_tasks(check_sample, task, changes, message):
    """Unused, missing and unknown keys are named, and so is an unknown task."""
    with pytest.raises(InputError) as caught:
        check_sample(task, [], **changes)
    assert message in str(caught.value)
    assert "params.yaml:" in str(caught.value)
