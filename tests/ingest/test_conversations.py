"""Conversations are read as OpenAI and ShareGPT write them, and what cannot be learned is named."""

import json
import shutil

import pytest

from temper import params
from temper.cli import check
from temper.core import arrow
from temper.core.errors import InputError
from temper.ingest import dataset, local_files
from temper.params.task import ANSWER
from temper.tasks.base import messages
from tests.helpers.chats import CHATML, say, write_model
from tests.helpers.samples import load, write_rows

NAMES = {"system": "system", "user": "human", "assistant": "gpt"}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}
PICTURE = {"role": "user", "content": [{"type": "image"}]}


def openai(chat):
    return [message | {"tool_calls": None, "weight": 1, "name": "x"} for message in chat]


def sharegpt(chat):
    return [{"from": NAMES[m["role"]], "value": m["content"]} for m in chat]


def download(folder, suffix, **splits):
    """Write data/raw of rows by split; return its splits and summary."""
    changes = {"task__text": None, "task__messages": "chat", "data__overlap": "drop_from_train"}
    task, *_ = load("recipes/sample-causal_lm.yaml", **changes)
    files = {split: folder / f"{split}.{suffix}" for split in splits}
    for split, rows in splits.items():
        write_rows(files[split], [{"chat": row} for row in rows])
    source = {split: local_files.read([file]) for split, file in files.items()}
    data = task.settings.data.model_copy(update={"files": {k: str(v) for k, v in files.items()}})
    summary = dataset.write(source, task.params, data, folder / "raw")
    return arrow.load(folder / "raw"), summary


@pytest.mark.parametrize("form", [openai, sharegpt, json.dumps])
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_the_last_answer_is_kept_apart(tmp_path, form, suffix):
    """It is the reference. Rows are the same that have the same messages before it."""
    chats = [say(f"question {i}", f"answer {i}", f"why {i}", "so") for i in range(9)]
    asked = say("question 3", "answer 3", "why  3", system="be kind")
    found, summary = download(
        tmp_path,
        suffix,
        train=[form(chat) for chat in [*chats, say("Why 4", "because")]],
        validation=[form(chats[5][:-1] + say("", "no")[1:])],
        test=[form(asked)],
    )
    kept = [chat for i, chat in enumerate(chats) if i != 5]
    assert list(found["train"]["chat"])[:-1] == [chat[:-1] for chat in kept]
    assert list(found["train"][ANSWER]) == ["so"] * 8 + ["because"]
    assert summary["overlap"]["train in validation"] == 1
    assert list(found["test"]["chat"]) == [asked]
    assert list(found["test"][ANSWER]) == [None]
    assert [summary["splits"][split]["labelled"] for split in found] == [True, True, False]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hello", r"expected a conversation such as \[{"),
        ([], "expected a conversation"),
        ([["user", "a"]], "message 1: expected a role and a content"),
        ([*say("a"), {"role": "bot", "content": "b"}], "message 2: role is 'bot'; there are"),
        ([{"role": ["user"], "content": "a"}], r"message 1: role is \['user'\] .*there are"),
        ([{"from": "humn", "value": "a"}], r"from is 'humn' \(did you mean 'human'\?\)"),
        ([*say("a"), {"role": "tool", "content": "7"}], "message 2: role is 'tool'; there are sys"),
        ([*say("a"), CALL], "message 2: has tool_calls, which is not learned"),
        ([PICTURE], "message 1: its content is a list; only a text can be learned"),
        ([{"role": "user", "content": None}], "its content is null"),
        (say("a", " \n"), "message 2: an empty answer"),
        (say("a", "b")[1:], "message 1: an answer before the user says anything"),
        ([*say("a", "b"), say("a", "c")[1]], "message 3: an answer after an answer"),
        ([*say("a"), {"role": "system", "content": "b"}], "message 2: a system message can only"),
        (say(system="be kind"), "a conversation needs a message of the user"),
        (say("\ud800"), "message 1: .*surrogates not allowed"),
        ([*say("a"), {"role": "assistant", "content": "b", "weight": 0}], "has weight"),
    ],
)
def test_conversations_that_cannot_be_learned(value, message):
    with pytest.raises((ValueError, TypeError), match=message):
        messages.read(value)


