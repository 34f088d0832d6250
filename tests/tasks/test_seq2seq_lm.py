"""Sources get their prefix, targets their length."""

from types import SimpleNamespace

import pytest

from temper.core.errors import InputError
from tests.helpers.samples import SEQ2SEQ, load


def test_sources_get_their_prefix_and_targets_their_length():
    """T5's instruction is first, and targets are truncated."""
    plain, processor, _ = load(SEQ2SEQ)
    task, _, _ = load(SEQ2SEQ, task__prefix="we meet at ", tokenize__max_target_length=4)
    given = {"spoken": ["ten past three"], "written": ["the shop closes at 3:10 on May 9"]}
    one, other = (t.encode(given, processor, mode="train") for t in (plain, task))
    assert other["input_ids"][0] == processor("we meet at ten past three")["input_ids"]
    assert len(one["labels"][0]) > len(other["labels"][0]) == 4


@pytest.mark.parametrize("config", [{}, {"decoder_start_token_id": None}])
def test_a_model_without_a_first_token_is_refused(config):
    """A config may lack the attribute."""
    task, _, _ = load(SEQ2SEQ)
    with pytest.raises(InputError, match="has no decoder_start_token_id; set it under"):
        task.configure(SimpleNamespace(**config), {})
