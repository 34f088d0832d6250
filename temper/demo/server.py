"""An exported model → a page on HTTP that shows its task's form and what the model predicts.

`temper demo`
"""

import threading
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from temper.core.errors import InputError
from temper.demo import form
from temper.prediction.predictor import Predictor
from temper.serving import http_server

PAGE = Path(__file__).with_name("page.html")
PORT = 7860  # what Spaces of the Hub expect
MAX_BODY = 64 * 2**20  # bytes; a large photo has 20 MB, a third more in base64


class Demo:
    """A model and what its page says of it."""

    def __init__(self, predictor: Predictor, title: str, examples: Sequence[dict[str, Any]]):
        self.predictor, self.lock = predictor, threading.Lock()
        self.bodies = threading.BoundedSemaphore(http_server.MAX_BODIES)
        task = predictor.settings.task
        self.form = {
            "title": title,
            "task": task.name.replace("_", " "),
            "fields": form.fields(task),
            "examples": list(examples),
        }

    def answer(self, values: Any) -> dict[str, Any]:
        """Predict the values of the form, one request after the other.

        Raises:
            InputError: they cannot be read.
        """
        if not isinstance(values, dict):
            raise InputError("expected a JSON object with a value per field")
        with self.lock:
            return form.answer(self.predictor, values)


class Handler(http_server.Handler):
    """GET / is the page, GET /form what it shows, POST /predict a prediction."""

    def __init__(self, demo: Demo, *arguments: Any):
        self.demo = demo
        super().__init__(*arguments)

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == "/":
            self.send(HTTPStatus.OK, PAGE.read_bytes(), "text/html; charset=utf-8")
        elif self.path == "/form":
            self.send_json(HTTPStatus.OK, self.demo.form)
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "not here")

    def do_POST(self) -> None:
        if self.path == "/predict":
            self.answer_json(self.demo.answer, self.demo.bodies, MAX_BODY)
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "not here")


def card_metadata(folder: Path) -> dict[str, Any]:
    """Return what an exported model's card says to the Hub; empty without a card."""
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    return (metadata_load(card) if card.exists() else None) or {}


def title(folder: Path) -> str:
    """Return the name of an exported model, as its card has it; without a card, the folder's."""
    results = card_metadata(folder).get("model-index") or [{}]
    return results[0].get("name") or folder.resolve().name


def bind(demo: Demo, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server of the page; see `http_server.bind`."""
    return http_server.bind(partial(Handler, demo), host, port)