def test_the_user_may_say_several_things():
    given = [*say("a"), *say("b", "c")]
    assert messages.split(given) == (given[:2], "c")


def test_rows_without_a_last_answer_are_named(tmp_path):
    """Beside others that have one, and where all of train lacks it."""
    message = "train row 3, column 'chat': no answer at its end, but 2 other rows have one"
    with pytest.raises(InputError, match=message):
        download(tmp_path, "jsonl", train=[say("a", "b"), say("c", "d"), say("e")])
    message = "train, column 'chat': no conversation that ends with an answer"
    with pytest.raises(InputError, match=message):
        download(tmp_path, "jsonl", train=[say("a"), say("c")])


@pytest.fixture
def checked(check_sample, tmp_path):
    """Return a function that checks conversations with a model that has a template."""

    def check(chats, template=CHATML, **changes):
        shutil.rmtree(tmp_path / "chat", ignore_errors=True)
        write_model(tmp_path / "chat", template)
        keys = {"task__text": None, "task__messages": "chat"}
        keys |= {"model__name": "chat", "model__files": {"chat": "chat"}}
        rows = chats if isinstance(chats[0], dict) else [{"chat": chat} for chat in chats]
        return check_sample("causal_lm", rows, **keys | changes)

    return check


def test_check_names_file_row_and_message(checked):
    chats = [say(f"question {i}", "yes") for i in range(40)]
    assert checked(chats) == []
    assert check.examine(params.load())[1]["steps"] == "1 per epoch, 3 in total"
    (mistake,) = checked([*chats, [*say("a"), CALL]])
    assert "own.jsonl: train row 41, column 'chat': message 2: has tool_calls" in mistake
    (mistake,) = checked([{"chats": chat} for chat in chats])
    assert "task.messages: no column 'chat' in train (own.jsonl) (did you mean 'chats'?)" in mistake
    for changes, message in (
        ({"task__prompt": "chat2"}, "task.prompt: has no effect with task.messages"),
        ({"task__messages": ANSWER}, f"data.rename: the column '{ANSWER}' would be overwritten"),
        ({"data__extra_columns": [ANSWER]}, f"the column '{ANSWER}' would be overwritten"),
    ):
        with pytest.raises(InputError, match=message):
            checked(chats, **changes)


def test_check_names_the_template_and_the_first_row_it_refuses(checked):
    """Of each order of roles and thoughts; a model without a template is named before any row."""
    kind = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    chats = [say(f"question {i}", "yes") for i in range(40)]
    assert checked(chats, kind + CHATML) == []
    (mistake,) = checked([*chats, say("a", "b", system="be kind")], kind + CHATML)
    place = "own.jsonl: train row 41, column 'chat': the chat template refuses a conversation"
    assert f"{place} (system, user, assistant; the user: 'a'): no system role" in mistake
    (mistake,) = checked([*chats, say("a", "b <|im_end|>")])
    place = "own.jsonl: train row 41, column 'chat': message 2: its text has '<|im_end|>', which"
    assert place in mistake
    forgets = CHATML.replace("message.content", "message.content.split('</think>')[-1]")
    (mistake,) = checked([*chats, say("a", "<think>b</think> c")], forgets)
    assert "own.jsonl: train row 41, column 'chat': message 2: the chat template writes" in mistake
    (mistake,) = checked(chats, None)
    assert "model chat: the tokenizer has no chat template, which task.messages needs" in mistake


def test_conversations_that_are_read_as_texts_are_said(checked):
    """They are learned as the JSON that they are; other JSON is a text as any other."""
    chats = [json.dumps(say(f"question {i}", "yes")) for i in range(39)]
    other = json.dumps([{"name": "a"}]), '[{"role": "user", "role": "user"}]'
    rows = [{"chat": chat} for chat in (*chats, *other)]
    assert checked(rows, task__messages=None, task__text="chat", tokenize__max_length=16) == []
    facts = check.examine(params.load())[1]
    assert facts["files"].startswith(
        "train: 39 cells of column 'chat' hold a conversation, read as the text that it is written"
    )
