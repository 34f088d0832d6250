"""The page over HTTP: what it sends, what it refuses, and what a browser makes of it."""

import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

from temper.core.errors import InputError
from temper.demo import server
from temper.serving import http_server
from tests.helpers.demos import EXAMPLES, ask, demo, serving


@pytest.fixture(scope="module")
def address():
    with serving(demo("seq2seq_lm")) as found:
        yield found


def test_the_page_needs_nothing_from_elsewhere(address):
    """The browser is told to load nothing, and the page asks for nothing."""
    with urllib.request.urlopen(address, timeout=60) as response:
        text = response.read().decode()
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert text == server.PAGE.read_text(encoding="utf-8")
    assert "//" not in text.replace("// ", "")


def test_the_form_and_a_prediction(address):
    with urllib.request.urlopen(f"{address}/form", timeout=60) as response:
        found = json.load(response)
    assert found["title"] == "my seq2seq_lm"
    assert found["fields"] == [{"name": "spoken", "kind": "text"}]
    assert ask(address, found["examples"][0]["values"]) == {"kind": "text", "headline": "eins zwei"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason"),
    [
        ("/other", None, {}, 404, "not here"),
        ("/other", b"{}", {}, 404, "not here"),
        ("/predict", b"{}", {"Content-Type": "text/plain"}, 415, "expected application/json"),
        ("/predict", b"{", {}, 400, "Expecting property name"),
        ("/predict", b"[" * 100_000, {}, 400, "recursion"),
        ("/predict", b"{}", {"Content-Length": "99999999999"}, 413, "at most 64 MiB"),
        ("/", None, {"Host": "rebound.example"}, 403, "has to be that of 127.0.0.1"),
        ("/predict", b"{}", {"Host": "rebound.example:7860"}, 403, "has to be that of 127.0.0.1"),
        ("/form", None, {"Host": "[::1"}, 403, "has to be that of 127.0.0.1"),
        ("/predict", b'{"a": 1}', {}, 400, "the form has no column 'spoken'; there are a"),
    ],
)
def test_a_bad_request_gets_its_reason(address, path, body, headers, status, reason):
    headers = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(address + path, body, headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    with caught.value as answer:
        assert answer.code == status
        assert reason in json.load(answer)["error"]


@pytest.mark.parametrize("host", ["localhost:8000", "LocalHost", "[::1]:7860"])
def test_this_machine_has_several_names(address, host):
    request = urllib.request.Request(f"{address}/form", headers={"Host": host})
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200


def test_on_a_network_any_name_may_be_the_machine():
    """A Space is served on 0.0.0.0, under the Hub's names."""
    assert http_server.served_hosts("0.0.0.0") == ()
    assert http_server.served_hosts("127.0.0.2")[0] == "127.0.0.2"
    assert "localhost" in http_server.served_hosts("localhost")


def test_a_closed_tab_is_no_error(monkeypatch):
    """Closed while the model predicts: nothing is printed."""
    errors, ended, started, closed = [], *(threading.Event() for _ in range(3))
    kind = server.ThreadingHTTPServer
    monkeypatch.setattr(kind, "handle_error", lambda *_: errors.append(sys.exception()))
    end = kind.shutdown_request
    monkeypatch.setattr(kind, "shutdown_request", lambda *a: (end(*a), ended.set()))
    page = demo("seq2seq_lm")
    page.answer = lambda values: started.set() or (closed.wait(30) and {})
    with serving(page) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as tab:
            tab.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset
            tab.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                b"Content-Type: application/json\r\n\r\n{}"
            )
            assert started.wait(30)
        closed.set()
        assert ended.wait(30)
    assert errors == []


def test_a_port_that_is_taken_is_one_line(address):
    port = int(address.rpartition(":")[2])
    with pytest.raises(InputError, match=rf"--port {port}: Address already in use; choose another"):
        server.bind(demo("seq2seq_lm"), "127.0.0.1", port)
    with pytest.raises(InputError, match="choose another port"):
        server.bind(demo("seq2seq_lm"), "127.0.0.1", 99999)


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
SHOWN = {  # task → what the page has of its result
    "token_classification": [
        '2 entities', 'Ann Lee<small>PER</small></mark> left', 'Rome<small>LOC</small></mark> .',
    ],
    "image_classification": [
        '<div class="big">cross</div>', '<img src="data:image/gif;base64,',
        'style="--share: 75%;"></i><b>75.0 %</b>', '<b>25.0 %</b>',
    ],
    "audio_classification": [
        '<div class="big">rising</div>', '<audio src="data:audio/wav;base64,', '<b>75.0 %</b>',
    ],
    "multiple_choice": [
        '<span class="chosen">&lt;b&gt;it&lt;/b&gt;.</span>', '<b>62.5 %</b>', "<b>6.3 %</b>",
    ],
    "question_answering": [
        '<div class="big">Lee</div>', 'Ann met <mark>Lee</mark>. <mark>Lee</mark> left.',
    ],
    "causal_lm": [
        '<div class="big">Five.</div>',
        '<td>Be brief. · Two and two? · Four. · And &lt;b&gt;one&lt;/b&gt;?</td>',
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium, which no project file installs")
@pytest.mark.parametrize("task_name", SHOWN)
def test_a_browser_shows_the_prediction_of_an_example(task_name, tmp_path):
    """`?example=0` fills in the form and predicts; a label's markup is text."""
    with serving(demo(task_name)) as address:
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=5000"]
        page = f"{address}/?example=0"
        done = subprocess.run([*command, page], capture_output=True, text=True, timeout=300)
    for text in [
        f"<h1>my {task_name}</h1>",
        "Hardest examples",
        "The rows of test with",
        *SHOWN[task_name],
    ]:
        assert text in done.stdout
    for name in EXAMPLES[task_name][0]:
        assert f">{name}<" in done.stdout
