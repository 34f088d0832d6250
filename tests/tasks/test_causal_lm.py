"""Blocks lose no token, and prompts are not learned."""

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from temper.core.errors import InputError
from temper.params.task import ANSWER
from temper.prediction import generation
from tests.helpers.chats import say, write_model
from tests.helpers.samples import ODD, load


def test_blocks_lose_no_token():
    """The tokens come back, packed or not, and unpacked blocks know their text."""
    task, processor, _ = load("recipes/sample-masked_lm.yaml", tokenize__max_length=8)
    texts = ["Anna opened eleven boxes in Oslo before summer.", *ODD]
    whole = processor(texts)["input_ids"]
    packed = task.encode({"sentence1": texts}, processor, mode="train")
    assert [i for row in packed["input_ids"] for i in row] == [i for row in whole for i in row]
    assert {len(row) for row in packed["input_ids"][:-1]} == {8}
    alone = task.encode({"sentence1": texts}, processor, mode="evaluate")
    for example, ids in enumerate(whole):
        parts = [
            part
            for part, e in zip(alone["input_ids"], alone["example_id"], strict=True)
            if e == example
        ]
        assert [i for part in parts for i in part] == ids


def test_prompts_are_not_learned():
    """Only the completion and the end have labels, each at the token before it."""
    task, processor, config = load(
        "recipes/sample-causal_lm.yaml", task__prompt="sentence1", task__text="label"
    )
    given = {"sentence1": ["Anna opened boxes"], "label": ["in Oslo"]}
    columns = task.encode(given, processor, mode="train")
    row = {name: values[0] for name, values in columns.items()}
    batch = task.collator(processor, config)([row])
    wanted = [*processor("in Oslo")["input_ids"], processor.eos_token_id]
    labels = batch["labels"][0]
    assert labels[labels >= 0].tolist() == wanted
    at = np.flatnonzero(labels >= 0)
    assert at[0] == len(processor("Anna opened boxes")["input_ids"]) - 1
    assert batch["input_ids"][0][at + 1].tolist() == wanted[: len(at)]


def test_texts_to_continue_keep_their_end_and_know_their_length():
    task, processor, _ = load("recipes/sample-causal_lm.yaml", tokenize__max_length=4)
    text = "Anna opened eleven boxes in Oslo before summer."
    columns = task.encode({"sentence1": [text]}, processor, mode="predict")
    whole = processor([text])["input_ids"][0]
    assert columns["input_ids"] == [whole[-4:]]
    assert (columns["length"], columns["full_length"]) == ([4], [len(whole)])


def test_a_prompt_without_tokens_begins_with_the_token_of_a_text():
    """As GPT-2's tokenizer makes of the empty text; a model cannot read no token."""
    task, processor, _ = load(
        "recipes/sample-causal_lm.yaml", task__prompt="sentence1", task__text="label"
    )
    rows = [{"input_ids": [], "prompt_length": 0}, {"input_ids": [5, 6, 7], "prompt_length": 2}]
    batch = task.prompts(rows, processor)
    assert processor.bos_token_id is None
    assert batch["input_ids"].tolist()[0][-1] == processor.eos_token_id
    assert batch["attention_mask"].tolist() == [[0, 1], [1, 1]]
    assert batch["input_ids"].tolist()[1] == [5, 6]


def test_what_is_generated_fits_the_models_positions():
    """GPT-2 has no 129th one: a longer prompt loses its beginning."""
    changes = {"task__prompt": "sentence1", "task__text": "label"}
    task, tokenizer, config = load("recipes/sample-causal_lm.yaml", **changes)
    settings = task.settings.evaluate.generation
    row = {"input_ids": [*range(5, 133)], "prompt_length": 128}
    batch = task.prompts([row], tokenizer)
    assert batch["input_ids"].tolist() == [row["input_ids"][settings.max_new_tokens :]]
    model = AutoModelForCausalLM.from_config(config)
    (ids,) = generation.torch_generate(model, settings, tokenizer)(batch)
    assert len(ids) <= settings.max_new_tokens
    generate = {"max_new_tokens": 128, "num_beams": 1, "length_penalty": 1.0}
    task, *_ = load("recipes/sample-causal_lm.yaml", **changes, evaluate__generation=generate)
    with pytest.raises(InputError, match=r"max_new_tokens leaves no room for a prompt: .* for 128"):
        task.check_length(tokenizer)


def test_rows_whose_question_leaves_no_room_for_an_answer_are_counted(tmp_path):
    """Of conversations and of prompts; a row without an answer has none to lose."""
    tokenizer = AutoTokenizer.from_pretrained(str(write_model(tmp_path / "model")))
    length = {"tokenize__max_length": 20}
    task, *_ = load(
        "recipes/sample-causal_lm.yaml", task__text=None, task__messages="chat", **length
    )
    chats = [say("hello"), say("one two " * 20), say("one two " * 20)]
    given, one = {"chat": chats, ANSWER: ["yes", "no", None]}, {"without_answer": 1}
    assert task.num_unlearned(given, task.encode(given, tokenizer, mode="train")) == one
    task, *_ = load("recipes/sample-causal_lm.yaml", task__prompt="q", task__text="a", **length)
    given = {"q": ["hello", "one two " * 20], "a": ["yes", "no"]}
    assert task.num_unlearned(given, task.encode(given, tokenizer, mode="train")) == one
    task, *_ = load("recipes/sample-causal_lm.yaml", task__text="q", **length)
    assert task.num_unlearned(given, task.encode(given, tokenizer, mode="train")) == {}
