"""A journal's records → an MLflow run, once each, by a thread that never raises."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from typing import Any

from temper.tracking import journal, store
from temper.tracking.journal import Journal

PATIENCE_S = 20.0  # how long the end of a stage waits for the server
RETRY_S = (1.0, 15.0)  # between two attempts: at first, and at most
FILES = ("artifact", "model", "text")  # they may lie in another store than the numbers
ROWS, RECORDS = 1000, 200  # of metrics in a request; MLflow takes 1000 values


class Uploader(threading.Thread):
    """Sends the journal's records as they come; gives up at the end without an error."""

    def __init__(self, own: Journal, warn: Callable[[str], None]):
        super().__init__(daemon=True)
        self.ended, self.delivery, self.warn = threading.Event(), RunWriter(own), warn
        self.uri, self.recorded = store.chosen_uri(), store.recorded_uri()
        self.client: Any = None

    def run(self) -> None:
        pause = RETRY_S[0]
        while True:
            over = self.ended.is_set()
            try:
                self._send()
                pause = RETRY_S[0]
                if over:
                    self.delivery.journal.remove()
            except Exception as error:  # whatever a tracker can throw must not stop a stage
                self.warn(f"{store.reason(error, self.uri)}; {self._later()}")
                pause = min(2 * pause, RETRY_S[1])
            if over:
                self.delivery.journal.close()
                return
            self.ended.wait(pause)

    def finish(self) -> None:
        """Wait for what is left to be sent, for a while."""
        self.ended.set()
        self.join(PATIENCE_S)
        if self.is_alive():
            name = store.masked(self.uri)
            self.warn(f"{name} is slow, not all is sent after {PATIENCE_S:.0f} s; {self._later()}")

    def _send(self) -> None:
        if self.client is None:
            client = store.connect(self.uri)
            for _ in deliver_left_behind(client, self.recorded):
                pass  # those that fail stay; `temper sync` says why
            self.client = client
        self.delivery.send(self.client)

    def _later(self) -> str:
        return (
            f"the stage goes on, its record is kept in {journal.folder()} and sent by the next "
            "stage that reaches the server, or by `temper sync`"
        )


class RunWriter:
    """Sends each record of a journal once, and no step that the run already has.

    A request whose answer is lost is sent again with the same times: MLflow keeps a metric of the
    same key, step, time and value once, and everything else is written over.
    """

    def __init__(self, own: Journal):
        self.journal, self.run = own, None
        self.waiting: list[dict[str, Any]] = []
        self.aside: list[dict[str, Any]] = []  # files that could not be sent
        self.tags: dict[str, str] = {}
        self.stage, self.last_ms, self.is_closed = "", 0, False
        self.known: dict[str, set[int]] | None = None  # the run's steps by metric; None: it is new
        self.counts: Counter[str] = Counter()

    def head(self) -> dict[str, Any] | None:
        """Return the first record, which says of what run and store it is; None without any."""
        self.waiting += self.journal.read()
        return self.waiting[0] if self.waiting else None

    def send(self, client: Any) -> None:
        """Send what is new.

        Raises:
            Exception: whatever the tracker raises; what is not sent stays to be.
        """
        self.waiting += self.aside + self.journal.read()
        self.aside, failed = [], None
        while self.waiting:
            record = self.waiting[0]
            self.last_ms = record["time_ms"]
            if record["kind"] == "metrics":
                same = takewhile(lambda record: record["kind"] == "metrics", self.waiting)
                batch = list(islice(same, RECORDS))
                self._send_metrics(client, batch)
                del self.waiting[: len(batch)]
                continue
            try:
                getattr(self, "_send_" + record["kind"])(client, record)
            except Exception as error:
                if record["kind"] not in FILES or store.is_unreachable(error):
                    raise
                self.aside.append(record)
                failed = error
            del self.waiting[0]
        if failed is not None:
            raise failed

    def send_all(self, client: Any) -> None:
        """Send a journal that its owner left, and end a run whose stage has not ended it."""
        self.send(client)
        if self.run is not None and not self.is_closed:
            client.set_terminated(self.run_id, "KILLED", self.last_ms)

    def _send_open(self, client: Any, record: dict[str, Any]) -> None:
        self.stage, self.tags = record["stage"], record["tags"]
        self.run, is_new = store.open_run(client, record)
        self.known = None if is_new else {}

    def _send_text(self, client: Any, record: dict[str, Any]) -> None:
        client.log_text(self.run_id, record["text"], record["path"])

    def _send_metrics(self, client: Any, records: list[dict[str, Any]]) -> None:
        from mlflow.entities import Metric

        rows = [
            Metric(store.key(name), value, record["time_ms"], record["step"] or 0)
            for record in records
            for name, value in record["metrics"].items()
            if not self._has(client, store.key(name), record["step"])
        ]
        for start in range(0, len(rows), ROWS):
            client.log_batch(self.run_id, metrics=rows[start : start + ROWS])
        self.counts["numbers"] += len(rows)

    def _has(self, client: Any, name: str, step: int | None) -> bool:
        """Tell whether the run had this step before; what is of no step is always said anew."""
        if self.known is None or step is None:
            return False
        if name not in self.known:
            history = client.get_metric_history(self.run_id, name)
            self.known[name] = {row.step for row in history}
        return step in self.known[name]

    def _send_tags(self, client: Any, record: dict[str, Any]) -> None:
        store.set_tags(client, self.run_id, record["tags"])

    def _send_dataset(self, client: Any, record: dict[str, Any]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        given = Dataset(record["name"], record["digest"], "local", record["source"])
        context = InputTag("mlflow.data.context", record["split"])
        client.log_inputs(self.run_id, [DatasetInput(given, [context])])

    def _send_artifact(self, client: Any, record: dict[str, Any]) -> None:
        path = self.journal.files / record["file"]
        if path.exists():
            client.log_artifact(self.run_id, str(path), record["folder"])
            self.counts["files"] += 1

    def _send_model(self, client: Any, record: dict[str, Any]) -> None:
        path = self.journal.files / record["file"]
        if path.exists():
            client.log_artifacts(self.run_id, str(path), "model")
            self.counts["files"] += 1

    def _send_close(self, client: Any, record: dict[str, Any]) -> None:
        if self.stage == "train" and record["status"] == "FINISHED":
            store.link_trainer(client, self.run_id, self.tags)
        client.set_tag(self.run_id, f"stage.{self.stage}", record["status"])
        client.set_terminated(self.run_id, record["status"], record["time_ms"])
        self.is_closed = True

    @property
    def run_id(self) -> str:
        if self.run is None:
            raise ValueError(f"{self.journal.path} does not begin with what run it is of")
        return self.run.info.run_id


def deliver_left_behind(
    client: Any, recorded: str | None
) -> Iterator[tuple[RunWriter, Exception | None]]:
    """Send the journals that no process owns; yield each, with what went wrong.

    Args:
        client: of the store they go to.
        recorded: only the journals that say so of their store; None: all.

    Raises:
        Exception: the store cannot be reached any more.
    """
    with journal.locked("sending"):  # two that send one training's journals would double steps
        for left in journal.left_behind():
            delivery = RunWriter(left)
            try:
                opened = delivery.head()
                if opened is not None and recorded not in (None, opened.get("uri")):
                    continue
                delivery.send_all(client)
                left.remove()
            except Exception as error:
                if store.is_unreachable(error):
                    raise
                yield delivery, error
            else:
                yield delivery, None
