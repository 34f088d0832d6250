"""Requests and answers over HTTP that the servers of this project share: JSON, within bounds."""

import io
import ipaddress
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

from temper.core.errors import InputError, summary
from temper.ingest.literals import unique_names

MAX_BODIES = 4  # read and answered at once, of a server
MAX_WAITING = (
    128  # connections that the system keeps until they are accepted; its own 5 resets more
)
TIMEOUT = 30  # s, of a read or write, and of a request's wait for its turn
DISCARDED = 64 * 2**20  # bytes of a refused body, read so that the answer arrives
LINGER = 2  # s, for which they are read
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# nothing from elsewhere
POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' data:"


class Handler(BaseHTTPRequestHandler):
    """The base of handlers; one writes `do_GET` and `do_POST`.

    Args:
        hosts: names that a request's address may have; () for any.
    """

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def __init__(self, hosts: Sequence[str], *arguments: Any):
        self.hosts = hosts
        super().__init__(*arguments)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a tab was closed
            self.close_connection = True

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if "Transfer-Encoding" in self.headers:  # beside Content-Length, proxies disagree on it
            self.refuse(
                HTTPStatus.LENGTH_REQUIRED, "Transfer-Encoding: send Content-Length instead"
            )
        elif len(self.headers.get_all("Content-Length", [])) > 1:
            self.refuse(HTTPStatus.BAD_REQUEST, "Content-Length stands there twice")
        elif not self._is_for_this_machine():
            self.refuse(HTTPStatus.FORBIDDEN, f"the address has to be that of {self.hosts[0]}")
        else:
            if self.command != "POST" and self.content_length() != 0:  # it is not read
                self.close_connection = True
            return True
        return False

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _is_for_this_machine(self) -> bool:
        """Say whether the page's address is one of `hosts`: other sites may resolve to them too."""
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            host = None
        return not self.hosts or host in self.hosts

    def answer_json(
        self, answer: Callable[[Any], Any], bodies: threading.Semaphore, max_body: int
    ) -> None:
        """Read a JSON body of up to `max_body` bytes, and send what `answer` makes of it.

        What it raises is the reason in the answer: InputError with status 400, all else with 500.
        """
        length = self.content_length()
        if self.headers.get_content_type() != "application/json":  # no form of another site
            self.refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        elif length is None or length > max_body or "Content-Length" not in self.headers:
            limit = f"at most {max_body // 2**20} MiB, their number in Content-Length"
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)
        else:
            self._answer_body(answer, bodies, length)

    def _answer_body(
        self, answer: Callable[[Any], Any], bodies: threading.Semaphore, length: int
    ) -> None:
        if length:
            # a client that sends nothing waits here, and takes no place
            cast("io.BufferedReader", self.rfile).peek(1)
        if not bodies.acquire(timeout=TIMEOUT):
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once; try again")
            return
        try:
            status, content = outcome(answer, self.read_body(length))
            self.send(status, content.encode(), "application/json")
        finally:
            bodies.release()

    def content_length(self) -> int | None:
        """Return the length of the body, 0 where there is none; None where it is not known."""
        text = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            return None
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else None

    def read_body(self, length: int) -> bytes:
        """Read a body within TIMEOUT, however slowly it comes.

        Raises:
            ConnectionError: it does not come.
        """
        parts, missing, deadline = [], length, time.monotonic() + TIMEOUT
        while missing:
            part = self.rfile.read1(missing)
            if not part or time.monotonic() > deadline:
                raise ConnectionError("the body ended early, or comes too slowly")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True  # the body may be unread
        self.send_json(status, {"error": reason})
        self.discard_body()

    def discard_body(self) -> None:
        """Read what still comes, within bounds: closed at once, the answer may be lost."""
        length = self.content_length()
        missing = DISCARDED if length is None else min(length, DISCARDED)
        deadline = time.monotonic() + LINGER
        with suppress(OSError):
            self.connection.settimeout(LINGER)
            while missing > 0 and time.monotonic() < deadline:
                part = self.rfile.read1(min(missing, 2**16))
                missing = missing - len(part) if part else 0

    def send_json(self, status: HTTPStatus, content: Any) -> None:
        self.send(status, json.dumps(content).encode(), "application/json")

    def send(self, status: HTTPStatus, content: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


def outcome(answer: Callable[[Any], Any], body: bytes) -> tuple[HTTPStatus, str]:
    """Return the status and the JSON that answer a body."""
    try:
        value = parse(body)
    except (ValueError, RecursionError) as error:
        return HTTPStatus.BAD_REQUEST, json.dumps({"error": f"the body is no JSON: {error}"})
    try:
        return HTTPStatus.OK, json.dumps(answer(value), allow_nan=False)
    except InputError as error:
        status, reason = HTTPStatus.BAD_REQUEST, str(error)
    except Exception as error:  # the model's own code may raise anything
        status, reason = HTTPStatus.INTERNAL_SERVER_ERROR, summary(error)
    return status, json.dumps({"error": reason})


def parse(body: bytes) -> Any:
    """Read JSON; Python's would take NaN too, and the last of two values of one name.

    Raises:
        ValueError: it is none.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    return json.loads(body, parse_constant=refuse, object_pairs_hook=unique_names)


def bind(make_handler: Callable[..., Handler], host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that listens; `serve_forever` starts it.

    On loopback it answers to the names of this machine alone: a page of another site whose name
    resolves to 127.0.0.1 (DNS rebinding) is refused.

    Args:
        make_handler: from `hosts` and what http.server gives.
        host: 127.0.0.1 for this machine alone, 0.0.0.0 for every network it is on.
        port: 0 for any free one.

    Raises:
        InputError: the port is taken or not allowed, or the host is not this machine's.
    """
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer.request_queue_size = MAX_WAITING
    hosts = served_hosts(host)
    try:
        return ThreadingHTTPServer((host, port), lambda *given: make_handler(hosts, *given))
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
