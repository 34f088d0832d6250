"""Prompts leave room for what is generated, and lose what `temper predict` says they lose."""

from typing import Any

import pytest
from datasets import Dataset
from transformers import AutoTokenizer

from temper.params.task import ANSWER
from temper.prediction.predictor import Predictor
from tests.helpers.chats import say, write_model
from tests.helpers.samples import load

ROOM = 40
GENERATION = {"max_new_tokens": 30, "num_beams": 1, "length_penalty": 1.0}
CHATS = [
    say("one two " * 3, "yes", "one", system="be kind"),
    say("hello", system="be kind"),
]


def open_model(tokenizer, **changes) -> Predictor:
    """Return a model of 70 positions that answers with its prompt, as text."""
    generation = {"evaluate__generation": GENERATION, "tokenize__max_length": 70}
    task, *_ = load("recipes/sample-causal_lm.yaml", **generation, **changes)
    tokenizer.model_max_length = ROOM + 30
    opened: Any = Predictor.__new__(Predictor)
    opened.settings, opened.task, opened.processor = task.settings, task, tokenizer
    opened.encode, opened.num_cut, opened.watch = task.encode, 0, None
    opened.batch_size, opened.batch_tokens = 4, 1000
    opened.input_limit = task.input_limit(tokenizer)

    def prompts(rows):
        batch = task.prompts(rows, tokenizer)
        pairs = zip(batch["input_ids"], batch["attention_mask"], strict=True)
        return [tokenizer.decode(ids[mask > 0]) for ids, mask in pairs]

    opened.run_batch = {"tokens": prompts}
    task.outputs_needed = ("tokens",)
    task.decode = lambda outputs, *_: outputs["tokens"]
    task.prediction_columns = lambda outputs, *_: {"prediction": outputs["tokens"]}
    return opened


def read_prompts(opened, columns, tokenized=None) -> list[str]:
    """Return what evaluate and `temper predict` generate from, which has to be the same."""
    examples = Dataset.from_dict(columns | (tokenized or {}))
    encoded = opened.task.encode(examples[:], opened.processor, mode="evaluate")
    features = Dataset.from_dict({k: v for k, v in encoded.items() if k != "full_length"})
    ((_, evaluated, _),) = opened.predictions_by_chunk(features, examples)
    assert opened.num_cut == 1
    predicted = opened.predict(columns)["prediction"]
    assert opened.num_cut == 2
    assert evaluated == predicted
    return predicted


def test_a_conversation_loses_turns_for_the_answer(tmp_path):
    """Whole ones, and the system message stays."""
    tokenizer = AutoTokenizer.from_pretrained(str(write_model(tmp_path / "model")))
    opened = open_model(tokenizer, task__text=None, task__messages="chat")
    assert opened.input_limit[0] == ROOM
    long, short = read_prompts(opened, {"chat": CHATS}, {ANSWER: ["yes", "good evening"]})
    expected = [CHATS[0][0], CHATS[0][-1]]
    for found, messages in ((long, expected), (short, CHATS[1])):
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert found == tokenizer.decode(ids)
        assert len(ids) <= ROOM


def test_a_template_keeps_its_words_for_the_completion():
    """`truncate_column` is cut, at its end; the words around it stay."""
    tokenizer = AutoTokenizer.from_pretrained("data/sample/causal_lm/model")
    keys = {"template": "say it, {spoken}. answer", "truncate_column": "spoken"}
    changes = {f"task__{name}": value for name, value in keys.items()}
    opened = open_model(tokenizer, task__text="label", **changes)
    spoken = {"spoken": ["one two " * 40, "one two"]}
    long, short = read_prompts(opened, spoken, {"label": ["a", "b"]})
    assert long.startswith("say it, one two")
    assert long.endswith("two. answer")
    assert len(tokenizer(long)["input_ids"]) == pytest.approx(ROOM, abs=1)
    assert short == "say it, one two. answer"
