"""An answer's tokens begin where those of its prompt end, whatever a tokenizer does with spaces."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from temper.tasks.base import chat_template, conversations
from tests.helpers.chats import CHATML, byte_level, say

PLAIN = (
    "{% for m in messages %}{{ ('Q: ' if m.role == 'user' else 'A: ') + m.content }}"
    "{{ eos_token if m.role == 'assistant' else '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'A: ' }}{% endif %}"
)
PHI = (  # as of Phi-3: special tokens before line breaks
    "{% for m in messages %}{{ m.role + '<|im_start|>\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant<|im_start|>\n' }}{% endif %}"
)


def metaspace(prepend_scheme):
    """Return a tokenizer as SentencePiece's, that puts a space before a text."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme, split=False)
    backend.decoder = decoders.Metaspace(prepend_scheme=prepend_scheme)
    texts = ["Q: four and nine\nA: four\nA: nine"] * 20
    backend.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=60, show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return tokenizer


def trimmed():
    """Return a tokenizer whose tokens have no space among their characters, as RoBERTa's."""
    tokenizer = byte_level(add_prefix_space=True)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


TOKENIZERS = {
    "plain": byte_level,
    "rstrip": lambda: byte_level(rstrip=True),
    "prefix": lambda: byte_level(add_prefix_space=True),
    "trimmed": trimmed,
    "always": lambda: metaspace("always"),
    "first": lambda: metaspace("first"),
}


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("template", [CHATML, PLAIN, PHI])
@pytest.mark.parametrize("answer", ["four", " four", "\nfour", "\n\nfour"])
def test_tokens_before_an_answer_are_those_of_its_request(name, template, answer):
    """Each answer's are learned to its end, and they spell the text that the template writes."""
    tokenizer = TOKENIZERS[name]()
    tokenizer.chat_template = template
    messages = say("nine", answer, "and", answer)
    columns = conversations.encode(tokenizer, [messages[:-1]], [answer], 1000, 1000)
    (ids,), (mask,) = columns["input_ids"], columns["answer_mask"]
    end = chat_template.find_frame(tokenizer).end
    for i in (1, 3):
        asked = conversations.encode(tokenizer, [messages[:i]], [None], 1000, 1000)["prompt_ids"]
        begin = len(asked[0])
        assert ids[:begin] == asked[0]
        stop = ids.index(end, begin) + 1
        assert mask[begin - 1 : stop + 1] == [0, *[1] * (stop - begin), *[0] * (stop < len(ids))]
    assert columns["prompt_ids"] == asked
    request = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True)
    assert ids[: len(request["input_ids"])] == request["input_ids"]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == tokenizer.decode(whole)
