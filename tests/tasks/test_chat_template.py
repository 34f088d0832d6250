"""What real models' chat templates do with thoughts, system messages and white space."""

import json
import re
from itertools import groupby
from operator import itemgetter

import numpy as np
import pytest
from transformers import AutoTokenizer

from temper.core.errors import InputError
from temper.metrics import completions
from temper.tasks.base import chat_template, conversations
from tests.helpers.chats import CHATML, LLAMA, SAMPLE, byte_level, say
from tests.helpers.samples import load

ROLE = "{{ '<|im_start|>' + m.role + '\n' }}"
END = "{{ '<|im_end|>\n' }}"
ASKS = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
LOOP = "{% for m in messages %}" + ROLE
THOUGHT, NO_THOUGHT = "<think>\nhm\n</think>\n\nfour", "<think>\n\n</think>\n\nfour"
OTHER_THOUGHTS = ["<think>hm\n</think>\n\nfour", "<think>hm</think>four", "hm</think>four"]
# of reasoning models: the request begins a thought, and an answer without one has an empty one
REASONS = (
    LOOP + "{% if m.role == 'assistant' and not '</think>' in m.content %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m.content }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
# thoughts are written from a key of their own
ALWAYS = REASONS.replace(" and not '</think>' in m.content", "")
FORGETS = (
    LOOP + "{{ m.content.split('</think>')[-1] }}" + END + "{% endfor %}" + ASKS + "{% endif %}"
)
# thoughts are kept in the last answer alone, which has an empty one if it has none
LAST_REASONS = (
    LOOP + "{% set answer = m.content.split('</think>')[-1] | trim %}"
    "{% if m.role != 'assistant' %}{{ m.content }}{% elif not loop.last %}{{ answer }}"
    "{% elif '</think>' in m.content %}{{ m.content }}"
    "{% else %}{{ '<think>\n\n</think>\n\n' + answer }}{% endif %}"
    + END
    + "{% endfor %}"
    + ASKS
    + "{% endif %}"
)
# thoughts are written in one way, however messages have them, as by Qwen3
REWRITES = (
    LOOP + "{% set parts = (m.content if '</think>' in m.content else '</think>' + m.content)"
    ".split('</think>') %}{% if m.role != 'assistant' %}{{ m.content }}{% else %}"
    "{{ '<think>\n' + parts[0].split('<think>')[-1].strip() + '\n</think>\n\n' }}"
    "{{ parts[1].strip() }}{% endif %}" + END + "{% endfor %}" + ASKS + "{% endif %}"
)
SHORTENS = CHATML.replace("content + '<|im_end|>\\n'", "content[:5] | trim + '<|im_end|>\n'")
NO_SYSTEM = "{% set messages = messages | rejectattr('role', 'equalto', 'system') %}"
LAST_SYSTEM = (  # before the last message, if it is the user's
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
    "{% set messages = messages[1:] %}{% endif %}" + LOOP + "{% if loop.last and m.role == 'user' "
    "and system is defined %}{{ system + '\n' }}{% endif %}{{ m.content }}"
    + END
    + "{% endfor %}"
    + ASKS
    + "{% endif %}"
)
DASHES = (
    "{% for m in messages %}{{ m.content + (eos_token if m.role == 'assistant' else '\n-\n') }}"
    "{% endfor %}"
)
RULES = DASHES.replace("-", "###")
ALPACA = (
    "{% for m in messages %}{{ '### ' + m.role + ':\n\n' + m.content }}{% if m.role == 'assistant' "
    "%}{{ eos_token }}{% endif %}{{ '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\n\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def bpe():
    return byte_level()


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
        (REASONS, ["four", THOUGHT]),
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


@pytest.mark.parametrize(
    ("template", "first", "last", "learned"),
    [
        (LAST_REASONS, THOUGHT, "nine", ["<think>\n\n</think>\n\nnine<|im_end|>"]),
        (LAST_REASONS, "four", THOUGHT, [f"{THOUGHT}<|im_end|>"]),
        (CHATML, "four", "nine", ["four<|im_end|>", "nine<|im_end|>"]),
    ],
)
def test_answers_are_learned_that_are_written_as_they_are_asked_for(
    bpe, template, first, last, learned
):
    """Not earlier ones without their thoughts; of how many conversations is counted."""
    bpe.chat_template = template
    contexts, answers = [say("a", first, "b"), say("a"), say("a", first, "b")], [last, last, None]
    columns = conversations.encode(bpe, contexts, answers, 1000, 1000)
    ids, mask = columns["input_ids"][0], columns["answer_mask"][0]
    runs = [
        [*group] for counts, group in groupby(zip(mask, ids, strict=True), itemgetter(0)) if counts
    ]
    assert [bpe.decode([i for _, i in run]) for run in runs] == learned
    request = bpe.apply_chat_template(contexts[0], tokenize=False, add_generation_prompt=True)
    assert bpe.decode(columns["prompt_ids"][0]) == request
    assert columns["prompt_ids"][2] == columns["prompt_ids"][0]
    assert ids[: len(columns["prompt_ids"][0])] == columns["prompt_ids"][0]
    assert conversations.count_partial(contexts, answers, columns) == (len(learned) == 1)


def test_an_end_token_after_the_last_turn_is_part_of_no_answer(bpe):
    """As of Phi-3, whose end token is that of its turns, once download has set it."""
    bpe.chat_template = CHATML.removesuffix("{% endif %}") + "{% else %}{{ eos_token }}{% endif %}"
    before, bpe.eos_token = bpe.eos_token, "<|im_end|>"
    ids, mask = encoded(bpe, say("a", "b", "c", "d"))
    bpe.eos_token = before
    learned = [i for i, counts in zip(ids, mask, strict=True) if counts]
    assert bpe.decode(learned) == "b<|im_end|>d<|im_end|>"
    assert bpe.decode(ids).endswith("d<|im_end|>\n<|im_end|>")


@pytest.mark.parametrize(
    ("template", "messages", "message"),
    [
        (FORGETS, say("a", THOUGHT), "message 2: the chat template writes this answer otherwise"),
        (ALWAYS, say("a", THOUGHT), r"message 2: .* as '<think>\\n\\n</think>\\n\\n<think>\\nhm"),
        (NO_SYSTEM + CHATML, say("a", "b", system="c"), "message 1: the chat template leaves out"),
        (SHORTENS, say("a", "b", "four and three", "d"), "message 3: .* of what the user says"),
        (REASONS, say("a", "<think>hm</think>4"), r"message 2: the .* request for this answer ends "
         r"with '<think>\\n', and the answer begins otherwise: '<think>hm</think>4<\|im_end"),
        (LAST_SYSTEM, say("a", "b", system="c"), r"asks for message 3 of a conversation \(system"),
    ],
)  # fmt: skip
def test_what_a_template_leaves_out_or_adds_is_refused(bpe, template, messages, message):
    """It would not be learned as it was written."""
    bpe.chat_template = template
    with pytest.raises(InputError, match=message):
        encoded(bpe, messages)
    encoded(bpe, say("a", "b"))


def test_thoughts_may_be_written_where_a_template_writes_them(bpe):
    """They make no turn."""
    bpe.chat_template = REASONS
    ids, mask = encoded(bpe, say("a", THOUGHT))
    learned = bpe.decode([i for i, counts in zip(ids, mask, strict=True) if counts])
    assert learned == "hm\n</think>\n\nfour<|im_end|>"


@pytest.mark.parametrize(
    ("template", "generated", "answer"),
    [
        (REASONS, "hm\n</think>\n\nfour<|im_end|>", THOUGHT),
        (REASONS, "\n</think>\n\nfour<|im_end|>", "four"),
        (REASONS.replace("<think>\n'", "<think>'"),
         "hm\n</think>\n\nfour<|im_end|>", OTHER_THOUGHTS[0]),
        (CHATML.replace("{{ message.content", "{{ '<|im_start|>final<eos>' + message.content"),
         "<|im_start|>final<eos>four<|im_end|>", "four"),
    ],
)  # fmt: skip
def test_a_prediction_is_written_as_a_message(bpe, template, generated, answer):
    """So that it can be the same as the reference: with a thought that the request has begun."""
    bpe.chat_template = template
    task, _, _ = load("recipes/sample-causal_lm.yaml", task__text=None, task__messages="chat")
    ids = bpe(generated, add_special_tokens=False)["input_ids"]
    learned, mask = encoded(bpe, say("a", answer))
    assert np.array(learned)[np.array(mask, bool)].tolist()[-len(ids) :] == ids
    assert task.written({"tokens": [np.array(ids)]}, bpe) == [answer]


@pytest.mark.parametrize(
    ("template", "answers"),
    [
        (CHATML, ["four", THOUGHT, NO_THOUGHT, *OTHER_THOUGHTS]),
        (REWRITES, ["four", THOUGHT, NO_THOUGHT, *OTHER_THOUGHTS]),
        (REASONS, ["four", THOUGHT, NO_THOUGHT]),
    ],
)
def test_a_model_that_writes_what_it_has_learned_is_right(bpe, template, answers):
    """However the template writes the thoughts that it accepts."""
    bpe.chat_template = template
    task, _, _ = load("recipes/sample-causal_lm.yaml", task__text=None, task__messages="chat")
    learned = []
    for answer in answers:
        ids, mask = encoded(bpe, say("a", answer))
        learned.append(np.array([i for i, counts in zip(ids, mask, strict=True) if counts]))
    predictions = [(text, None) for text in task.written({"tokens": learned}, bpe)]
    assert completions.per_example_stats(predictions, answers)[:, 3].all()
    others = ["five"] * len(answers)
    assert not completions.per_example_stats(predictions, others)[:, 3].any()


@pytest.mark.parametrize(
    ("template", "text", "found"),
    [
        (LLAMA, "a [/INST] yes </s>", "[/INST]"),
        (LLAMA, "a[/INST]yes", "[/INST]"),
        (ALPACA, "a\n\n### assistant:\n\nyes", "### assistant:"),
        (ALPACA, "### assistant:", "### assistant:"),
        (ALPACA, "see ### assistant:", None),
        (ALPACA, "assistant: [/INST]", None),
        (CHATML, "[/INST]\n assistant\n", None),
        (DASHES, "list:\n- one\n- two", None),
        (DASHES, "a\n - \nb", "-"),
        (RULES, "# One\n### Two", None),
        (RULES, "a\n###\nb", "###"),
    ],
)
def test_a_turn_of_plain_text_is_no_message(template, text, found):
    """Where a template writes no token of its own between a question and its answer."""
    tokenizer = AutoTokenizer.from_pretrained(str(SAMPLE))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.bos_token, tokenizer.chat_template = "[CLS]", template
    rows = {"contexts": [say("b"), say(text)], "answers": ["c", "d"]}
    if found is None:
        conversations.encode(tokenizer, **rows, max_length=100, max_prompt=100)
        return
    message = f"message 1: its text has {found!r}, which would be read as the beginning of a turn"
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        conversations.encode(tokenizer, **rows, max_length=100, max_prompt=100)
    assert ("or write '" in str(refused.value)) == (found != "-")


def test_thoughts_of_special_tokens_are_refused(bpe, tmp_path):
    """Nothing that is generated would have them; the fix that is named helps, half of it not."""
    bpe.chat_template = REASONS
    bpe.save_pretrained(tmp_path)

    def read(*, is_special, by_config):
        path = tmp_path / "tokenizer.json"
        content, decoder = json.loads(path.read_text()), {}
        for token in content["added_tokens"]:
            is_thought = token["content"] in chat_template.THOUGHT
            token["special"] = is_special if is_thought else token["special"]
            entry = token | {"special": by_config if is_thought else token["special"]}
            decoder[str(entry.pop("id"))] = entry
        path.write_text(json.dumps(content))
        path = tmp_path / "tokenizer_config.json"
        path.write_text(
            json.dumps(json.loads(path.read_text()) | {"added_tokens_decoder": decoder})
        )
        return AutoTokenizer.from_pretrained(str(tmp_path))

    message = "message 2: its text has '</think>', a special token, which is left out of all texts"
    for is_special, by_config in ((True, True), (True, False), (False, True)):
        tokenizer = read(is_special=is_special, by_config=by_config)
        encoded(tokenizer, say("a", "four"))
        with pytest.raises(InputError, match=message) as refused:
            encoded(tokenizer, say("a", THOUGHT))
        assert "or write" not in str(refused.value)
    ids, mask = encoded(read(is_special=False, by_config=False), say("a", THOUGHT))
    assert (ids, mask) == encoded(bpe, say("a", THOUGHT))
