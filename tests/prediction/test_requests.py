"""A request's files are bytes, or base64 as JSON has them."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from temper.core.errors import InputError, RowError
from temper.prediction import requests
from temper.tasks.base import audio
from tests.helpers.samples import load

CLIP = audio.silence()


def answer(value: object) -> list:
    """Return the clips that a model is asked about."""
    task, _, _ = load("recipes/sample-audio_classification.yaml")
    settings = SimpleNamespace(task=task.params)
    predictor: Any = SimpleNamespace(settings=settings, predict=lambda columns: columns)
    return requests.answer(predictor, {"audio": [value]}, 1)["audio"]


@pytest.mark.parametrize("value", [CLIP, base64.b64encode(CLIP).decode()])
def test_a_clip_is_its_bytes_or_base64(value):
    assert answer(value) == [CLIP]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("clips/a.wav", "request row 1, column 'audio': expected the bytes of a file in base64"),
        ("é", "request row 1, column 'audio': expected the bytes of a file in base64"),
        ("AAAA", "request row 1, column 'audio': not a WAV file"),
        (None, "expected the bytes of a WAV file"),
        (7, "expected the bytes of a WAV file"),
    ],
)
def test_what_is_no_clip_is_one_line(value, message):
    """A name is no file of the server's."""
    with pytest.raises(InputError, match=message):
        answer(value)


def test_rows_without_any_column_lack_the_inputs():
    """MLflow's table of `[{}, {}]` has two rows and no column."""
    predictor: Any = SimpleNamespace(
        settings=SimpleNamespace(
            task=SimpleNamespace(inputs={"text": "text"}, texts={"text": "text"})
        ),
        predict=lambda columns: columns,
    )
    with pytest.raises(InputError, match="request has no column 'text'; there are none"):
        requests.answer(predictor, {}, 2)
    assert requests.answer(predictor, {}, 0) == {"text": []}


def test_rows_are_encoded_together_up_to_a_number_of_characters(monkeypatch):
    """The tokens of 16 MiB would take gigabytes; the answer has all rows, in their order."""
    monkeypatch.setattr(requests, "CHARACTERS_AT_ONCE", 10)
    calls = []

    def predict(columns: dict[str, list]) -> dict[str, list]:
        calls.append(len(columns["text"]))
        return {"prediction": columns["text"]}

    inputs = {"text": "text", "words": "texts"}
    task = SimpleNamespace(inputs=inputs, texts=["text"])
    predictor: Any = SimpleNamespace(settings=SimpleNamespace(task=task), predict=predict)
    texts = ["a" * 4, "b" * 2, "c" * 30, "d", "e" * 10, "f"]
    columns = {"text": texts, "words": [["x", "yz"], ["w"], [], [], [], []]}
    assert requests.answer(predictor, columns, 6) == {"prediction": texts}
    assert calls == [2, 1, 2, 1]
    assert requests.answer(predictor, {"text": [], "words": []}, 0) == {"prediction": []}
    columns["text"] = ["a", "b", "c", "d", "e", "bad"]

    def refuse(columns: dict[str, list]) -> dict[str, list]:
        if "bad" in columns["text"]:
            raise RowError(columns["text"].index("bad"), "message 1: no")
        return predict(columns)

    predictor.predict = refuse
    with pytest.raises(InputError, match=r"^request row 6: message 1: no$"):
        requests.answer(predictor, columns, 6)
