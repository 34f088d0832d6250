"""An exported model → a page on HTTP that shows its task's form and what the model predicts.

`temper demo`
"""

import ipaddress
import json
import threading
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from temper.core.errors import InputError, summary
from temper.demo import form
from temper.prediction.predictor import Predictor

PAGE = Path(__file__).with_name("page.html")
PORT = 7860  # what Spaces of the Hub expect
MAX_BODY = 64 * 2**20  # bytes; a large photo has 20 MB, a third more in base64
MAX_BODIES = 4  # in memory at once
TIMEOUT = 30  # s, of a read or write
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# nothing from elsewhere
POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' data:"


class Demo:
    """A model and what its page says of it."""

    def __init__(self, predictor: Predictor, title: str, examples: Sequence[dict[str, Any]]):
        self.predictor, self.lock = predictor, threading.Lock()
        self.bodies = threading.BoundedSemaphore(MAX_BODIES)
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


class Handler(BaseHTTPRequestHandler):
    """GET / is the page, GET /form what it shows, POST /predict a prediction."""

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def __init__(self, demo: Demo, hosts: Sequence[str], *arguments: Any):
        self.demo, self.hosts = demo, hosts
        super().__init__(*arguments)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a tab was closed
            self.close_connection = True

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if not (is_here := self._is_for_this_machine()):
            self._refuse(HTTPStatus.FORBIDDEN, f"the address has to be that of {self.hosts[0]}")
        return is_here

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == "/":
            self._send(HTTPStatus.OK, PAGE.read_bytes(), "text/html; charset=utf-8")
        elif self.path == "/form":
            self._send_json(HTTPStatus.OK, self.demo.form)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "not here")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/predict":
            self._refuse(HTTPStatus.NOT_FOUND, "not here")
        elif self.headers.get_content_type() != "application/json":  # no form of another site
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        elif not length.isdecimal() or int(length) > MAX_BODY:
            limit = f"at most {MAX_BODY // 2**20} MiB"
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)
        else:
            with self.demo.bodies:
                status, content = self._answer(self.rfile.read(int(length)))
            self._send(status, content.encode(), "application/json")

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _is_for_this_machine(self) -> bool:
        """Say whether the page's address is one of `hosts`: other sites may resolve to them too."""
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            host = None
        return not self.hosts or host in self.hosts

    def _answer(self, body: bytes) -> tuple[HTTPStatus, str]:
        try:
            return HTTPStatus.OK, json.dumps(self.demo.answer(json.loads(body)))
        except (InputError, ValueError, RecursionError) as error:
            status, reason = HTTPStatus.BAD_REQUEST, str(error)
        except Exception as error:  # the model's own code may raise anything
            status, reason = HTTPStatus.INTERNAL_SERVER_ERROR, summary(error)
        return status, json.dumps({"error": reason})

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True  # the body may be unread
        self._send_json(status, {"error": reason})

    def _send_json(self, status: HTTPStatus, content: Any) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(content)


def title(folder: Path) -> str:
    """Return the name of an exported model, as its card has it; without a card, the folder's."""
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    metadata = (metadata_load(card) if card.exists() else None) or {}
    results = metadata.get("model-index") or [{}]
    return results[0].get("name") or folder.resolve().name


def bind(demo: Demo, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that listens; `serve_forever` starts it.

    On loopback it answers to the names of this machine alone: a page of another site whose name
    resolves to 127.0.0.1 (DNS rebinding) is refused.

    Args:
        demo: what it shows.
        host: 127.0.0.1 for this machine alone, 0.0.0.0 for every network it is on.
        port: 0 for any free one.

    Raises:
        InputError: the port is taken or not allowed, or the host is not this machine's.
    """
    ThreadingHTTPServer.daemon_threads = True
    try:
        return ThreadingHTTPServer((host, port), partial(Handler, demo, served_hosts(host)))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"--host {host} --port {port}: {reason}; choose another port, or 0 for any free one"
        ) from None


def served_hosts(host: str) -> tuple[str, ...]:
    """Return the names in the addresses of a page on loopback; () where any name may be one."""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host.lower() == "localhost"
    return (host.lower(), *LOOPBACK) if is_loopback else ()
