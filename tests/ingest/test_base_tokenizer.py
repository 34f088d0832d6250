"""A tokenizer is checked as its texts are encoded."""

from pathlib import Path

from tokenizers import Tokenizer, models, processors
from transformers import PreTrainedConfig, PreTrainedTokenizerFast

from temper.ingest import base_tokenizer
from tests.helpers.samples import load


def check(backend, **changes):
    """Check a tokenizer that ends texts with `</s>`."""
    task, _, _ = load("recipes/sample-causal_lm.yaml", **changes)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    config = PreTrainedConfig()
    base_tokenizer.check_special_tokens(tokenizer, config, Path("m"), task.settings.model, task)


def test_a_tokenizer_may_have_no_token_for_a_letter():
    """One of DNA gives no token at all for others, unless it has an unknown one."""
    vocab = {"</s>": 0, "A": 1, "C": 2, "G": 3, "T": 4}
    check(Tokenizer(models.BPE(vocab, [])))


def test_a_tokenizer_that_ends_texts_can_learn_conversations():
    """The chat template writes all of one, and no token is added to it."""
    backend = Tokenizer(models.BPE({"</s>": 0, "a": 1}, []))
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 0)]
    )
    check(backend, task__text=None, task__messages="chat")
