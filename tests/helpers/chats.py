"""A small decoder whose tokenizer has a chat template, and conversations for it."""

import json
import shutil
from pathlib import Path

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


def say(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    """Return what the user and the assistant say by turns."""
    messages = [{"role": "system", "content": system}] if system is not None else []
    roles = ("user", "assistant")
    return messages + [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
