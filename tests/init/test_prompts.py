"""Prompts with completions, and conversations."""

import json
import re

import pytest
from transformers import AutoTokenizer

from temper.core.errors import InputError
from temper.init import document, finders, prompts, proposal, settings, source
from temper.init.profiles import profile
from temper.init.roles import Roles, Wishes
from tests.helpers.chats import SAMPLE, say, write_model

SUMS = {
    "instruction": [f"add the two numbers of row {i}" for i in range(40)],
    "input": [f"{i} and {i % 4} are the numbers" for i in range(40)],
    "output": [str(i % 4) for i in range(40)],
}


def roles(**wishes):
    return finders.find_roles(profile([SUMS]), Wishes(choose=lambda *_: "instruction", **wishes))


def test_short_completions_are_written_by_a_model_that_writes():
    """An encoder learns them as classes. Texts outside of the prompt are named."""
    found = roles(has_encoder=False)
    template = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
    assert found.task == {"name": "causal_lm", "template": template, "text": "output"}
    columns = profile([{"prompt" if k == "instruction" else k: v for k, v in SUMS.items()}])
    columns["completion"] = columns.pop("output")
    found = finders.find_roles(columns, Wishes(choose=lambda *_: "", has_encoder=False))
    assert found.task == {"name": "causal_lm", "prompt": "prompt", "text": "completion"}
    (note,) = found.notes
    option = "--task causal_lm --text 'prompt, input' --label completion"
    assert note == f"input: not in the prompt; {option} makes one of all"
    found = roles(task="causal_lm", text=("instruction, input",), label="output")
    template = "{instruction}\n{input}"
    assert found.task == {"name": "causal_lm", "template": template, "text": "output"}
    assert roles(is_encoder=True).task["name"] == "sequence_classification"
    assert roles(has_encoder=False, label="output").task["name"] == "sequence_classification"


JOINED = {"text": ("instruction, input",), "label": "output"}


@pytest.mark.parametrize(
    "wishes",
    [{"is_encoder_decoder": True}, {"task": "seq2seq_lm"}, {"task": "seq2seq_lm"} | JOINED],
)
@pytest.mark.parametrize("outputs", [SUMS["output"], [f"the sum of row {i}" for i in range(40)]])
def test_alpaca_is_source_and_target_of_an_encoder_with_a_decoder(
    wishes, outputs, tmp_path, monkeypatch
):
    """Whether the outputs are few and short or are texts, named or not; lengths are measured."""
    columns = profile([SUMS | {"output": outputs}])
    asked = Wishes(choose=lambda *_: "", **wishes)
    found = finders.find_roles(columns, asked)
    assert found.task == {
        "name": "seq2seq_lm",
        "problem_type": "summarization",
        "template": "{instruction}\n{input}",
        "target_text": "output",
    }
    tokenizer = AutoTokenizer.from_pretrained(str(SAMPLE))
    tokenizer.model_max_length = 512
    model = settings.Model(name="t5", processor=tokenizer)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sums.csv").write_text("instruction,input,output\n")
    file = source.find_source("sums.csv", tmp_path / "copies", asked)
    lengths = proposal.build(file, columns, found, model)[0]["tokenize"]
    sources = [f"{a}\n{b}" for a, b in zip(SUMS["instruction"], SUMS["input"], strict=True)]
    for key, texts in (("max_length", sources), ("max_target_length", outputs)):
        longest = max(len(ids) for ids in tokenizer(texts)["input_ids"])
        assert longest <= lengths[key] <= max(longest + 7, settings.MIN_LENGTH)


HUMAN, GPT = {"from": "human", "value": "hello"}, {"from": "gpt", "value": "good evening"}
CALL = {"role": "assistant", "tool_calls": [{"id": "1"}]}  # which temper check refuses


