"""A small decoder whose tokenizer has a chat template, and conversations for it."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.helpers.workspace import ROOT

SAMPLE = ROOT / "data/sample/causal_lm/model"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ message.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

LLAMA = (  # of Llama 2: spaces around an answer, which its end token ends, and no system message
    "{% for m in messages %}{% if m.role == 'user' %}"
    "{{ bos_token + '[INST] ' + m.content | trim + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' }}{% generation %}"
    "{{ m.content | trim + ' ' + eos_token }}{% endgeneration %}"
    "{% else %}{{ raise_exception('System role not supported') }}{% endif %}{% endfor %}"
)


def write_model(folder: Path, template: str | None = CHATML) -> Path:
    """Write a config and a tokenizer with the template and ChatML's two tokens."""
    from transformers import AutoTokenizer

    shutil.copytree(SAMPLE, folder)
    tokenizer = AutoTokenizer.from_pretrained(str(SAMPLE))
    tokens = ["<|im_start|>", "<|im_end|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    tokenizer.chat_template = template
    tokenizer.save_pretrained(str(folder))
    config = json.loads((folder / "config.json").read_text())
    config["vocab_size"] = len(tokenizer)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def byte_level(*, add_prefix_space: bool = False, rstrip: bool = False) -> Any:
    """Return a tokenizer as GPT-2's, that has line breaks in tokens of two.

    Args:
        add_prefix_space: a text begins with a space, as of RoBERTa.
        rstrip: special tokens hold the white space after them, as of Phi-3.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["four and three\n\n", "a\n\n\n\n", "\n\n"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    names = "<|im_start|>", "<|im_end|>"
    special: Any = [AddedToken(name, rstrip=rstrip, special=True) for name in names]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.add_tokens(["<think>", "</think>"])
    return tokenizer


def say(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    """Return what the user and the assistant say by turns."""
    messages = [{"role": "system", "content": system}] if system is not None else []
    roles = ("user", "assistant")
    return messages + [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
