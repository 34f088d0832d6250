"""The form has the task's fields, and the result what the page draws."""

import base64

import numpy as np
import pytest

from temper.core.errors import InputError
from temper.demo import form
from tests.helpers.demos import AUDIO, EXAMPLES, IMAGE, demo


def answer(task_name, **changes):
    return demo(task_name).answer(EXAMPLES[task_name][0] | changes)


@pytest.mark.parametrize(
    ("task_name", "kinds"),
    [
        ("sequence_classification", ["text", "text"]),
        ("token_classification", ["words"]),
        ("image_classification", ["image"]),
        ("audio_classification", ["audio"]),
        ("multiple_choice", ["line"] * 6),
        ("question_answering", ["text", "text"]),
    ],
)
def test_each_task_has_its_natural_form(task_name, kinds):
    from tests.helpers import samples

    task, _, _ = samples.load(f"recipes/sample-{task_name}.yaml")
    fields = form.fields(task.params)
    assert [field["kind"] for field in fields] == kinds
    assert [field["name"] for field in fields] == list(task.params.inputs)


def test_labels_are_bars_the_likeliest_first():
    assert answer("image_classification") == {
        "kind": "bars",
        "headline": "cross",
        "bars": [
            {"label": "cross", "score": 0.75, "chosen": True},
            {"label": "circle", "score": 0.25, "chosen": False},
        ],
    }


def test_several_labels_may_be_chosen():
    """Or none."""
    from tests.helpers import samples

    task, _, _ = samples.load(
        "recipes/sample-sequence_classification.yaml",
        task__problem_type="multi_label_classification", task__label_separator=", ",
    )  # fmt: skip
    task.label_names = ["a", "b", "c"]
    scores = {"score_a": [0.5], "score_b": [0.25], "score_c": [0.75]}
    example = {"sentence1": ["x"], "sentence2": ["y"]}
    logits = [np.array([0.1, -1.0, 1.0])]
    predicted = task.prediction_columns({"logits": logits}, [{}], [example], None)
    assert predicted["prediction"] == ["a, c"]  # as the data separate them
    both = form.result(task, example, predicted)
    assert both["headline"] == "a, c"
    assert [(bar["label"], bar["chosen"]) for bar in both["bars"]] == [
        ("c", True), ("a", True), ("b", False),
    ]  # fmt: skip
    none = form.result(task, example, {"prediction": [""], **scores})
    assert none["headline"] == "no label"
    assert not any(bar["chosen"] for bar in none["bars"])


def test_an_unsure_model_has_no_answer():
    """The bars are drawn, none of them chosen."""
    page = demo("image_classification")
    scores = {"score_circle": [0.5], "score_cross": [0.5]}
    page.predictor.predict = lambda columns: (
        {"prediction": [""], "score": [0.5], **scores, "abstained": [True]}
    )
    found = page.answer(EXAMPLES["image_classification"][0])
    assert found["headline"] == "no answer: the model is not sure enough"
    assert [bar["chosen"] for bar in found["bars"]] == [False, False]


def test_choices_are_bars_in_their_order():
    """A text that occurs twice is chosen once."""
    found = answer("multiple_choice", ending2="<b>it</b>.")
    assert found["headline"] == "<b>it</b>."
    assert [bar["chosen"] for bar in found["bars"]] == [False, True, False, False]
    assert [bar["score"] for bar in found["bars"]] == [0.25, 0.625, 0.0625, 0.0625]


def test_other_results():
    """Entities among their words, an answer in its context, text."""
    values, predicted, _ = EXAMPLES["token_classification"]
    assert answer("token_classification") == {
        "kind": "entities", "words": values["words"], "entities": predicted["entities"],
    }  # fmt: skip
    context = EXAMPLES["question_answering"][0]["context"]
    assert answer("question_answering") == {
        "kind": "answer", "headline": "Lee", "context": context, "answer": "Lee",
    }  # fmt: skip
    assert answer("causal_lm") == {"kind": "text", "headline": "Five."}
    assert answer("seq2seq_lm") == {"kind": "text", "headline": "eins zwei"}


def test_no_answer_says_so():
    page = demo("question_answering")
    page.predictor.predict = lambda columns: {"prediction": [""], "score": [-1.0]}
    found = page.answer(EXAMPLES["question_answering"][0])
    assert (found["headline"], found["answer"]) == ("no answer", "")


@pytest.mark.parametrize(("medium", "url"), [("image", IMAGE), ("audio", AUDIO)])
def test_a_file_arrives_as_its_bytes(medium, url):
    page, seen = demo(f"{medium}_classification"), []
    predict = page.predictor.predict
    page.predictor.predict = lambda columns: seen.append(columns) or predict(columns)
    page.answer({medium: url})
    assert seen == [{medium: [base64.b64decode(url.partition("base64,")[2])]}]


@pytest.mark.parametrize(
    ("task_name", "values", "message"),
    [
        ("seq2seq_lm", {}, "the form has no column 'spoken'"),
        ("seq2seq_lm", {"spoken": ""}, "nothing to predict: fill in the form"),
        ("seq2seq_lm", {"spoken": ["a"]}, "expected a text, not a list"),
        ("seq2seq_lm", {"spoken": "a " * 500_001}, "spoken: a text of 1,000,002 characters; at m"),
        ("seq2seq_lm", [], "expected a JSON object"),
        ("causal_lm", {"chat": []}, "nothing to predict: fill in the form"),
        ("causal_lm", {"chat": [{"role": "user"}]}, "chat: message 1: expected a role and a con"),
        ("token_classification", {"words": "  "}, "words is empty"),
        ("image_classification", {"image": ""}, "expected the bytes of an image"),
        (
            "image_classification",
            {"image": "data:image/png;base64,?"},
            "image: expected the bytes of a file in base64",
        ),
        (
            "image_classification",
            {"image": "data:image/png;base64,é"},
            "image: expected the bytes of a file in base64",
        ),
        ("image_classification", {"image": "data:image/png;base64,AAAA"}, "image"),
        ("audio_classification", {"audio": "data:audio/mpeg;base64,AAAA"}, "not a WAV file"),
        ("audio_classification", {"audio": "/etc/hosts.wav"}, "expected the bytes of a WAV file"),
    ],
)
def test_what_cannot_be_read_is_one_line(task_name, values, message):
    with pytest.raises(InputError, match=message) as caught:
        demo(task_name).answer(values)
    assert "\n" not in str(caught.value)
