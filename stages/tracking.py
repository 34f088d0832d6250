"""Stages → one MLflow run per execution. The only module that imports mlflow.

Everything goes into a journal first (`tracking/<key>.jsonl` at the repository root) and is sent
from there by a thread, so a slow or dead server never holds up a stage; what could not be sent is
sent by the next stage of the run that reaches the server. Any failure is one warning.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stages import determinism, outputs, params
from stages.errors import InputError

PATIENCE_S = 20.0  # how long the end of a stage waits for the server
TIMEOUT_S = 5  # one request
EXPERIMENT = "temper"
ENVIRONMENT = "environment/train.json"  # an artefact of the run


def root() -> Path:
    """Return the repository root, also from a temporary experiment workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def log_every() -> int:
    """Return how many training steps lie between two that are recorded: `TEMPER_LOG_EVERY`, or 1.

    Raises:
        InputError: it is no positive whole number.
    """
    text = os.environ.get("TEMPER_LOG_EVERY", "1")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"TEMPER_LOG_EVERY is {text!r}; expected a number of steps, 1 or more")
    return int(text)


def is_off() -> bool:
    """Tell whether `TEMPER_TRACKING` is `off`: nothing is recorded anywhere.

    Raises:
        InputError: it is something else than on or off.
    """
    value = os.environ.get("TEMPER_TRACKING", "on")
    if value not in ("on", "off"):
        raise InputError(f"TEMPER_TRACKING is {value!r}; expected on or off")
    return value == "off"


def default_uri() -> str:
    return f"sqlite:///{root() / 'mlflow.db'}"


class Run:
    """What a stage says of itself. Nothing here raises because of the tracker."""

    def __init__(self, stage: str, tags: dict[str, str], parameters: params.Params):
        self.lock, self.log_every, self.data = threading.Lock(), log_every(), parameters.data
        if is_off():
            self.file = open(os.devnull, "w")  # noqa: SIM115 (closed by `run`)
        else:
            folder = root() / "tracking"
            folder.mkdir(exist_ok=True)
            self.file = (folder / f"{stage}-{execution()}-{os.getpid()}.jsonl").open("a+")
            fcntl.flock(self.file, fcntl.LOCK_EX)  # a journal without an owner is anybody's to send
        self._write(
            "open",
            stage=stage,
            tags=tags,
            params={k: str(v) for k, v in params.flatten(parameters).items()},
            params_file=params.PARAMS_FILE.read_text(encoding="utf-8"),
            environment=determinism.environment(),
        )

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers, `validation/loss` and the like; infinities and NaN are left out."""
        finite = {k: float(v) for k, v in metrics.items() if abs(v) < float("inf")}
        self._write("metrics", metrics=finite, step=step or 0)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        self._write("artifact", path=str(path.resolve()), folder=folder)

    def log_artifacts(self, folder: Path, name: str | None = None) -> None:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            below = path.parent.relative_to(folder).as_posix()
            parts = [part for part in (name, below) if part and part != "."]
            self.log_artifact(path, "/".join(parts) or None)

    def log_model(self, save: Callable[..., None], *arguments: Any) -> None:
        """Record an MLflow model folder that `save(source, target, …)` writes."""
        if is_off():
            return
        target = root() / "tracking" / f"model-{execution()}"
        shutil.rmtree(target, ignore_errors=True)
        try:
            connect_quietly()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # mlflow warns of its own type hints
                save(arguments[0], target, *arguments[1:])
        except Exception as error:  # a model that cannot be served is still exported
            warn(f"no MLflow model: {error!s:.300}")
            return
        self._write("model", path=str(target))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._write("tags", tags={k: str(v) for k, v in tags.items()})

    def log_dataset(self, digests: Mapping[str, str]) -> None:
        """Record each split as an input of the run, by the digest of its bytes."""
        content = {"name": self.data.hub.name or "files", "source": self.data.source}
        for split, digest in digests.items():
            self._write("dataset", digest=digest[:36], split=split, **content)

    def set_model(self, model: Path) -> None:
        """Tag the run with the sha256 of the weights."""
        self.set_tags({"model_sha256": model_sha256(model)})

    def _write(self, kind: str, **content: Any) -> None:
        record = {"kind": kind, "time_ms": int(time.time() * 1000), **content}
        with self.lock:
            self.file.write(json.dumps(record) + "\n")
            self.file.flush()


@contextmanager
def run(
    stage: str,
    parameters: params.Params,
    *,
    fingerprint: str | None = None,
    model: Path | None = None,
) -> Iterator[Run]:
    """Open this execution's run for one stage; it ends FINISHED, or FAILED with the reason.

    Args:
        stage: name of the stage.
        parameters: logged key by key.
        fingerprint: of the training; a killed one continues its run.
        model: folder of the trained model; its sha256 finds the run that trained it.
    """
    tags = describe(parameters) | {"stage": stage}
    tags |= {"fingerprint": fingerprint} if fingerprint else {}
    tags |= {"model_sha256": model_sha256(model)} if model else {}
    recorded = Run(stage, tags, parameters)
    sender = None if is_off() else Sender(Path(recorded.file.name))
    if sender is not None:
        sender.start()
    try:
        yield recorded
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, InputError) else error
        stopped = isinstance(error, SystemExit | KeyboardInterrupt)
        recorded.set_tags({"reason": str(reason)[:5000]})
        recorded._write("close", status="KILLED" if stopped else "FAILED")
        raise
    else:
        recorded._write("close", status="FINISHED")
    finally:
        if sender is not None:
            sender.finish()
        recorded.file.close()


def describe(parameters: params.Params) -> dict[str, str]:
    """Return the tags that lead from a run to its code, experiment and execution."""
    tags = {"execution": execution()}
    for tag, variable in (
        ("dvc.exp_name", "DVC_EXP_NAME"),
        ("dvc.baseline_rev", "DVC_EXP_BASELINE_REV"),
    ):
        if os.environ.get(variable):
            tags[tag] = os.environ[variable]
    tags["mlflow.runName"] = tags.get("dvc.exp_name", parameters.export.name)
    tags["base_model"] = parameters.model.name
    tags["base_revision"] = parameters.model.revision or ""
    with suppress(OSError, subprocess.CalledProcessError):
        git = ["git", "-C", str(root())]
        tags["mlflow.source.git.commit"] = _output([*git, "rev-parse", "HEAD"])
        tags["git_dirty"] = str(bool(_output([*git, "status", "--porcelain", "-uno"]))).lower()
    return tags


def execution() -> str:
    """Return a key shared by the stages of one `dvc` process, or this process's own."""
    import psutil

    process = psutil.Process()
    for parent in process.parents():
        with suppress(psutil.Error):
            if any(Path(word).name == "dvc" for word in parent.cmdline()[:3]):
                process = parent
                break
    return hashlib.sha256(f"{process.pid} {process.create_time()}".encode()).hexdigest()[:12]


