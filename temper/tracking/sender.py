"""Records → MLflow, from a process of its own: MLflow takes as long to import as torch.

A thread would share one core with the stage. A process that has MLflow already sends by itself.
"""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from multiprocessing import Pipe, reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from temper.core import determinism, startup
from temper.tracking import run_writer, store
from temper.tracking.journal import Journal

PROGRAM = """import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # before what takes long; `serve` ignores others too
from temper.tracking import sender
sender.main()"""
CALL_PATIENCE_S = 20.0  # how long a call waits for the records that are being sent

_begun: list["SenderProcess"] = []


def begin() -> None:
    """Start the process, which imports MLflow while the stage imports what it needs."""
    if not has_mlflow():
        _begun.append(SenderProcess())


def has_mlflow() -> bool:
    """Check whether this process has imported MLflow, and so may send by itself."""
    return "mlflow" in sys.modules


def start(journal: Journal, uri: str, recorded_uri: str) -> "Sender | SenderProcess":
    """Return what sends a journal's records from now on."""
    if has_mlflow():
        return Sender(journal, uri, recorded_uri)
    process = _begun.pop() if _begun else SenderProcess()
    process.open(journal, uri, recorded_uri)
    return process


class Sender:
    """Sends the records of a journal, and first what earlier stages have left behind."""

    def __init__(self, journal: Journal, uri: str, recorded_uri: str):
        self.writer = run_writer.RunWriter(journal)
        self.uri, self.recorded_uri, self.client = uri, recorded_uri, None

    def send(self) -> str | None:
        """Send what has been recorded since the last call; return why not all was sent."""
        try:
            if self.client is None:
                client = store.connect(self.uri)
                for _ in run_writer.upload_left_behind(client, self.recorded_uri):
                    pass  # journals that fail stay; `temper sync` says why
                self.client = client
            self.writer.send(self.client)
        except Exception as error:  # a tracker may raise anything; it must not stop a stage
            return store.error_message(error, self.uri)

    def call(self, pickled: bytes) -> str | None:
        """Call a pickled function with its arguments; return the text of its error."""
        return call(pickled)

    def close(self) -> None:
        """Do nothing: there is no process to end."""


class SenderProcess:
    """Has a `Sender` in another process, which ends with this one."""

    def __init__(self) -> None:
        self.journal: Journal | None = None
        self.turn = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.problem = "the process that sends records has ended"
        self.connection, other = Pipe()
        command = [sys.executable, "-c", PROGRAM, str(other.fileno())]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[other.fileno()]
            )
        except OSError as error:  # no memory, or too many processes: the stage goes on
            self.problem = f"the process that sends records cannot start: {error.strerror}"
        other.close()
        atexit.register(self.close)

    def open(self, journal: Journal, uri: str, recorded_uri: str) -> None:
        """Say which journal's records are sent, and where to.

        The process also holds the journal's lock: where this one is killed, nobody else sends what
        is being sent.
        """
        self.journal = journal
        with suppress(OSError):  # `send` tells of it
            self.connection.send((journal.path, uri, recorded_uri, journal.descriptor is not None))
            if journal.descriptor is not None and self.process is not None:
                reduction.send_handle(self.connection, journal.descriptor, self.process.pid)

    def send(self) -> str | None:
        """Do as `Sender.send`."""
        with self.turn:
            return self._ask("send", self.journal.read() if self.journal else [])

    def call(self, pickled: bytes) -> str | None:
        """Do as `Sender.call`; here, where a slow server keeps the process."""
        if not self.turn.acquire(timeout=CALL_PATIENCE_S):
            return call(pickled)
        try:
            return self._ask("call", pickled)
        finally:
            self.turn.release()

    def close(self) -> None:
        """End the process; what it was still sending is sent again by another stage."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _ask(self, kind: str, content: Any) -> str | None:
        try:
            self.connection.send((kind, content))
            return self.connection.recv()
        except (OSError, EOFError):
            return self.problem


class ReceivedJournal(Journal):
    """A journal whose owner is another process, which passes the records on."""

    def __init__(self, path: Path):
        super().__init__(path, None)
        self.received: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        records, self.received = self.received, []
        return records


def call(pickled: bytes) -> str | None:
    """Call a pickled function with its arguments, which uses MLflow; return its error's text."""
    try:
        store.connect_quietly()
        function, *arguments = pickle.loads(pickled)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mlflow warns about its own type hints
            function(*arguments)
    except Exception as error:  # without it the stage's results are the same
        return f"{error!s:.300}"


def serve(connection: Connection) -> None:
    """Answer requests until the stage ends, by whatever signal: it is not ended by the same."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(Exception):  # `send` says what is wrong
        store.import_client()
    path, uri, recorded_uri, has_lock = connection.recv()
    if has_lock:
        reduction.recv_handle(connection)
    sender = Sender(journal := ReceivedJournal(path), uri, recorded_uri)
    while True:
        kind, content = connection.recv()
        if kind == "send":
            journal.received += content
        problem = sender.send() if kind == "send" else sender.call(content)
        sys.stdout.flush()
        connection.send(problem)


def main() -> None:
    startup.collect_rarely()
    determinism.refuse_network()  # as the stage does
    with suppress(OSError, EOFError):  # the stage has ended
        serve(Connection(int(sys.argv[1])))
    os._exit(0)  # without MLflow's exit handlers
