"""What real models' chat templates do with white space."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from temper.tasks.base import conversations
from tests.helpers.chats import CHATML, say

ROLE = "{{ '<|im_start|>' + m.role + '\n' }}"
END = "{{ '<|im_end|>\n' }}"
ASKS = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
LOOP = "{% for m in messages %}" + ROLE
# of reasoning models: the request begins a thought, and an answer without one has an empty one
REASONS = (
    LOOP + "{% if m.role == 'assistant' and not '</think>' in m.content %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m.content }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
ALPACA = (
    "{% for m in messages %}{{ '### ' + m.role + ':\n\n' + m.content }}{% if m.role == 'assistant' "
    "%}{{ eos_token }}{% endif %}{{ '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\n\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def bpe():
    """Return a tokenizer as GPT-2's, that has line breaks in tokens of two."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["four and three\n\n", "a\n\n\n\n", "\n\n"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return tokenizer


def encoded(tokenizer, messages):
    """Return the tokens and the mask of a conversation that ends with an answer."""
    *context, answer = messages
    row = conversations.encode(tokenizer, [context], [answer["content"]], 1000, 1000)
    return row["input_ids"][0], row["answer_mask"][0]


@pytest.mark.parametrize(
    ("template", "answers"),
    [
        (CHATML, ["\nfour", "\n\nnine"]),
        (CHATML, ["four\n\n", "nine"]),
        (REASONS, ["four", "<think>\nhm\n</think>\n\nfour"]),
        (ALPACA, ["four", "nine"]),
    ],
)
def test_an_answer_begins_where_its_prompt_ends(bpe, template, answers):
    """Though the tokenizer writes the white space on both sides of the border as one token."""
    bpe.chat_template = template
    messages = say("three and one?", answers[0], "and six?", answers[1])
    ids, mask = encoded(bpe, messages)
    borders = np.flatnonzero(np.diff([0, *mask]) == 1).tolist()
    for i, border in zip((1, 3), borders, strict=True):
        asked = conversations.encode(bpe, [messages[:i]], [None], 1000, 1000)
        assert asked["prompt_ids"] == [ids[:border]]
        request = bpe.apply_chat_template(messages[:i], tokenize=False, add_generation_prompt=True)
        assert bpe.decode(ids[:border]) == request
        if i == 1:
            assert bpe(request, add_special_tokens=False)["input_ids"] == ids[:border]
    text = bpe.apply_chat_template(messages, tokenize=False)
    assert bpe.decode(ids) == text