@pytest.mark.parametrize("cell", [say("hello", "good evening"), [HUMAN, GPT], [*say("a"), CALL]])
@pytest.mark.parametrize("has_encoder", [True, False])
def test_conversations_are_learned(cell, has_encoder):
    """Before a text and a class beside them are taken for what is learned."""
    rows = {"prompt": ["hello you"] * 20, "chat": [cell] * 20, "category": ["a", "b"] * 10}
    wishes = Wishes(choose=lambda *_: "", has_encoder=has_encoder)
    found = finders.find_roles(profile([rows]), wishes)
    assert found.task == {"name": "causal_lm", "messages": "chat"}
    assert (found.unused, found.notes) == (("prompt", "category"), ())
    found = finders.find_roles(profile([rows | {"system": ["be kind"] * 20}]), wishes)
    assert found.notes[0].startswith("system: not read; make it a message of the role system")


@pytest.mark.parametrize("written", [json.dumps, str])
def test_conversations_in_cells_of_text_are_learned_and_measured_as_lists(written):
    """As CSV has them. A few rows that are none are for `temper check` to name."""
    chats = [say("hello " * i, "good evening") for i in range(1, 11)]
    found = profile([{"chat": [written(chat) for chat in chats]}])
    assert (found["chat"].cells, found["chat"].rows) == (chats, [*range(1, 11)])
    found = profile([{"chat": ["[{broken", *map(written, chats), "Hello."]}])
    assert (found["chat"].cells, found["chat"].rows) == (chats, [*range(2, 12)])
    roles = finders.find_roles(found, Wishes(choose=lambda *_: ""))
    assert roles.task == {"name": "causal_lm", "messages": "chat"}
    texts = [f"[see {i}] a text with brackets" for i in range(11)]
    assert profile([{"chat": [written(chats[0]), *texts]}])["chat"].is_text


@pytest.mark.parametrize("message", [{"content": "hello"}, "hello", {"rol": "user", "content": ""}])
def test_a_malformed_message_hides_no_column_of_conversations(message):
    """`temper check` names it."""
    columns = profile([{"chat": [say("hello", "good evening")] * 9 + [[message]]}])
    roles = finders.find_roles(columns, Wishes(choose=lambda *_: ""))
    assert roles.task == {"name": "causal_lm", "messages": "chat"}


@pytest.mark.parametrize("written", [json.dumps, list])
@pytest.mark.parametrize(
    ("wishes", "task"),
    [
        ({"text": ("chat",), "task": "masked_lm"}, "masked_lm"),
        ({"text": ("chat",), "label": "category"}, "sequence_classification"),
        ({"text": ("title",), "label": "chat", "task": "causal_lm"}, "causal_lm"),
        ({"text": ("title, chat",), "task": "masked_lm"}, "masked_lm"),
    ],
)
def test_a_column_of_conversations_is_refused_for_other_tasks(written, wishes, task):
    """They would learn from JSON, braces and all."""
    chats = [written(say("hello", f"good evening {i}")) for i in range(20)]
    rows = {"chat": chats, "title": [f"the talk {i}" for i in range(20)]}
    columns = profile([rows | {"category": ["a", "b"] * 10}])
    says = f"column 'chat' holds conversations, which {task} does not read; .*--text chat, without"
    with pytest.raises(InputError, match=says):
        finders.find_roles(columns, Wishes(choose=lambda *_: "", **wishes))


def test_one_of_several_columns_of_conversations_is_asked_for():
    """Such as an answer that was chosen, and one that was rejected."""
    columns = profile([{name: [say("a", name)] * 9 for name in ("chosen", "rejected")}])
    asked = []
    wishes = Wishes(choose=lambda *given: asked.append(given) or "chosen")
    assert finders.find_roles(columns, wishes).task["messages"] == "chosen"
    question = "which column holds whole conversations, with their answers?"
    assert asked == [(question, ["chosen", "rejected"], None, "--text")]
    wishes = Wishes(choose=lambda *_: "", text=("rejected",))
    assert finders.find_roles(columns, wishes).task["messages"] == "rejected"


