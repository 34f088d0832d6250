"""A journal's lines → an MLflow run, once each, by a thread that never raises."""

import fcntl
import json
import shutil
import threading
from pathlib import Path
from typing import Any

from stages.tracking.store import connect, open_run, root, warn

PATIENCE_S = 20.0  # how long the end of a stage waits for the server


class Sender(threading.Thread):
    """Sends the journal's lines as they come; gives up at the end without an error."""

    def __init__(self, journal: Path):
        super().__init__(daemon=True)
        self.ended, self.warned, self.delivery = threading.Event(), False, Delivery(journal)

    def run(self) -> None:
        while True:
            over = self.ended.is_set()
            try:
                self.delivery.send()
                if over:
                    self.delivery.journal.unlink()
                    deliver_pending()
            except Exception as error:  # whatever a tracker can throw must not stop a stage
                if not self.warned:
                    warn(f"{error!s:.300}; kept in {self.delivery.journal.parent}, sent later")
                self.warned = True
            if over:
                return
            self.ended.wait(1.0)

    def finish(self) -> None:
        """Wait for what is left to be sent, for a while."""
        self.ended.set()
        self.join(PATIENCE_S)
        if self.is_alive():
            warn(f"the server is slow; the rest is kept in {self.delivery.journal.parent}")


class Delivery:
    """Sends each line of a journal once, and no step that the run already has."""

    def __init__(self, journal: Path):
        self.journal, self.sent = journal, 0
        self.run_id = ""
        self.last_step: dict[str, int] = {}

    def send(self) -> None:
        """Send the lines that are new.

        Raises:
            Exception: whatever the tracker raises; the lines from the failed one on stay unsent.
        """
        lines = self.journal.read_text(encoding="utf-8").splitlines()[self.sent :]
        if not lines:
            return
        client = connect()
        waiting: list[Any] = []
        for line in lines:
            record = json.loads(line)
            if record["kind"] == "metrics":
                waiting.append(record)
                continue
            self._send_metrics(client, waiting)
            waiting = []
            getattr(self, "_send_" + record["kind"])(client, record)
            self.sent += 1
        self._send_metrics(client, waiting)

    def _send_open(self, client: Any, record: dict[str, Any]) -> None:
        self.stage = record["stage"]
        self.run_id, is_found = open_run(client, record)
        if is_found:
            for key in client.get_run(self.run_id).data.metrics:
                steps = [row.step for row in client.get_metric_history(self.run_id, key)]
                self.last_step[key] = max(steps)

    def _send_metrics(self, client: Any, records: list[dict[str, Any]]) -> None:
        from mlflow.entities import Metric

        rows = [
            Metric(key, value, record["time_ms"], record["step"])
            for record in records
            for key, value in record["metrics"].items()
            if record["step"] > self.last_step.get(key, -1)
        ]
        for start in range(0, len(rows), 500):
            client.log_batch(self.run_id, metrics=rows[start : start + 500])
        self.sent += len(records)

    def _send_tags(self, client: Any, record: dict[str, Any]) -> None:
        from mlflow.entities import RunTag

        client.log_batch(self.run_id, tags=[RunTag(k, v) for k, v in record["tags"].items()])

    def _send_dataset(self, client: Any, record: dict[str, Any]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        given = Dataset(record["name"], record["digest"], "local", record["source"])
        context = InputTag("mlflow.data.context", record["split"])
        client.log_inputs(self.run_id, [DatasetInput(given, [context])])

    def _send_artifact(self, client: Any, record: dict[str, Any]) -> None:
        if Path(record["path"]).exists():
            client.log_artifact(self.run_id, record["path"], record["folder"])

    def _send_model(self, client: Any, record: dict[str, Any]) -> None:
        if Path(record["path"]).exists():
            client.log_artifacts(self.run_id, record["path"], "model")
            shutil.rmtree(record["path"])

    def _send_close(self, client: Any, record: dict[str, Any]) -> None:
        client.set_tag(self.run_id, f"stage.{self.stage}", record["status"])
        client.set_terminated(self.run_id, record["status"], record["time_ms"])


def deliver_pending() -> int:
    """Send the journals that stages left behind and no process owns; return how many."""
    delivered = 0
    for journal in sorted((root() / "tracking").glob("*.jsonl")):
        with journal.open("a") as owner:
            try:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            Delivery(journal).send()
            journal.unlink()
            delivered += 1
    return delivered
