"""The server over HTTP: requests like those of `mlflow models serve`, within bounds."""

import json
import socket
import time
import tracemalloc
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, contextmanager, suppress
from types import SimpleNamespace

import pytest

from temper.core.errors import InputError
from temper.params.task import Embeddings, Prompts
from temper.serving import http_server, service
from tests.helpers import servers

INPUTS = {"text": "text", "words": "texts"}
ROW = {"text": "a b", "words": ["a", "b"]}


def echo(columns):
    """Answer a row with its values, as they reach the model."""
    if "broken" in columns["text"]:
        raise RuntimeError("the model broke\nsomewhere")
    return {"prediction": list(map(list, zip(columns["text"], columns["words"], strict=True)))}


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        ({"anchor": "q", "positive": "a"}, "; 'q: ' is prepended to texts"),
        ({"text": ("a", "b"), "score": "s"}, ""),
    ],
)
def test_a_server_says_which_prompt_texts_get(keys, note):
    """That of documents after `for_documents`; of pairs, each text has its own."""
    task = Embeddings(name="embeddings", prompts=Prompts(query="q: ", document="d: "), **keys)
    assert service.describe_prompt(task) == note
    assert service.describe_prompt(task.for_documents()) == note.replace("q: ", "d: ")
    assert service.describe_prompt(task.model_copy(update={"prompts": None})) == ""


def make_service() -> service.Service:
    settings = SimpleNamespace(task=SimpleNamespace(inputs=INPUTS, texts=INPUTS))
    return service.Service(SimpleNamespace(settings=settings, predict=echo, watch=None))  # type: ignore[arg-type]


@contextmanager
def serving(served):
    listening = service.bind(served, "127.0.0.1", 0)
    with servers.serving(listening) as address:
        yield address


@pytest.fixture(scope="module")
def address():
    with serving(make_service()) as found:
        yield found


def ask(address, body, path="/invocations", **headers):
    """Return the status and the answer."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(address + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_both_forms_of_a_request(address):
    """Numbers are text, other columns are ignored."""
    records = [ROW, {"text": "", "words": "c d", "id": 1}, {"text": 5, "words": []}]
    expected = [["a b", ["a", "b"]], ["", ["c", "d"]], ["5", []]]
    found = {"predictions": [{"prediction": row} for row in expected]}
    assert ask(address, {"dataframe_records": records}) == (200, found)
    split = {"columns": ["words", "text"], "data": [[["a", "b"], "a b"], ["c d", ""], [[], 5]]}
    assert ask(address, {"dataframe_split": split}) == (200, found)
    assert ask(address, {"dataframe_records": []}) == (200, {"predictions": []})
    assert ask(address, {"dataframe_records": [ROW] * service.MAX_ROWS})[0] == 200


@pytest.mark.parametrize("path", service.HEALTH)
def test_says_that_it_is_up(address, path):
    assert ask(address, None, path) == (200, {"status": "ok"})


LATER = {"columns": ["text", "words"], "data": [["a", []], ["a"]]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "the body is no JSON: Expecting property name"),
        (b"\xff\xfe", "the body is no JSON"),
        (b'{"dataframe_records": [{"text": NaN}]}', "the body is no JSON: NaN is no number"),
        (b"[" * 100_000, "the body is no JSON"),
        ([ROW], 'expected {"dataframe_records": [{column: value, …}, …]} or'),
        ({"inputs": [ROW]}, "; found inputs"),
        ({"dataframe_records": [ROW], "params": {}}, "; found dataframe_records, params"),
        ({"dataframe_records": ROW}, "; found dataframe_records"),
        ({"dataframe_records": [ROW, 5]}, "row 2 is no object"),
        ({"dataframe_split": [ROW]}, "; found dataframe_split"),
        ({"dataframe_split": {"data": [[1]]}}, "columns is no list of names"),
        ({"dataframe_split": LATER}, "row 2 is no list of 2 values, one per column"),
        ({"dataframe_records": [{"words": "a"}]}, "no column 'text'; there are words"),
        ({"dataframe_records": [{}, {}]}, "request has no column 'text'"),
        ({"dataframe_split": {"columns": [], "data": [[], []]}}, "request has no column 'text'"),
        ({"dataframe_split": {"columns": ["text", "text"], "data": []}}, "columns twice: text, te"),
        (
            b'{"dataframe_records": [{"text": "a", "text": "b"}]}',
            "the name 'text' stands 2 times in one object",
        ),
        ({"dataframe_records": [ROW, {"words": "a"}]}, "request row 2, column 'text': no value"),
        ({"dataframe_records": [{"text": None, "words": "a"}]}, "row 1, column 'text': no value"),
        ({"dataframe_records": [ROW, {"text": [1]}]}, "request row 2, column 'text': expected a t"),
        ({"dataframe_records": [ROW] * 1001}, "1001 rows; at most 1000 fit in a request"),
    ],
)
def test_a_bad_request_gets_status_400_and_one_line(address, body, reason):
    status, answer = ask(address, body)
    assert status == 400
    assert reason in answer["error"]
    assert "\n" not in answer["error"]


def test_a_text_has_a_limit(address, monkeypatch):
    """Its tokens take a hundred times its size, and minutes."""
    monkeypatch.setattr(service, "MAX_TEXT", 7)
    assert ask(address, {"dataframe_records": [ROW, ROW]})[0] == 200
    for row, name in (({"text": "a" * 8}, "text"), ({"words": ["a" * 4] * 2}, "words")):
        status, found = ask(address, {"dataframe_records": [ROW, ROW | row]})
        reason = (
            f"request row 2, column {name!r}: a text of 8 characters; at most 7 are read here, and"
        )
        assert (status, found["error"].startswith(reason)) == (400, True)


def test_a_conversation_has_the_characters_of_its_messages(monkeypatch):
    """Neither those of their roles nor two for a line end; JSON in a text is read as one."""
    monkeypatch.setattr(service, "MAX_TEXT", 9)
    inputs = {"chat.turns": "messages"}
    said = [{"role": "user", "content": "\n" * 8}, {"role": "assistant", "content": "a"}]
    more = [*said, {"role": "user", "content": "\n"}]
    for turns in (more, json.dumps(more)):
        columns = {"chat": [{"turns": said}, {"turns": turns}]}
        with pytest.raises(InputError, match=r"row 2, column 'chat\.turns': a text of 10 char"):
            service.check_texts(columns, inputs)
        monkeypatch.setattr(service, "MAX_TEXT", 10)
        service.check_texts(columns, inputs)
        monkeypatch.setattr(service, "MAX_TEXT", 9)


def test_many_connections_at_once_wait_to_be_accepted():
    """Python's own number of them, 5, would lose some of a burst."""
    with closing(service.bind(make_service(), "127.0.0.1", 0).socket) as listening:
        waiting = [socket.create_connection(listening.getsockname(), 5) for _ in range(100)]
        listening.settimeout(5)
        for connection in [*waiting, *(listening.accept()[0] for _ in waiting)]:
            connection.close()


