"""MLflow's store → the run that was named, and what each training cost, if it can be reached."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from temper.core.errors import InputError
from temper.tracking import is_off
from temper.tracking.store import EXPERIMENT, connect, error_message, root

ARTIFACTS = ("evaluation/metrics.json", "params.yaml")
TRAINED = ("train_time_s", "samples_per_s", "peak_memory_gib", "peak_gpu_memory_gib")
LATENCIES = ("model_latency_ms", "model_int8_latency_ms")
NOT_COMPARED = ("evaluate.", "export.", "data.license", "data.description")  # nor trained with


def recorded(run_id: str) -> tuple[Any, bytes, str]:
    """Return an MLflow run, the metrics.json it holds, and its params.yaml.

    Raises:
        InputError: the store does not answer or lacks the run, or the run has not ended.
    """
    client, reason = open_store()
    if client is None:
        raise InputError(f"run {run_id}: {reason}; name experiments or git revisions instead")
    try:
        run = client.get_run(run_id)
    except Exception as error:  # whatever a tracker can throw
        raise InputError(
            f"{run_id}: no git revision, and no run of this id: {error_message(error, where())}"
        ) from None
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = [client.download_artifacts(run_id, name, folder) for name in ARTIFACTS]
            return run, Path(files[0]).read_bytes(), Path(files[1]).read_text(encoding="utf-8")
    except Exception as error:  # likewise
        status = run.data.tags.get("stage.evaluate", "not run")
        raise InputError(
            f"run {run_id} has no {' and '.join(ARTIFACTS)} to go by (stage evaluate: {status}): "
            f"{first_line(error)}"
        ) from None


def where() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or str(root() / "mlflow.db")


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def open_store() -> tuple[Any | None, str]:
    """Return a client, or None and why there is none; a store is never made."""
    if is_off():
        return None, "TEMPER_TRACKING is off"
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (root() / "mlflow.db").exists():
        return None, f"there is no {where()}"
    try:
        return connect(), ""
    except Exception as error:  # whatever a tracker can throw
        return None, error_message(error, where())


def costs(
    wanted: Sequence[tuple[Any | None, Mapping[str, Any], Mapping[str, float], str]],
) -> tuple[list[dict[str, float]], str]:
    """Return for each model what its run measured, and why something is missing, if so.

    Args:
        wanted: of each the MLflow run if it was named, the parameters by dotted key, the scores of
            metrics.json as MLflow charts them, and the experiment's name.
    """
    client, reason = open_store()
    nothing: list[dict[str, float]] = [{} for _ in wanted]
    if client is None:
        return nothing, f"no seconds, latency or memory: {reason}"
    try:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = client.get_experiment_by_name(name)
        found = []
        for run, leaves, scores, label in wanted:
            known = [run] if run is not None else []
            if experiment is not None:
                known += find_runs(client, experiment.experiment_id, leaves, scores, label)
            found.append(merged(client, known))
    except Exception as error:  # whatever a tracker can throw
        return nothing, f"no seconds, latency or memory: {error_message(error, where())}"
    lacking = sum(not one for one in found)
    return found, f"no run of {lacking} of them in {where()}" if lacking else ""


def find_runs(
    client: Any, experiment: str, leaves: Mapping[str, Any], scores: Mapping[str, float], name: str
) -> list[Any]:
    """Return the runs with these scores and parameters, of the experiment first, new to old."""
    known = [(key, value) for key, value in scores.items() if value >= 0]  # all a query can say
    query = " and ".join(f"metrics.`{key}` = {value:.6f}" for key, value in known[:3])
    texts = {k: str(v)[:6000] for k, v in leaves.items() if not k.startswith(NOT_COMPARED)}
    found = [
        run
        for run in client.search_runs([experiment], query, order_by=["start_time DESC"])
        if all(run.data.params.get(key, text) == text for key, text in texts.items())
    ]
    return sorted(found, key=lambda run: run.data.tags.get("dvc.exp_name") != name)


def merged(client: Any, runs: Sequence[Any]) -> dict[str, float]:
    """Return each cost from the first run that has it; those of training from one that trained.

    A run whose training was restored or found done says so (`trained_by`, or no step a second), and
    its seconds are not those of the training.
    """
    known = list(runs)
    for run in runs:
        if "trained_by" in run.data.tags:
            known.append(client.get_run(run.data.tags["trained_by"]))
    found: dict[str, float] = {}
    for run in known:
        numbers = run.data.metrics
        names = [*LATENCIES]
        if numbers.get("system/steps_per_s") and "system/train_time_s" not in found:
            names += TRAINED
            steps = numbers["system/steps_per_s"] * numbers.get("system/train_time_s", 0)
            found.setdefault("steps", steps)
        for name in names:
            if f"system/{name}" in numbers:
                found.setdefault(name, numbers[f"system/{name}"])
    return found
