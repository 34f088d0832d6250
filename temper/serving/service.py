"""A model folder → a server on HTTP that takes the requests of `mlflow models serve`.

`temper serve`
"""

import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from temper.core.errors import InputError
from temper.ingest.columns import ColumnBatch, find_column, locate_in, read_inputs, texts_of
from temper.params.task import Embeddings, TaskParams
from temper.params.task_schema import MEDIA
from temper.prediction import requests
from temper.prediction.predictor import Predictor
from temper.serving import http_server
from temper.tasks.base.arrays import as_rows

PORT = 8080
MAX_BODY = 16 * 2**20  # bytes
MAX_ROWS = 1000  # of a request
MAX_TEXT = 1_000_000  # characters
DRIFT_ROWS = 500  # that are compared with validation together, of one request or more
HEALTH = ("/health", "/ping")  # MLflow has both
RECORDS, SPLIT = "dataframe_records", "dataframe_split"
FORMS = (
    f'expected {{"{RECORDS}": [{{column: value, …}}, …]}} or '
    f'{{"{SPLIT}": {{"columns": […], "data": [[…], …]}}}}'
)


class Service:
    """A model that answers one request after the other; each uses all cores."""

    def __init__(self, predictor: Predictor):
        self.predictor, self.lock = predictor, threading.Lock()
        self.bodies = threading.BoundedSemaphore(http_server.MAX_BODIES)

    def answer(self, request: Any) -> dict[str, list[dict[str, Any]]]:
        """Return a request's predictions, a row each.

        Raises:
            InputError: it cannot be read, or has too many rows.
        """
        inputs = self.predictor.settings.task.inputs
        columns, num_rows = read_columns(request, inputs)
        check_texts(columns, inputs)
        with self.lock:
            predicted = requests.answer(self.predictor, columns, num_rows)
            self.report_drift()
        return {"predictions": as_rows(predicted)}

    def report_drift(self) -> None:
        """Say on stderr whether the latest DRIFT_ROWS rows are like those of validation."""
        watch = self.predictor.watch
        if watch is not None and watch.num_rows >= DRIFT_ROWS:
            for line in watch.findings():
                print(line, file=sys.stderr, flush=True)
            watch.clear()


class Handler(http_server.Handler):
    """GET /health and /ping say that the model is loaded, POST /invocations predicts."""

    def __init__(self, service: Service, *arguments: Any):
        self.service = service
        super().__init__(*arguments)

    def do_GET(self) -> None:
        if self.path in HEALTH:
            self.send_json(HTTPStatus.OK, {"status": "ok"})
        else:
            self.refuse(HTTPStatus.NOT_FOUND, f"not here; GET {HEALTH[0]}, POST /invocations")

    def do_POST(self) -> None:
        if self.path == "/invocations":
            self.answer_json(self.service.answer, self.service.bodies, MAX_BODY)
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "not here; POST /invocations")


def describe_prompt(task: TaskParams) -> str:
    """Return a note on what is prepended to texts; empty for models without prompts."""
    if not isinstance(task, Embeddings) or task.prompts is None or task.anchor is None:
        return ""
    return f"; {task.prompts.query!r} is prepended to texts"


def read_columns(request: Any, inputs: Iterable[str]) -> tuple[ColumnBatch, int]:
    """Return the columns of a request's rows, and their number; a missing value is null.

    Columns that are no input share one list of nulls: rows may each name others.

    Args:
        inputs: the columns that the task reads, `a.b` inside those of `a`.

    Raises:
        InputError: it is of neither form, or has too many rows.
    """
    if not isinstance(request, dict) or len(request) != 1:
        found = ", ".join(request) if isinstance(request, dict) else type(request).__name__
        raise InputError(f"{FORMS}; found {found:.80}")
    ((form, value),) = request.items()
    names, rows = None, value if form == RECORDS else None
    if form == SPLIT and isinstance(value, dict):
        names, rows = value.get("columns"), value.get("data")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{FORMS}; columns is no list of names")
        if len({*names}) < len(names):
            raise InputError(f"{SPLIT}: a name is in columns twice: {', '.join(names):.80}")
    if not isinstance(rows, list):
        raise InputError(f"{FORMS}; found {form:.80}")
    if len(rows) > MAX_ROWS:
        raise InputError(f"{len(rows)} rows; at most {MAX_ROWS} fit in a request, so send several")
    if names is not None:
        rows = [as_record(row, names, i) for i, row in enumerate(rows)]
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"row {i + 1} is no object with a value per column")
    read = {part for name in inputs for part in (name, name.rpartition(".")[0])}
    columns = dict.fromkeys((name for row in rows for name in row), [None] * len(rows))
    return columns | {n: [row.get(n) for row in rows] for n in columns if n in read}, len(rows)


def check_texts(columns: ColumnBatch, inputs: Mapping[str, str]) -> None:
    """Refuse a text whose tokens alone would take gigabytes, and keep other requests waiting.

    Args:
        inputs: column → type of its values.

    Raises:
        InputError: names its row and column; also of a value that cannot be converted.
    """
    locate = locate_in(requests.WHERE)
    kinds = {n: k for n, k in inputs.items() if k not in MEDIA and find_column(columns, n)}
    for name, values in read_inputs(columns, kinds, locate).items():
        for i, value in enumerate(values):
            if (size := sum(map(len, texts_of(value)))) > MAX_TEXT:
                raise InputError(
                    f"{locate(name)(i)}: a text of {size:,} characters; at most {MAX_TEXT:,} are "
                    "read here, and temper predict reads more"
                )


def as_record(row: Any, names: list[str], number: int) -> dict[str, Any]:
    """Return a row of `dataframe_split` by its columns' names.

    Raises:
        InputError: it has more or fewer values than there are names.
    """
    if not isinstance(row, list) or len(row) != len(names):
        raise InputError(f"row {number + 1} is no list of {len(names)} values, one per column")
    return dict(zip(names, row, strict=True))


def bind(service: Service, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server of the model; see `http_server.bind`."""
    return http_server.bind(partial(Handler, service), host, port)


def serve(service: Service, listening: ThreadingHTTPServer) -> None:
    """Answer until SIGTERM (`docker stop`) or Ctrl-C; what has been read is answered first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        listening.serve_forever()
    listening.socket.close()
    for _ in range(http_server.MAX_BODIES):
        service.bodies.acquire(timeout=http_server.TIMEOUT)
