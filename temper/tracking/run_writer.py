"""Write a journal's records to an MLflow run, each once."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.tracking import database, journal, logged_model, store
from temper.tracking.journal import Journal

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

FILES = ("artifact", "logged_model", "model", "text")  # may be in another store than the metrics
MAX_VALUES, MAX_RECORDS = 1000, 200  # of metrics in a request; MLflow allows 1000 values


class RunWriter:
    """Writes the records of a journal to a run, each once, without steps that the run has.

    A request whose answer is lost is repeated with the same times: MLflow stores a metric with the
    same key, step, time and value once, and overwrites everything else.
    """

    def __init__(self, own_journal: Journal):
        self.journal = own_journal
        self.run: Run | None = None
        self.pending: list[dict[str, Any]] = []
        self.failed_files: list[dict[str, Any]] = []
        self.tags: dict[str, str] = {}
        self.stage, self.last_ms, self.is_closed = "", 0, False
        self.known_steps: dict[str, set[int]] | None = None  # by metric; None for a new run
        self.counts: Counter[str] = Counter()  # of metric values and files

    def first_record(self) -> dict[str, Any] | None:
        """Return the first record, which names the run and store; None for an empty journal."""
        self.pending += self.journal.read()
        return self.pending[0] if self.pending else None

    def send(self, client: "MlflowClient") -> None:
        """Send the records that have not been sent.

        Raises:
            Exception: the tracker's; what is not sent stays pending.
        """
        self.pending += self.failed_files + self.journal.read()
        self.failed_files, file_error = [], None
        while self.pending:
            record = self.pending[0]
            self.last_ms = record["time_ms"]
            if record["kind"] == "metrics":
                metrics = takewhile(lambda record: record["kind"] == "metrics", self.pending)
                batch = list(islice(metrics, MAX_RECORDS))
                self._send_metrics(client, batch)
                del self.pending[: len(batch)]
                continue
            try:
                self._send_record(client, record)
            except Exception as error:
                if record["kind"] not in FILES or store.is_unreachable(error):
                    raise
                self.failed_files.append(record)
                file_error = error
            del self.pending[0]
        if file_error is not None:
            raise file_error

    def send_all(self, client: "MlflowClient") -> None:
        """Send an abandoned journal, and end the run where the stage did not."""
        self.send(client)
        if self.run is not None and not self.is_closed:
            client.set_terminated(self.run_id, "KILLED", self.last_ms)

    def _send_record(self, client: "MlflowClient", record: dict[str, Any]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if record["kind"] == "open":
            self.stage, self.tags = record["stage"], record["tags"]
            self.run, is_new = store.open_run(client, record)
            self.known_steps = None if is_new else {}
        elif record["kind"] == "text":
            client.log_text(self.run_id, record["text"], record["path"])
        elif record["kind"] == "tags":
            store.set_tags(client, self.run_id, record["tags"])
        elif record["kind"] == "dataset":
            dataset = Dataset(record["name"], record["digest"], "local", record["source"])
            context = InputTag("mlflow.data.context", record["split"])
            client.log_inputs(self.run_id, [DatasetInput(dataset, [context])])
        elif record["kind"] == "close":
            if self.stage == "train" and record["status"] == "FINISHED":
                store.link_trainer(client, self.run_id, self.tags)
            client.set_tag(self.run_id, f"stage.{self.stage}", record["status"])
            client.set_terminated(self.run_id, record["status"], record["time_ms"])
            self.is_closed = True
        elif (path := self.journal.files / record["file"]).exists():
            if record["kind"] == "logged_model":
                self._send_model(client, path)
            else:  # temper 0.1 omits the folder
                log = partial(client.log_artifact, self.run_id)
                self._send_files(log, path, record.get("folder", logged_model.FILES))

    def _send_model(self, client: "MlflowClient", path: Path) -> None:
        """Send a model's files to MLflow's page of the model; an older server has none."""
        model = logged_model.open_model(client, client.get_run(self.run_id))
        if model is None:
            log = partial(client.log_artifact, self.run_id)
            self._send_files(log, path, logged_model.FILES)
            return
        self._send_files(partial(client.log_model_artifact, model.model_id), path, None)
        logged_model.finish(client, self.run_id, model.model_id)

    def _send_files(self, log: Callable[..., None], path: Path, folder: str | None) -> None:
        """Send a file or the files of a folder, also those after one that the store refuses.

        Args:
            log: takes a file and its folder at the store.
            path: of the file or folder.
            folder: at the store.

        Raises:
            Exception: the tracker's, about the last that was not sent.
        """
        refusal = None
        parent = path if path.is_dir() else path.parent
        for file in filter(Path.is_file, sorted((path, *path.rglob("*")))):
            target = Path(folder or "", file.parent.relative_to(parent))
            try:
                log(str(file), target.as_posix() if target.parts else None)
                self.counts["files"] += 1
            except Exception as error:
                if store.is_unreachable(error):
                    raise
                refusal = error
        if refusal is not None:
            raise refusal

    def _send_metrics(self, client: "MlflowClient", records: list[dict[str, Any]]) -> None:
        from mlflow.entities import Metric

        rows = [
            Metric(store.valid_key(name), value, record["time_ms"], record["step"] or 0)
            for record in records
            for name, value in record["metrics"].items()
            if not self._has_step(client, store.valid_key(name), record["step"])
        ]
        for start in range(0, len(rows), MAX_VALUES):
            client.log_batch(self.run_id, metrics=rows[start : start + MAX_VALUES])
        self.counts["values"] += len(rows)

    def _has_step(self, client: "MlflowClient", name: str, step: int | None) -> bool:
        """Check whether the run has this step; a metric without steps is always sent."""
        if self.known_steps is None or step is None:
            return False
        if name not in self.known_steps:
            history = client.get_metric_history(self.run_id, name)
            self.known_steps[name] = {row.step for row in history}
        return step in self.known_steps[name]

    @property
    def run_id(self) -> str:
        if self.run is None:
            raise ValueError(f"{self.journal.path} does not begin with the record of its run")
        return self.run.info.run_id


def upload_left_behind(
    client: "MlflowClient", recorded_uri: str | None
) -> Iterator[tuple[RunWriter, Exception | None]]:
    """Upload the journals that no process owns; yield each, with the error if it failed.

    Args:
        recorded_uri: only the journals of this store, as they record it; None: all.

    Raises:
        Exception: the store cannot be reached any more.
    """
    # two processes that upload one training would double steps
    with database.locked(journal.folder() / "sending.lock"):
        for left in journal.left_behind():
            writer = RunWriter(left)
            try:
                opened = writer.first_record()
                if opened is not None and recorded_uri not in (None, opened.get("uri")):
                    continue
                writer.send_all(client)
                left.remove()
            except Exception as error:
                if store.is_unreachable(error):
                    raise
                yield writer, error
            else:
                yield writer, None