@pytest.mark.parametrize(
    ("member", "wishes", "task"),
    [
        ({"role": "Neo", "actor": "K"}, {}, "sequence_classification"),
        (
            {"role": "user", "content": "hello"},
            {"text": ("plot",), "label": "genre"},
            "sequence_classification",
        ),
        ({"role": "user", "content": "hello"}, {"task": "masked_lm"}, "masked_lm"),
    ],
)
def test_other_lists_and_other_columns_are_no_conversations(member, wishes, task):
    """A cast has roles too, and conversations may be beside what is learned."""
    plots = [f"a man and a woman {i}" for i in range(20)]
    rows = {"cast": [[member]] * 20, "plot": plots, "genre": ["a", "b"] * 10}
    wished = Wishes(choose=lambda *_: "", **wishes)
    assert finders.find_roles(profile([rows]), wished).task["name"] == task


def test_conversations_are_measured_with_what_the_template_writes(tmp_path):
    """And a template's prompt with all of its columns and its completion, rows by rows."""
    tokenizer = AutoTokenizer.from_pretrained(str(write_model(tmp_path / "model")))
    model = settings.Model(name="chat", processor=tokenizer)
    columns = profile([{"chat": [say("hello " * 20, "good evening")] * 20}])
    found = finders.find_roles(columns, Wishes(choose=lambda *_: ""))
    text = tokenizer.apply_chat_template(columns["chat"].cells[0], tokenize=False)
    num_tokens = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert f"have at most {num_tokens} tokens" in settings.measure(columns, found, model)[1]
    unknown = settings.Model(name="a/model-that-is-not-reached")
    assert settings.measure(columns, found, unknown)[1].startswith("estimated from characters")
    tokenizer.model_max_length = 512
    short = SUMS | {"input": [""] * 20 + ["word " * 40] * 20}
    columns = profile([short])
    found = finders.find_roles(columns, Wishes(choose=lambda *_: "", has_encoder=False))
    record = {name: values[-1] for name, values in short.items()}
    num_tokens = len(tokenizer(prompts.INSTRUCTION.format(**record) + "3")["input_ids"])
    longest = settings.measure(columns, found, model)[0]
    assert longest == -(-num_tokens // 8) * 8


@pytest.mark.parametrize("count", [3, 100])
def test_as_many_tokens_are_generated_as_answers_have(count):
    """And 64 where they are shorter, since a model may write more."""
    tokenizer = AutoTokenizer.from_pretrained(str(SAMPLE))
    tokenizer.model_max_length = 512
    model, text = settings.Model(name="chat", processor=tokenizer), "so " * count
    num_tokens = len(tokenizer(text)["input_ids"])
    expected = max(64, -(-num_tokens // 8) * 8)
    rows = {"chat": [say("why", text)] * 9, "q": ["why"] * 9, "a": [text] * 9}
    for task in (
        {"name": "causal_lm", "messages": "chat"},
        {"name": "causal_lm", "prompt": "q", "text": "a"},
        {"name": "causal_lm", "template": "{q}: ", "text": "a"},
        {"name": "seq2seq_lm", "source": "q", "target_text": "a"},
    ):
        found = Roles(task=task)
        assert settings.measure_written(profile([rows]), found, model) == expected
    assert settings.measure_written(profile([rows]), Roles(task={"text": "a"}), model) == 64


def test_a_model_of_texts_from_texts_learns_two_columns_of_texts():
    """T5, for example; its kind is shown in params.yaml. Another model is asked as before."""
    columns = profile([{name: SUMS[name] for name in ("instruction", "input")}])

    def roles(**wishes):
        return finders.find_roles(columns, Wishes(choose=lambda *_: "input", **wishes))

    found = roles(is_encoder_decoder=True)
    keys = {"name": "seq2seq_lm", "problem_type": "summarization"}
    assert found.task == keys | {"source": "instruction", "target_text": "input"}
    assert found.notes == (
        "if these are translations, write task.problem_type: translation; it is scored by BLEU",
    )
    turned = roles(is_encoder_decoder=True, text=("input",), label="instruction").task
    assert turned == keys | {"source": "input", "target_text": "instruction"}
    assert roles().task["name"] == "masked_lm"
    written = document.write({"task": found.task}, [])
    assert re.search("problem_type: summarization +# summarization . translation\n", written)
    written = document.write({"export": {"name": "translation"}}, [])
    assert re.search("name: translation +# in the model card and registry\n", written)