def test_rows_that_each_name_other_columns_take_no_more_memory_than_their_text():
    """A list for each of 9,000 columns would be 20 MiB; dotted inputs are found still."""
    rows = [{f"{i}-{j}": 0 for j in range(30)} | {"a": {"b": i}} for i in range(300)]
    tracemalloc.start()
    columns, num_rows = service.read_columns({"dataframe_records": rows}, ["a.b", "text"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 2**20
    assert (columns["a"], num_rows) == ([{"b": i} for i in range(300)], 300)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason"),
    [
        ("/", None, {}, 404, "not here; GET /health, POST /invocations"),
        ("/health", {}, {}, 404, "not here; POST /invocations"),
        ("/invocations", {}, {"Content-Type": "text/csv"}, 415, "expected application/json"),
        ("/invocations", {}, {"Content-Length": "16777217"}, 413, "at most 16 MiB"),
        ("/invocations", {}, {"Content-Length": "9" * 5000}, 413, "at most 16 MiB"),
        ("/invocations", {}, {"Content-Length": "²"}, 413, "at most 16 MiB"),
        ("/invocations", {}, {"Host": "rebound.example"}, 403, "has to be that of 127.0.0.1"),
    ],
)
def test_other_requests_are_refused(address, path, body, headers, status, reason):
    found, answer = ask(address, body, path, **headers)
    assert found == status
    assert reason in answer["error"]


def test_a_model_that_fails_is_status_500_and_the_server_goes_on(address):
    broken = {"dataframe_records": [ROW | {"text": "broken"}]}
    assert ask(address, broken) == (500, {"error": "RuntimeError: the model broke"})
    assert ask(address, {"dataframe_records": [ROW]})[0] == 200


def test_a_number_that_json_does_not_have_is_status_500():
    """NaN would make an answer that no client can read."""
    served = make_service()
    nan = {"prediction": [float("nan")]}
    served.predictor = SimpleNamespace(  # type: ignore[assignment]
        settings=served.predictor.settings, predict=lambda _: nan, watch=None
    )
    with serving(served) as address:
        status, answer = ask(address, {"dataframe_records": [ROW]})
    assert status == 500
    assert answer["error"].startswith("ValueError: Out of range float values are not JSON")


def exchange(address, request):
    """Send bytes, and return all that comes until the server closes."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(2**16):
            parts.append(part)
    return b"".join(parts)


HEAD = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SMUGGLED = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 44\r\n\r\n", b"200"),
        (HEAD + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (HEAD + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    ],
    ids=["get", "twice", "chunked", "both"],
)
def test_a_body_is_never_taken_for_the_next_request(address, monkeypatch, request_, status):
    """A proxy that finds its end elsewhere would give one user another's answer."""
    monkeypatch.setattr(http_server, "LINGER", 0.2)
    answer = exchange(address, request_ + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in answer


def test_a_client_that_sends_a_large_body_reads_why_it_is_refused(address, monkeypatch):
    """Closed before it is read, the connection would be reset, and the answer lost."""
    monkeypatch.setattr(http_server, "LINGER", 30)
    size = 24 * 2**20
    answer = exchange(address, HEAD + f"Content-Length: {size}\r\n\r\n".encode() + b" " * size)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"at most 16 MiB" in answer


def test_a_body_that_comes_too_slowly_is_dropped(address, monkeypatch):
    """A byte now and then does not hold a place for long."""
    monkeypatch.setattr(http_server, "TIMEOUT", 0.2)
    host, port = address.removeprefix("http://").split(":")
    head = (
        "POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    answer = None
    with socket.create_connection((host, int(port)), timeout=0.05) as slow:
        slow.sendall(head.encode())
        for _ in range(500):  # never all of the body; each byte comes within the time
            with suppress(TimeoutError):
                try:
                    slow.sendall(b" ")
                    answer = slow.recv(1)
                except ConnectionError:
                    answer = b""
                break
    assert answer == b""  # closed without an answer


def test_more_requests_than_it_holds_are_asked_to_wait(monkeypatch):
    """Not for long; once one is answered, the next is."""
    monkeypatch.setattr(http_server, "TIMEOUT", 0.2)
    served, body = make_service(), {"dataframe_records": [ROW]}
    for _ in range(http_server.MAX_BODIES):
        assert served.bodies.acquire(blocking=False)
    with serving(served) as address:
        assert ask(address, body) == (503, {"error": "too many requests at once; try again"})
        monkeypatch.setattr(http_server, "TIMEOUT", 30)
        served.bodies.release()
        assert ask(address, body)[0] == 200


def test_clients_that_send_no_body_keep_no_others_waiting(monkeypatch):
    """They announce one, and are silent; a server reads only so many at once."""
    monkeypatch.setattr(http_server, "TIMEOUT", 1)
    with serving(make_service()) as address, ExitStack() as silent:
        host, port = address.removeprefix("http://").split(":")
        for _ in range(http_server.MAX_BODIES + 1):
            client = silent.enter_context(socket.create_connection((host, int(port))))
            client.sendall(HEAD + b"Content-Length: 999\r\n\r\n")
        time.sleep(0.3)  # until all are read
        for _ in range(3):
            assert ask(address, {"dataframe_records": [ROW]})[0] == 200


def test_a_port_that_is_taken_is_one_line(address):
    port = int(address.rpartition(":")[2])
    with pytest.raises(InputError, match=rf"--port {port}: Address already in use; choose another"):
        service.bind(service.Service(SimpleNamespace()), "127.0.0.1", port)


def test_drift_is_said_of_many_requests_together(monkeypatch, capsys):
    """After every so many rows, which are forgotten then; the answers say nothing of it."""
    monkeypatch.setattr(service, "DRIFT_ROWS", 3)
    watch = SimpleNamespace(num_rows=0, findings=lambda: [f"drift: of {watch.num_rows} rows"])
    watch.clear = lambda: setattr(watch, "num_rows", 0)

    def predict(columns):
        watch.num_rows += len(columns["text"])
        return echo(columns)

    served = make_service()
    served.predictor = SimpleNamespace(  # type: ignore[assignment]
        settings=served.predictor.settings, predict=predict, watch=watch
    )
    for _ in range(4):
        assert list(served.answer({"dataframe_records": [ROW, ROW]})) == ["predictions"]
    assert capsys.readouterr().err == "drift: of 4 rows\n" * 2
