"""Stages → one MLflow run per execution. The only module that imports mlflow.

Everything goes into a journal first (`tracking/<key>.jsonl` at the repository root) and is sent
from there by a thread, so a slow or dead server never holds up a stage; what could not be sent is
sent by the next stage of the run that reaches the server. Any failure is one warning.
"""

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stages import determinism, outputs, params
from stages.errors import InputError

PATIENCE_S = 20.0  # how long the end of a stage waits for the server
TIMEOUT_S = 5  # one request
EXPERIMENT = "temper"


def root() -> Path:
    """Return the repository root, also from a temporary experiment workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def default_uri() -> str:
    return f"sqlite:///{root() / 'mlflow.db'}"


class Run:
    """What a stage says of itself. Nothing here raises because of the tracker."""

    def __init__(self, stage: str, tags: dict[str, str], journal: Path):
        self.stage, self.journal = stage, journal
        self.lock = threading.Lock()
        journal.parent.mkdir(parents=True, exist_ok=True)
        self._write("open", stage=stage, tags=tags, time_ms=int(time.time() * 1000))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers, `validation/loss` and the like; infinities and NaN are left out."""
        finite = {k: float(v) for k, v in metrics.items() if abs(v) < float("inf")}
        self._write("metrics", metrics=finite, step=step or 0, time_ms=int(time.time() * 1000))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        self._write("artifact", path=str(path.resolve()), folder=folder)

    def log_artifacts(self, folder: Path, name: str | None = None) -> None:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            below = path.parent.relative_to(folder).as_posix()
            parts = [part for part in (name, below) if part and part != "."]
            self.log_artifact(path, "/".join(parts) or None)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._write("tags", tags={k: str(v) for k, v in tags.items()})

    def set_model(self, model: Path) -> None:
        """Tag the run with the sha256 of the weights."""
        self.set_tags({"model_sha256": model_sha256(model)})

    def _write(self, kind: str, **content: Any) -> None:
        with self.lock, self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **content}) + "\n")


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
    journal = root() / "tracking" / f"{stage}-{execution()}.jsonl"
    recorded = Run(stage, tags, journal)
    sender = Sender(journal, parameters)
    sender.start()
    try:
        yield recorded
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, InputError) else error
        stopped = isinstance(error, SystemExit | KeyboardInterrupt)
        recorded.set_tags({"reason": str(reason)[:5000]})
        recorded._write("close", status="KILLED" if stopped else "FAILED")
        sender.finish()
        raise
    recorded._write("close", status="FINISHED")
    sender.finish()


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
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return outputs.sha256_file(files[0])
    return hashlib.sha256("".join(map(outputs.sha256_file, files)).encode()).hexdigest()


def warn(message: str) -> None:
    print(f"warning: tracking: {message}", file=sys.stderr)


class Sender(threading.Thread):
    """Reads the journal from its start and sends each line once; gives up without an error."""

    def __init__(self, journal: Path, parameters: params.Params):
        super().__init__(daemon=True)
        self.journal, self.parameters = journal, parameters
        self.ended, self.warned = threading.Event(), False
        self.run_id: str | None = None
        self.status: str | None = None

    def run(self) -> None:
        quiet_mlflow()
        sent = 0
        while True:
            over = self.ended.is_set()
            lines = self.journal.read_text(encoding="utf-8").splitlines()
            try:
                if lines[sent:]:
                    self._send([json.loads(line) for line in lines[sent:]])
                sent = len(lines)
                if over:
                    self.journal.unlink()
                    return
            except Exception as error:  # whatever a tracker can throw must not stop a stage
                if not self.warned:
                    warn(f"{error!s:.300}; going on, kept in {self.journal}")
                self.warned = True
                if over:
                    return
            self.ended.wait(1.0)

    def finish(self) -> None:
        """Wait for what is left to be sent, for a while."""
        self.ended.set()
        self.join(PATIENCE_S)
        if self.is_alive():
            warn(f"the server is slow; the rest is kept in {self.journal}")

    def _send(self, records: list[dict[str, Any]]) -> None:
        from mlflow.entities import Metric, RunTag

        client = connect()
        metrics: list[Any] = []
        for record in records:
            kind = record["kind"]
            if kind == "metrics":
                at, step = record["time_ms"], record["step"]
                metrics += [Metric(k, v, at, step) for k, v in record["metrics"].items()]
        for record in records:
            kind = record["kind"]
            if kind == "open" and self.run_id is None:
                self.run_id = open_run(client, record, self.parameters)
            elif kind == "tags":
                tags = [RunTag(k, v) for k, v in record["tags"].items()]
                client.log_batch(self.run_id, tags=tags)
            elif kind == "artifact":
                client.log_artifact(self.run_id, record["path"], record["folder"])
            elif kind == "close":
                self._log(client, metrics)
                metrics = []
                client.set_tag(
                    self.run_id,
                    f"stage.{self.parameters and self.journal.name.split('-')[0]}",
                    record["status"],
                )
                client.set_terminated(self.run_id, record["status"])
        self._log(client, metrics)

    def _log(self, client: Any, metrics: list[Any]) -> None:
        """Send metrics, but not a step that the run already has (a resumed run repeats some)."""
        for start in range(0, len(metrics), 500):
            client.log_batch(self.run_id, metrics=metrics[start : start + 500])


