"""Record the stages of one execution in one MLflow run.

A stage writes to a journal on disk (journal.py). A thread reads it (uploader.py), and a process
with MLflow uploads it (sender.py), so that a slow or dead server never blocks a stage. What is not
uploaded by the end of a stage is uploaded by the next stage that reaches the server, or by `temper
sync`. A stage warns once, whatever fails.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from temper import params
from temper.core import determinism, settled
from temper.core.errors import InputError
from temper.tracking import journal, run_tags, sender, store
from temper.tracking.store import files_sha256
from temper.tracking.uploader import Uploader

DIGEST = 8  # characters of a data set's digest, as MLflow's own


def log_every() -> int:
    """Return the number of training steps between two that are recorded: `TEMPER_LOG_EVERY`, or 1.

    Raises:
        InputError: it is not a positive integer.
    """
    text = os.environ.get("TEMPER_LOG_EVERY", "1")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"TEMPER_LOG_EVERY is {text!r}; expected a number of steps, 1 or more")
    return int(text)


def is_off() -> bool:
    """Check whether `TEMPER_TRACKING` is `off`: nothing is recorded.

    Raises:
        InputError: it is neither on nor off.
    """
    value = os.environ.get("TEMPER_TRACKING", "on")
    if value not in ("on", "off"):
        raise InputError(f"TEMPER_TRACKING is {value!r}; expected on or off")
    return value == "off"


def begin() -> None:
    """Import MLflow in another process, for the stage that runs in this one and is imported next.

    Of several that train together only the first records.
    """
    if not is_off() and os.environ.get("RANK", "0") == "0":
        sender.begin()


class Run:
    """The run of one stage. No method raises because of the tracker."""

    def __init__(self, stage: str, tags: dict[str, str], parameters: params.Params):
        self.log_every, self.data, self.has_warned = log_every(), parameters.data, False
        self.journal = None
        self.uploader: Uploader | None = None
        if is_off():
            return
        self.journal = journal.create(
            f"{stage}-{run_tags.execution()}-{os.getpid()}", self._warn_unwritten
        )
        self._write(
            "open",
            stage=stage,
            tags=tags,
            params=params.as_written(parameters),
            uri=store.recorded_uri(),
            experiment=store.experiment_name(),
        )
        text = settled.read_text(params.PARAMS_FILE)
        self._write("text", path=params.PARAMS_FILE.name, text=text)
        text = json.dumps(determinism.environment(), indent=2)
        self._write("text", path=store.ENVIRONMENT.replace("train", stage), text=text)

    def warn(self, message: str) -> None:
        """Print a warning; only the first of a stage is shown."""
        if not self.has_warned:
            store.warn(message)
        self.has_warned = True

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record metrics such as `validation/loss`; infinities and NaN are dropped."""
        finite = {k: float(v) for k, v in metrics.items() if abs(v) < float("inf")}
        self._write("metrics", metrics=finite, step=step)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Record a copy of a file, or of the files in a folder."""
        if self.journal is not None:
            try:
                self._write("artifact", file=self.journal.keep(path), folder=folder)
            except OSError as error:
                self._warn_unwritten(error)

    def log_model(self, save: Callable[..., None], *arguments: Any) -> None:
        """Record the MLflow model folder that `save(source, target, …)` writes."""
        if self.journal is None or self.uploader is None:
            return
        target = self.journal.files / "model"
        with suppress(OSError):  # `save` tells of it
            target.parent.mkdir(parents=True, exist_ok=True)
        problem = self.uploader.call(save, arguments[0], target, *arguments[1:])
        if problem is not None:  # a model that MLflow cannot serve is still exported
            self.warn(f"no MLflow model: {problem}")
            return
        self._write("logged_model", file="model")

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._write("tags", tags={k: str(v) for k, v in tags.items()})

    def log_dataset(self, digests: Mapping[str, str]) -> None:
        """Record each split as an input dataset of the run, with the digest of its bytes."""
        for split, digest in digests.items():
            name = f"{self.data.hub.name or ''} {split}".strip()
            source = self.data.source
            self._write("dataset", name=name, source=source, split=split, digest=digest[:DIGEST])

    def describe(self, markdown: str) -> None:
        """Set the run's description on its MLflow page."""
        self.set_tags({"mlflow.note.content": markdown})

    def set_model(self, model: Path) -> None:
        """Tag the run with the sha256 of the weights."""
        self.set_tags({"model_sha256": model_sha256(model)})

    def _write(self, kind: str, **content: Any) -> None:
        if self.journal is None:
            return
        try:
            self.journal.write({"kind": kind, "time_ms": int(time.time() * 1000), **content})
        except OSError as error:
            self._warn_unwritten(error)

    def _warn_unwritten(self, error: OSError) -> None:
        self.warn(
            f"{journal.folder()}: {error.strerror or error}; the stage continues, and what is "
            "neither written nor sent by its end is lost"
        )


@contextmanager
def run(
    stage: str,
    parameters: params.Params,
    *,
    fingerprint: str | None = None,
    model: Path | None = None,
) -> Iterator[Run]:
    """Open this execution's run for a stage; it ends FINISHED, or FAILED or KILLED with the reason.

    Args:
        parameters: logged key by key.
        fingerprint: of the training; one that resumes continues the run of the killed one.
        model: folder of the trained model; its sha256 identifies the run that trained it.
    """
    tags = run_tags.of_run(parameters) | {"stage": stage}
    tags |= {"fingerprint": fingerprint} if fingerprint else {}
    tags |= {"model_sha256": model_sha256(model)} if model else {}
    stage_run = Run(stage, tags, parameters)
    if stage_run.journal is not None:
        stage_run.uploader = Uploader(stage_run.journal, stage_run.warn)
        stage_run.uploader.start()
    try:
        yield stage_run
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, InputError) else error
        is_killed = isinstance(error, SystemExit | KeyboardInterrupt)
        stage_run.set_tags({"reason": str(reason)[:5000]})
        stage_run._write("close", status="KILLED" if is_killed else "FAILED")
        raise
    else:
        stage_run._write("close", status="FINISHED")
    finally:
        if stage_run.uploader is not None:
            stage_run.uploader.finish()


def model_sha256(folder: Path) -> str:
    """Return the sha256 of the weight file; of several, that of the list of their hashes."""
    return files_sha256(sorted(folder.glob("*.safetensors")))
