"""The page of a sample's task, with a model that gives known predictions."""

import base64
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from temper.demo import server
from temper.tasks.base import audio
from tests.helpers import chats, samples, servers

IMAGE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
AUDIO = "data:audio/wav;base64," + base64.b64encode(audio.silence()).decode()
EXAMPLES = {  # task → its inputs, what a model predicts of them, and the labels
    "token_classification": (
        {"words": ["Ann", "Lee", "left", "Rome", "."]},
        {
            "prediction": ["B-PER", "I-PER", "O", "B-LOC", "O"],
            "entities": [
                {"type": "PER", "text": "Ann Lee", "first_word": 0, "last_word": 1},
                {"type": "LOC", "text": "Rome", "first_word": 3, "last_word": 3},
            ],
        },
        (),
    ),
    "image_classification": (
        {"image": IMAGE},
        {"prediction": "cross", "score": 0.75, "score_circle": 0.25, "score_cross": 0.75},
        ("circle", "cross"),
    ),
    "audio_classification": (
        {"audio": AUDIO},
        {"prediction": "rising", "score": 0.75, "score_falling": 0.25, "score_rising": 0.75},
        ("falling", "rising"),
    ),
    "multiple_choice": (
        {"context": "It rains.", "stem": "Take", "ending0": "a hat.", "ending1": "<b>it</b>.",
         "ending2": "no.", "ending3": "two."},
        {"prediction": 1, "choice": "<b>it</b>.", "score": 0.625,
         "scores": [0.25, 0.625, 0.0625, 0.0625]},
        (),
    ),
    "question_answering": (
        {"question": "Who?", "context": "Ann met Lee. Lee left."},
        {"prediction": "Lee", "score": 3.5},
        (),
    ),
    "causal_lm": (
        {"chat": chats.say("Two and two?", "Four.", "And <b>one</b>?", system="Be brief.")},
        {"prediction": "Five."},
        (),
    ),
    "seq2seq_lm": ({"spoken": "one two"}, {"prediction": "eins zwei"}, ()),
}  # fmt: skip


def demo(task_name: str) -> server.Demo:
    """Return a page whose model knows one answer, with its inputs as the only example."""
    values, predicted, labels = EXAMPLES[task_name]
    chat = {"task__text": None, "task__messages": "chat"} if "chat" in values else {}
    task, _, _ = samples.load(f"recipes/sample-{task_name}.yaml", **chat)
    task.label_names = list(labels)
    predictor: Any = SimpleNamespace(
        task=task,
        settings=SimpleNamespace(task=task.params),
        predict=lambda columns: {name: [value] for name, value in predicted.items()},
    )
    example = {"values": values, "split": "test", "reference": "r", "prediction": "p"}
    return server.Demo(predictor, f"my {task_name}", [example])


@contextmanager
def serving(page: server.Demo) -> Iterator[str]:
    """Serve a page on a free port of loopback; yield its address."""
    listening = server.bind(page, "127.0.0.1", 0)
    with servers.serving(listening) as address:
        yield address


def ask(address: str, values: dict) -> dict:
    """Predict the values of a form over HTTP."""
    body, headers = json.dumps(values).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/predict", body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