def quiet_mlflow() -> None:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def connect() -> Any:
    """Return a client whose store is ready; a fresh SQLite file is made under a lock (FACTS 19)."""
    import fcntl

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


def open_run(client: Any, record: dict[str, Any], parameters: params.Params) -> str:
    """Return the id of the run this stage belongs to, made if there is none."""
    tags, stage = record["tags"], record["stage"]
    experiment = experiment_id(client)
    found = find_run(client, experiment, tags, stage)
    if found is not None:
        client.update_run(found.info.run_id, status="RUNNING")
        run_id = found.info.run_id
    else:
        run_id = client.create_run(experiment, start_time=record["time_ms"], tags=tags).info.run_id
        log_parameters(client, run_id, parameters)
        trainer = trained_by(client, experiment, tags)
        if stage != "train" and trainer is not None:
            client.set_tag(run_id, "trained_by", trainer.info.run_id)
            copy_history(client, trainer.info.run_id, run_id)
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    client.log_dict(run_id, determinism.environment(), f"environment/{stage}.json")
    return run_id


def experiment_id(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return client.create_experiment(name)
    return client.create_experiment(name, (root() / "mlruns").as_uri())


def find_run(client: Any, experiment: str, tags: dict[str, str], stage: str) -> Any | None:
    """Return this execution's run, or the one of the same training that has not had this stage."""
    queries = [f"tags.execution = '{tags['execution']}'"]
    for key in ("fingerprint", "model_sha256"):
        if key in tags:
            queries.append(f"tags.{key} = '{tags[key]}' and tags.stage.{stage} != 'FINISHED'")
            queries.append(f"tags.{key} = '{tags[key]}'")
    for query in queries:
        for found in client.search_runs([experiment], query, max_results=20):
            if query.startswith("tags.execution") or (
                found.data.tags.get(f"stage.{stage}") != "FINISHED"
            ):
                return found
    return None


def trained_by(client: Any, experiment: str, tags: dict[str, str]) -> Any | None:
    if "model_sha256" not in tags:
        return None
    query = f"tags.model_sha256 = '{tags['model_sha256']}' and tags.fingerprint != ''"
    found = client.search_runs([experiment], query, order_by=["start_time ASC"], max_results=1)
    return found[0] if found else None


def log_parameters(client: Any, run_id: str, parameters: params.Params) -> None:
    """Log every key of params.yaml, and the file itself."""
    from mlflow.entities import Param

    flat = params.flatten(parameters).items()
    client.log_batch(run_id, params=[Param(key, str(value)[:6000]) for key, value in flat])
    client.log_artifact(run_id, str(params.PARAMS_FILE.resolve()))


def copy_history(client: Any, source: str, target: str) -> None:
    """Copy the training's stepped metrics into a run that did not train."""
    for key in client.get_run(source).data.metrics:
        if key.startswith(("train/", "validation/")):
            rows = client.get_metric_history(source, key)
            for start in range(0, len(rows), 500):
                client.log_batch(target, metrics=rows[start : start + 500])


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
