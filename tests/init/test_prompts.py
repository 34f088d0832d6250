"""Prompts with completions, and conversations."""

import re

import pytest
from transformers import AutoTokenizer

from temper.core.errors import InputError
from temper.init import document, finders, refusals
from temper.init.profiles import profile
from temper.init.roles import Wishes
from temper.init.source import Source
from tests.helpers.workspace import ROOT

MODEL = ROOT / "data/sample/causal_lm/model"
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
    assert found.task == {"name": "causal_lm", "prompt": "instruction", "text": "output"}
    (note,) = found.notes
    option = "--task causal_lm --text 'instruction, input' --label output"
    assert note == f"input: not in the prompt; {option} makes one of all"
    found = roles(task="causal_lm", text=("instruction, input",), label="output")
    template = "{instruction}\n{input}"
    assert found.task == {"name": "causal_lm", "template": template, "text": "output"}
    assert roles(is_encoder=True).task["name"] == "sequence_classification"
    assert roles(has_encoder=False, label="output").task["name"] == "sequence_classification"


@pytest.mark.parametrize(
    "message", [{"role": "user", "content": "hello"}, {"from": "human", "value": "hello"}]
)
def test_conversations_are_refused_with_the_way_to_rows(message):
    columns = profile([{"messages": [[message, message]] * 20}])
    with pytest.raises(
        InputError, match=r"'messages' holds conversations.*tasks\.md#conversations"
    ):
        refusals.check_form(
            Source(files={"train": "x.jsonl"}), columns, Wishes(choose=lambda *_: "")
        )


@pytest.mark.parametrize(
    ("member", "wishes"),
    [
        ({"role": "Neo", "actor": "K"}, {}),
        ({"role": "user", "content": "hello"}, {"text": ("plot",), "label": "genre"}),
        ({"role": "user", "content": "hello"}, {"task": "sequence_classification"}),
    ],
)
def test_other_lists_and_other_columns_are_no_conversations(member, wishes):
    """A cast has roles too, and conversations may be beside what is learned."""
    rows = {"cast": [[member]] * 20, "plot": ["a man and a woman"] * 20, "genre": ["a", "b"] * 10}
    wished = Wishes(choose=lambda *_: "", **wishes)
    refusals.check_form(Source(files={"train": "x.jsonl"}), profile([rows]), wished)


def test_a_conversation_is_a_row_for_each_answer():
    """Of docs/tasks.md: prompt and completion are the template's text, without its first token."""
    page = (ROOT / "docs/tasks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(def to_rows.*?)```", page, re.DOTALL)
    names = {}
    exec(code, names)
    tokenizer = AutoTokenizer.from_pretrained(MODEL, bos_token="<s>")
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    texts = ["be brief", "hello", "hi", "and now?", "bye"]
    said = zip(["system", "user", "assistant", "user", "assistant"], texts, strict=True)
    messages = [{"role": role, "content": text} for role, text in said]
    rows = list(names["to_rows"](messages, tokenizer))
    assert [row["completion"] for row in rows] == ["hi", "bye"]
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    assert f"<s>{rows[1]['prompt']}bye\n" == whole
    assert whole.startswith(f"<s>{rows[0]['prompt']}hi\n")


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