def model_sha256(folder: Path) -> str:
    """Return the sha256 of the weights, or of the list of theirs where there are several."""
    return files_sha256(sorted(folder.glob("*.safetensors")))


def files_sha256(files: list[Path]) -> str:
    if len(files) == 1:
        return outputs.sha256_file(files[0])
    return hashlib.sha256("".join(map(outputs.sha256_file, files)).encode()).hexdigest()


def warn(message: str) -> None:
    print(f"warning: tracking: {message}", file=sys.stderr)


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


def connect() -> Any:
    """Return a client whose store is ready; a fresh SQLite file is made under a lock (FACTS 19)."""
    connect_quietly()
    from mlflow.tracking import MlflowClient

    uri = os.environ.get("MLFLOW_TRACKING_URI") or default_uri()
    if not uri.startswith("sqlite"):
        return MlflowClient(uri)
    (root() / "tracking").mkdir(exist_ok=True)
    with (root() / "tracking" / "store.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def connect_quietly() -> None:
    """Import mlflow with short time-outs and without its remarks."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow.utils import logging_utils

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging_utils.disable_logging()


def open_run(client: Any, record: dict[str, Any]) -> tuple[str, bool]:
    """Return the id of the run a stage belongs to, and whether it was there before."""
    from mlflow.entities import Param

    tags, stage = record["tags"], record["stage"]
    experiment = experiment_id(client)
    found = find_run(client, experiment, tags, stage)
    if found is not None:
        run_id = found.info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        run_id = client.create_run(experiment, record["time_ms"], tags).info.run_id
        values = [Param(key, value[:6000]) for key, value in record["params"].items()]
        client.log_batch(run_id, params=values)
        client.log_text(run_id, record["params_file"], "params.yaml")
        trainer = trained_by(client, experiment, tags, run_id)
        if trainer is not None:
            client.set_tag(run_id, "trained_by", trainer)
            copy_history(client, trainer, run_id)
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    client.log_dict(run_id, record["environment"], ENVIRONMENT.replace("train", stage))
    return run_id, found is not None


def experiment_id(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return client.create_experiment(name)
    return client.create_experiment(name, (root() / "mlruns").as_uri())


def find_run(client: Any, experiment: str, tags: dict[str, str], stage: str) -> Any | None:
    """Return this execution's run, or one of the same training that lacks this stage."""
    for key in ("execution", "fingerprint", "model_sha256"):
        if key in tags:
            query = f"tags.{key} = '{tags[key]}'"
            for found in client.search_runs([experiment], query, max_results=50):
                if key == "execution" or found.data.tags.get(f"stage.{stage}") != "FINISHED":
                    return found
    return None


def trained_by(client: Any, experiment: str, tags: dict[str, str], itself: str) -> str | None:
    """Return the first run that did the training this stage builds on or found done."""
    for key in ("fingerprint", "model_sha256"):
        if key in tags:
            query = f"tags.{key} = '{tags[key]}'"
            for found in client.search_runs([experiment], query, order_by=["start_time ASC"]):
                if "fingerprint" in found.data.tags and found.info.run_id != itself:
                    return found.info.run_id
    return None


def environment_of(weights: list[Path]) -> dict[str, str] | None:
    """Return the environment in which weights were trained; None where no store knows them."""
    if "MLFLOW_TRACKING_URI" not in os.environ and not (root() / "mlflow.db").exists():
        return None
    try:
        client = connect()
        query = f"tags.model_sha256 = '{files_sha256(weights)}' and tags.fingerprint != ''"
        experiments = [experiment_id(client)]
        for found in client.search_runs(experiments, query, order_by=["start_time DESC"]):
            with tempfile.TemporaryDirectory() as folder:
                file = client.download_artifacts(found.info.run_id, ENVIRONMENT, folder)
                return outputs.read_json(Path(file))
    except Exception as error:  # whatever a tracker can throw
        warn(f"{error!s:.300}")
    return None


def copy_history(client: Any, source: str, target: str) -> None:
    """Copy the training's stepped metrics into a run that did not train."""
    for key in client.get_run(source).data.metrics:
        if key.startswith(("train/", "validation/")):
            rows = client.get_metric_history(source, key)
            for start in range(0, len(rows), 500):
                client.log_batch(target, metrics=rows[start : start + 500])


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
